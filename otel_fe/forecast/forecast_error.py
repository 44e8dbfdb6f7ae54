"""The error for a question that the measurements cannot answer."""

from __future__ import annotations

from otel_fe.errors import OtelFeError


class ForecastError(OtelFeError, ValueError):
    """No number can be given; the message says why, and what would help."""
