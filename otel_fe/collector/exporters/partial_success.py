"""A backend's response to an accepted request: the items that it rejected nevertheless."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any, Final

from otel_fe.collector.exporters.outcome import Delivered

_RESPONSES: Final = {
    "traces": ("trace", "Trace", "rejected_spans", "rejectedSpans"),
    "metrics": ("metrics", "Metrics", "rejected_data_points", "rejectedDataPoints"),
    "logs": ("logs", "Logs", "rejected_log_records", "rejectedLogRecords"),
}


def service(signal: str) -> str:
    """Return the full name of a signal's gRPC service."""
    module, name, _, _ = _RESPONSES[signal]
    return f"opentelemetry.proto.collector.{module}.v1.{name}Service"


def read_protobuf(signal: str, body: bytes) -> Delivered:
    """Read an `Export…ServiceResponse`. One that cannot be read rejects nothing: the request was taken."""
    if not body:
        return Delivered()
    module, name, rejected, _ = _RESPONSES[signal]
    messages: Any = import_module(f"opentelemetry.proto.collector.{module}.v1.{module}_service_pb2")
    try:
        partial = getattr(messages, f"Export{name}ServiceResponse").FromString(body).partial_success
    except Exception:  # protobuf's error class depends on its implementation
        return Delivered()
    return Delivered(max(getattr(partial, rejected), 0), partial.error_message)


def read_json(signal: str, body: bytes) -> Delivered:
    """Read the same in OTLP's JSON."""
    try:
        partial = json.loads(body or b"{}").get("partialSuccess") or {}
        # protobuf's JSON writes 64-bit integers as strings.
        rejected = max(int(partial.get(_RESPONSES[signal][3], 0)), 0)
        return Delivered(rejected, str(partial.get("errorMessage", "")))
    except (ValueError, TypeError, AttributeError):
        return Delivered()
