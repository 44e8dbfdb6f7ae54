"""The messages of OTLP's three signals."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces


class Signal(NamedTuple):
    """The messages of one signal's export service."""

    request: Any
    """The class of an export request."""
    response: Any
    """The class of the answer."""
    rejected: str
    """The field of a partial success that counts what was rejected."""


SIGNALS: Final = {
    "traces": Signal(traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse, "rejected_spans"),
    "metrics": Signal(
        metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse, "rejected_data_points"
    ),
    "logs": Signal(logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse, "rejected_log_records"),
}
