"""Names of the event and the log record with the plan of a slow statement; `semconv.py` holds all others."""

from __future__ import annotations

from typing import Final

from otel_fe.semconv import Attribute

EVENT: Final = "feature_extraction.plan"
"""Name of the event on the span of a slow statement, and of the log record of the first one, whose body is the plan."""
TEXT: Final = "feature_extraction.plan.text"
ATTRIBUTES: Final = (
    Attribute(TEXT, "string", "", "What EXPLAIN returned: of PostgreSQL the generic plan, and without values."),
)
