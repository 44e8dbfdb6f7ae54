"""The protobuf messages of OTLP's signals. Profiles are in alpha: their package is `v1development`."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2 as profiles
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces


class Signal(NamedTuple):
    """One signal's export service."""

    request: Any
    """The class of an export request."""
    response: Any
    """The class of the answer."""
    rejected: str
    """The field of a partial success that counts what was rejected."""
    service: str
    """The full name of its gRPC service."""
    path: str
    """Where it is served over HTTP."""
    levels: tuple[str, str, str]
    """The fields that lead to its items, from the outside to the inside: resources, scopes, items."""


def _named(message: Any) -> str:
    """Return the full name of the service in the file of a message."""
    (service,) = message.DESCRIPTOR.file.services_by_name.values()
    return str(service.full_name)


SIGNALS: Final = {
    "traces": Signal(
        traces.ExportTraceServiceRequest,
        traces.ExportTraceServiceResponse,
        "rejected_spans",
        _named(traces.ExportTraceServiceRequest),
        "/v1/traces",
        ("resource_spans", "scope_spans", "spans"),
    ),
    "metrics": Signal(
        metrics.ExportMetricsServiceRequest,
        metrics.ExportMetricsServiceResponse,
        "rejected_data_points",
        _named(metrics.ExportMetricsServiceRequest),
        "/v1/metrics",
        ("resource_metrics", "scope_metrics", "metrics"),
    ),
    "logs": Signal(
        logs.ExportLogsServiceRequest,
        logs.ExportLogsServiceResponse,
        "rejected_log_records",
        _named(logs.ExportLogsServiceRequest),
        "/v1/logs",
        ("resource_logs", "scope_logs", "log_records"),
    ),
    "profiles": Signal(
        profiles.ExportProfilesServiceRequest,
        profiles.ExportProfilesServiceResponse,
        "rejected_profiles",
        _named(profiles.ExportProfilesServiceRequest),
        "/v1development/profiles",
        ("resource_profiles", "scope_profiles", "profiles"),
    ),
}
"""Keyed by their names in pipelines."""
