"""Reads a whole configuration of the OpenTelemetry Collector v0.160 into one frozen value, or reports all problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import kinds
from otel_fe.config.components import COMPONENTS, is_known_elsewhere
from otel_fe.config.document import read_documents
from otel_fe.config.identifiers import ComponentId, component_id, component_key
from otel_fe.config.pipelines import Component, Defined, Pipeline, check_extensions, check_pipelines, read_pipelines
from otel_fe.config.problems import InvalidConfigError, Position, Problem
from otel_fe.config.reading import (
    Key,
    Place,
    Report,
    Section,
    Unsupported,
    attempt,
    not_supported,
    read_quietly,
    suggest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.config.document import Document
    from otel_fe.config.exporters import Debug, Nop, OtlpGrpc, OtlpHttp
    from otel_fe.config.extensions import BearerTokenAuth, FileStorage, HealthCheck
    from otel_fe.config.identifiers import PipelineId
    from otel_fe.config.policies import TailSampling
    from otel_fe.config.processors import BatchProcessor, MemoryLimiter
    from otel_fe.config.receivers import OtlpReceiver
    from otel_fe.config.span_metrics import SpanMetrics


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The level of the collector's own metrics and logs."""

    metrics_level: str = "normal"
    """`none`, `basic`, `normal` or `detailed`."""
    logs_level: str = "info"
    """`debug`, `info`, `warn` or `error`."""


@dataclass(frozen=True, slots=True)
class CollectorConfig:
    """The configuration of a collector. Every id that a pipeline names is in one of the mappings."""

    receivers: Mapping[ComponentId, OtlpReceiver]
    processors: Mapping[ComponentId, TailSampling | BatchProcessor | MemoryLimiter]
    connectors: Mapping[ComponentId, SpanMetrics]
    exporters: Mapping[ComponentId, OtlpGrpc | OtlpHttp | Debug | Nop]
    extensions: Mapping[ComponentId, FileStorage | HealthCheck | BearerTokenAuth]
    """Extensions in `service::extensions` only, in their order there."""
    pipelines: Mapping[PipelineId, Pipeline]
    """Pipelines in the order of the file."""
    telemetry: Telemetry = field(default_factory=Telemetry)
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    """Warnings about useless or outdated keys, in the order of the file."""


def read_collector_config(text: str, file: str, environ: Mapping[str, str]) -> CollectorConfig:
    """Read the Collector's YAML in `text`.

    Args:
        text: The YAML; one document.
        file: Its name, for messages.
        environ: The environment variables that `${env:NAME}` may name.

    Raises:
        InvalidConfigError: Something is wrong; the error holds every problem with its line.
        MissingExtraError: PyYAML is not installed (the extra `collector`).
    """
    documents = list(read_documents(text, file, environ))
    if not documents:
        raise InvalidConfigError([Problem(Position(file, 1, 1), "", None, "the file is empty")])
    if len(documents) > 1:
        wanted = "use one document; the Collector ignores what follows the first"
        raise InvalidConfigError([Problem(documents[1].root.position, "", None, wanted)])
    return read_collector_document(documents[0])


def read_collector_document(document: Document) -> CollectorConfig:
    """Read a document that `document.read_documents` has made.

    Raises:
        InvalidConfigError: Something is wrong; the error holds every problem with its line.
    """
    report = Report(list(document.problems), list(document.warnings))
    place = Place(document.root, "", report, document.root.position)
    top: dict[str, Place] = attempt(Place.entries, place, {})
    for key, inner in top.items():
        if key not in COMPONENTS and key != "service":
            inner.problem(f"there is no such section{suggest(key, [*COMPONENTS, 'service'])}", value=False)
    defined = {section: _components(top.get(section), section) for section in COMPONENTS}
    service = _service(place, top.get("service"), defined)
    if report.problems or service is None:
        raise InvalidConfigError(report.problems)
    enabled = service.get("extensions", ())
    settings = {section: {key: one.settings for key, one in defined[section].items()} for section in COMPONENTS}
    settings["extensions"] = {key: settings["extensions"][key] for key in enabled}
    return CollectorConfig(
        **settings,
        pipelines=service["pipelines"],
        telemetry=service.get("telemetry") or Telemetry(),
        warnings=tuple(sorted(report.warnings, key=lambda warning: warning.position)),
    )


def _components(place: Place | None, section: str) -> dict[ComponentId, Component]:
    """Read one section's components; those that are refused stay, without settings, since they can be named."""
    components: dict[ComponentId, Component] = {}
    entries: dict[str, Place] = attempt(Place.entries, place, {}) if place is not None else {}
    for inner in entries.values():
        identifier = attempt(component_key, inner, None)
        if identifier is None:
            continue
        if identifier in components:
            inner.problem("another component already has this id", value=False)
        kind = COMPONENTS[section].get(identifier.type)
        if kind is None:
            inner.problem(_unknown(identifier.type, section), value=False)
        settings = attempt(kind.keys, inner, None) if kind is not None else None
        components[identifier] = Component(inner, kind, settings)
    return components


def _unknown(kind: str, section: str) -> str:
    known = ", ".join(COMPONENTS[section])
    if is_known_elsewhere(section, kind):
        return not_supported(f"use one of {known}")
    return (
        f"there is no such type of {section.removesuffix('s')}{suggest(kind, COMPONENTS[section])}; use one of {known}"
    )


def _service(top: Place, place: Place | None, defined: Defined) -> dict[str, Any] | None:
    if place is None:
        top.problem("add a service section with its pipelines", value=False)
        check_pipelines(None, defined)
        return None
    fields = attempt(_SERVICE.fields, place, None)
    entries: dict[str, Place] = attempt(Place.entries, place, {})
    check_pipelines(entries.get("pipelines"), defined)
    names = read_quietly(entries["extensions"], component_id) if "extensions" in entries else []
    check_extensions(top.report.references, {identifier: item for item, identifier in names}, defined)
    return fields


def _telemetry(metrics: dict[str, str] | None = None, logs: dict[str, str] | None = None) -> Telemetry:
    return Telemetry(**(metrics or {}), **(logs or {}))


_LEVELS: Final = kinds.choice("none", "basic", "normal", "detailed", any_case=True)
_SEVERITIES: Final = kinds.choice(
    "debug", "info", "warn", "error", any_case=True, unsupported=("dpanic", "panic", "fatal")
)
_LOGS: Final = (
    "development",
    "disable_caller",
    "disable_stacktrace",
    "disable_zap_resource",
    "encoding",
    "error_output_paths",
    "initial_fields",
    "output_paths",
    "processors",
    "sampling",
)
_SERVICE: Final = Section(
    dict[str, Any],
    {
        "extensions": Key(kinds.list_of(component_id, wanted="use a list of extensions")),
        "pipelines": Key(read_pipelines, required="give at least one pipeline"),
        "telemetry": Key(
            Section(
                _telemetry,
                {
                    "metrics": Key(
                        Section(
                            dict[str, str],
                            {
                                "level": Key(_LEVELS, "metrics_level"),
                                "readers": Unsupported(
                                    "the collector's own metrics leave through its metrics pipelines"
                                ),
                                "views": Unsupported(),
                            },
                        )
                    ),
                    "logs": Key(
                        Section(
                            dict[str, str],
                            {"level": Key(_SEVERITIES, "logs_level"), **dict.fromkeys(_LOGS, Unsupported())},
                        )
                    ),
                    "traces": Unsupported("the collector does not trace itself"),
                    "resource": Unsupported(),
                },
            )
        ),
    },
)
