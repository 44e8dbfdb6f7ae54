"""Finds one span in the encoded spans of a kept trace."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData


def find_span(body: bytes, span_id: bytes) -> tuple[Any, Any] | None:
    """Return the resource of a span and the span; None where it is not there, or the trace cannot be read."""
    try:
        request = TracesData.FromString(body)
    except DecodeError:
        return None
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if span.span_id == span_id:
                    return resource_spans.resource, span
    return None
