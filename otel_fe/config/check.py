"""Checks configuration files, document by document, for `otel-fe check`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config.collector import read_collector_config, read_collector_document
from otel_fe.config.document import Mapping, Scalar, read_documents
from otel_fe.config.openslo import VERSION, read_openslo_documents
from otel_fe.config.policies import TailSampling
from otel_fe.config.problems import InvalidConfigError, Problem
from otel_fe.config.span_metrics import SpanMetrics
from otel_fe.config.text_file import read_text_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Mapping as MappingType

    from otel_fe.config.collector import CollectorConfig
    from otel_fe.config.document import Document


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of checking a file."""

    file: str
    summary: str
    """A summary of its content; empty if it has problems."""
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


def check_file(file: str, environ: MappingType[str, str]) -> CheckResult:
    """Check one file.

    Raises:
        OSError: The file cannot be read.
        ConfigurationError: A file is not UTF-8.
        MissingExtraError: PyYAML is not installed.
    """
    text = read_text_file(file)
    try:
        return check_text(text, file, environ)
    except InvalidConfigError as error:
        return CheckResult(file, "", error.problems)


def check_text(text: str, file: str, environ: MappingType[str, str]) -> CheckResult:
    """Check the text of a file: each document by the rules of its kind.

    Raises:
        InvalidConfigError: Something is wrong in it.
        MissingExtraError: PyYAML is not installed.
    """
    documents = read_documents(text, file, environ)
    by_kind: dict[str, list[Document]] = {}
    for document in documents:
        by_kind.setdefault(_kind(document), []).append(document)
    if by_kind.keys() <= {COLLECTOR}:
        config = read_collector_config(text, file, environ)
        return CheckResult(file, _summary(config), (), config.warnings)
    found: list[tuple[str, tuple[Problem, ...]]] = []
    problems: list[Problem] = []
    for kind, those in by_kind.items():
        try:
            found.append(READERS[kind](those))
        except InvalidConfigError as error:
            problems += error.problems
    if problems:
        raise InvalidConfigError(problems)
    warnings = tuple(one for _, several in found for one in several)
    return CheckResult(file, "; ".join(summary for summary, _ in found), (), warnings)


COLLECTOR: Final = "collector"
"""The kind of documents that say nothing else of themselves."""


def _check_collector(documents: Sequence[Document]) -> tuple[str, tuple[Problem, ...]]:
    configs = [read_collector_document(document) for document in documents]
    return "; ".join(map(_summary, configs)), tuple(warning for config in configs for warning in config.warnings)


def _check_openslo(documents: Sequence[Document]) -> tuple[str, tuple[Problem, ...]]:
    found = read_openslo_documents(documents)
    return f"{_count(len(found.slos), 'SLO')}: {', '.join(slo.name for slo in found.slos)}", found.warnings


READERS: Final[dict[str, Callable[[Sequence[Document]], tuple[str, tuple[Problem, ...]]]]] = {
    COLLECTOR: _check_collector,
    VERSION: _check_openslo,
}
"""Keyed by `apiVersion`: returns a summary of the documents of that kind and their warnings, or raises `InvalidConfigError`."""


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


def render_json(checked: list[CheckResult]) -> str:
    """Write the findings of several files as one JSON document: a list with an object a file."""
    return json.dumps([one.as_json() for one in checked], indent=2, ensure_ascii=False)
