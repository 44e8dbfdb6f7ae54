"""Units of time and size, for conversions: inside, times are nanoseconds and sizes bytes."""

from __future__ import annotations

from typing import Final

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
MINUTE_NS: Final = 60 * NS_PER_S
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
MIB: Final = 1024 * 1024
"""Bytes."""
