"""Units of time and size, for conversions: inside, times are nanoseconds and sizes bytes."""

from __future__ import annotations

from typing import Final

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
MINUTE_NS: Final = 60 * NS_PER_S
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
MINUTE_S: Final = 60
HOUR_S: Final = 60 * MINUTE_S
DAY_S: Final = 24 * HOUR_S
MB: Final = 1_000_000
"""Bytes: the requirement and most tools count in powers of a thousand."""
MIB: Final = 1024 * 1024
"""Bytes."""
