"""Checks configuration files, document by document, for `otel-fe check`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config.collector import read_collector_config, read_collector_document
from otel_fe.config.document import Mapping, Scalar, read_documents
from otel_fe.config.policies import TailSampling
from otel_fe.config.problems import InvalidConfigError, Problem
from otel_fe.config.span_metrics import SpanMetrics
from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as MappingType

    from otel_fe.config.collector import CollectorConfig
    from otel_fe.config.document import Document


@dataclass(frozen=True, slots=True)
class Checked:
    """What is to say about a file."""

    file: str
    summary: str
    """What it holds; empty where it has problems."""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the same for machines."""
        found = {"problems": self.problems, "warnings": self.warnings}
        return {
            "file": self.file,
            "ok": not self.problems,
            "summary": self.summary,
            **{name: [_problem_json(one) for one in problems] for name, problems in found.items()},
        }


def check_file(file: str, environ: MappingType[str, str]) -> Checked:
    """Check one file.

    Raises:
        OSError: The file cannot be read.
        ConfigurationError: It is no UTF-8.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(file, f"byte {error.start}", "write the file in UTF-8") from error
    try:
        return check_text(text, file, environ)
    except InvalidConfigError as error:
        return Checked(file, "", error.problems)


def check_text(text: str, file: str, environ: MappingType[str, str]) -> Checked:
    """Check what a file says: each document by its own rules, which its kind decides.

    Raises:
        InvalidConfigError: Something is wrong in it.
        MissingExtraError: PyYAML is not installed.
    """
    documents = read_documents(text, file, environ)
    kinds = {_kind(document) for document in documents}
    if kinds <= {COLLECTOR}:
        config = read_collector_config(text, file, environ)
        return Checked(file, _summary(config), (), config.warnings)
    found = [READERS[_kind(document)](document) for document in documents]
    return Checked(
        file, "; ".join(summary for summary, _ in found), (), tuple(one for _, warnings in found for one in warnings)
    )


COLLECTOR: Final = "collector"
"""The kind of documents that say nothing else of themselves."""


def _check_collector(document: Document) -> tuple[str, tuple[Problem, ...]]:
    config = read_collector_document(document)
    return _summary(config), config.warnings


def _refuse_openslo(document: Document) -> tuple[str, tuple[Problem, ...]]:
    raise InvalidConfigError(
        [Problem(document.root.position, "apiVersion", None, "OpenSLO documents cannot be checked yet")]
    )


READERS: Final[dict[str, Callable[[Document], tuple[str, tuple[Problem, ...]]]]] = {
    COLLECTOR: _check_collector,
    "openslo/v1": _refuse_openslo,
}
"""By `apiVersion`: returns a document's summary and its warnings, or raises `InvalidConfigError`."""


def _kind(document: Document) -> str:
    entries = document.root.entries if isinstance(document.root, Mapping) else ()
    for entry in entries:
        if entry.key == "apiVersion" and isinstance(entry.value, Scalar) and entry.value.value in READERS:
            return str(entry.value.value)
    return COLLECTOR


def _summary(config: CollectorConfig) -> str:
    policies = sum(len(one.policies) for one in config.processors.values() if isinstance(one, TailSampling))
    parts = [f"{_count(len(config.pipelines), 'pipeline')}: {', '.join(map(str, config.pipelines))}"]
    if policies:
        parts.append(_count(policies, "sampling policy", "sampling policies"))
    metrics = [one for one in config.connectors.values() if isinstance(one, SpanMetrics)]
    parts += [f"span metrics with {_count(len(one.dimensions), 'dimension')} of their own" for one in metrics]
    parts.append(f"{_count(len(config.exporters), 'exporter')}: {', '.join(map(str, config.exporters))}")
    return "; ".join(parts)


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "line": problem.position.line,
        "column": problem.position.column,
        "key": problem.key,
        "value": problem.value,
        "wanted": problem.wanted,
    }


def render_json(checked: list[Checked]) -> str:
    """Write the findings of several files as one JSON document: a list with an object a file."""
    return json.dumps([one.as_json() for one in checked], indent=2, ensure_ascii=False)
