"""The error for a payload that is not OTLP."""

from __future__ import annotations

from otel_fe.errors import OtelFeError


class WireError(OtelFeError, ValueError):
    """A payload that cannot be read; its sender must not send it again."""
