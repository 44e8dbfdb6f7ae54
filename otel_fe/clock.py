"""Clocks as arguments, so that tests can use their own."""

from __future__ import annotations

import time
from typing import Final, Protocol

FAR_NS: Final = 1 << 62
"""A time that does not come."""


class Clock(Protocol):
    """The interface of a clock."""

    def time_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never go backwards, from an arbitrary start."""
        ...


class SystemClock:
    """The clocks of the operating system."""

    time_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.perf_counter_ns)
