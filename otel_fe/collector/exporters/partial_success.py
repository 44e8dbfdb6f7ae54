"""A backend's response to an accepted request: the items that it rejected nevertheless."""

from __future__ import annotations

import json

from otel_fe.collector.exporters.outcome import Delivered
from otel_fe.wire.signals import SIGNALS


def service(signal: str) -> str:
    """Return the full name of a signal's gRPC service."""
    return SIGNALS[signal].service


def read_protobuf(signal: str, body: bytes) -> Delivered:
    """Read an `Export…ServiceResponse`. One that cannot be read rejects nothing: the request was taken."""
    if not body:
        return Delivered()
    described = SIGNALS[signal]
    try:
        partial = described.response.FromString(body).partial_success
    except Exception:  # protobuf's error class depends on its implementation
        return Delivered()
    return Delivered(max(getattr(partial, described.rejected), 0), partial.error_message)


def read_json(signal: str, body: bytes) -> Delivered:
    """Read the same in OTLP's JSON."""
    try:
        partial = json.loads(body or b"{}").get("partialSuccess") or {}
        # protobuf's JSON writes 64-bit integers as strings.
        rejected = max(int(partial.get(_camel(SIGNALS[signal].rejected), 0)), 0)
        return Delivered(rejected, str(partial.get("errorMessage", "")))
    except (ValueError, TypeError, AttributeError):
        return Delivered()


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
