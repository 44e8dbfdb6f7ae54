"""Units of time and size, for conversions: inside, times are nanoseconds and sizes bytes."""

from __future__ import annotations

from typing import Final

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
MINUTE_NS: Final = 60 * NS_PER_S
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
MB: Final = 1_000_000
"""Bytes: the requirement and most tools count in powers of a thousand."""
MIB: Final = 1024 * 1024
"""Bytes."""
_TWO_DIGITS_MS: Final = 9.95
"""From here on, whole milliseconds have two digits."""


def duration_text(value_ns: float) -> str:
    """Return a duration as sentences have it: two or three digits, `9.5 ms`, `231 ms`, `1.25 s`."""
    if value_ns >= NS_PER_S:
        return f"{value_ns / NS_PER_S:.3g} s"
    value_ms = value_ns / NS_PER_MS
    return f"{value_ms:.0f} ms" if value_ms >= _TWO_DIGITS_MS else f"{value_ms:.2g} ms"
