"""The error of whoever sends what is not OTLP."""

from __future__ import annotations

from otel_fe.errors import OtelFeError


class WireError(OtelFeError, ValueError):
    """A payload that cannot be read; its sender is told, and must not send it again."""
