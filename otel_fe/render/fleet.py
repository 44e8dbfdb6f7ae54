"""The source of a rendered fleet: the part of a Collector configuration that decides and counts, and the SLOs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_fe.config.collector import read_collector_document
from otel_fe.config.document import Mapping, Node, Scalar, read_documents
from otel_fe.config.policies import TailSampling
from otel_fe.config.problems import InvalidConfigError, Position, Problem
from otel_fe.config.reading import Place, Report
from otel_fe.config.span_metrics import SpanMetrics
from otel_fe.render.fleet_pipelines import refuse_pipelines
from otel_fe.render.fleet_refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from otel_fe.config.collector import CollectorConfig
    from otel_fe.model.slo import Slo


@dataclass(frozen=True, slots=True)
class Fleet:
    """One policy, for many machines."""

    tail_sampling: MappingType[str, Any]
    """The processor's settings, as the policy file has them."""
    span_metrics: MappingType[str, Any]
    """The connector's settings, likewise."""
    sampling: TailSampling
    """The processor's settings, read."""
    counting: SpanMetrics
    """The connector's settings, read."""
    slos: tuple[Slo, ...]
    warnings: tuple[Problem, ...] = ()


def read_fleet(text: str, file: str, environ: MappingType[str, str], slos: tuple[Slo, ...]) -> Fleet:
    """Read a policy file: a Collector configuration with one `tail_sampling` and one `span_metrics`.

    Its receivers, exporters and limits are those of one machine, which `otel-fe collector` runs it on; a fleet has its own.

    Raises:
        InvalidConfigError: The file is invalid, or would decide differently on a fleet of real Collectors; with all keys and lines.
        MissingExtraError: PyYAML is not installed.
    """
    documents = read_documents(text, file, environ)
    if len(documents) != 1:
        position = Position(file, 1, 1)
        raise InvalidConfigError([Problem(position, "", None, f"use one document; there are {len(documents)}")])
    (document,) = documents
    config = read_collector_document(document)
    report = Report()
    top = Place(document.root, "", report, document.root.position)
    processor = _only(top, config, "processors", TailSampling)
    connector = _only(top, config, "connectors", SpanMetrics)
    if processor is not None and connector is not None:
        refuse(processor[0], processor[1], connector[0], connector[1])
        refuse_pipelines(top, config)
    if report.problems or processor is None or connector is None:
        raise InvalidConfigError(report.problems)
    warnings = (*config.warnings, *report.warnings)
    return Fleet(_plain(processor[0].node), _plain(connector[0].node), processor[1], connector[1], slos, warnings)


def _only(top: Place, config: CollectorConfig, section: str, kind: type[Any]) -> tuple[Place, Any] | None:
    """Return the only component of a kind and its place; otherwise the problem is recorded."""
    name = "tail_sampling" if kind is TailSampling else "span_metrics"
    found = {str(key): one for key, one in getattr(config, section).items() if isinstance(one, kind)}
    places = top.entries().get(section, top)
    if not found:
        places.problem(f"a fleet needs one {name}; there is none", value=False)
        return None
    inner = places.entries()
    first, *others = found
    for other in others:
        inner[other].problem(f"a fleet has one {name}, and {first} is there already; remove this one", value=False)
    return None if others else (inner[first], found[first])


def _plain(node: Node) -> Any:
    """Return a node as plain values; a `$` is doubled, since the Collector would replace what follows it."""
    if isinstance(node, Mapping):
        return {entry.key: _plain(entry.value) for entry in node.entries}
    if isinstance(node, Scalar):
        return node.value.replace("$", "$$") if isinstance(node.value, str) else node.value
    return [_plain(item) for item in node.items]
