"""The clock of retention: Unix time, except that a jump forward counts only once it has lasted.

A clock that is wrong for a moment, as after the resume of a virtual machine or before NTP has corrected it, must not make
everything in the store too old. It looks like one that is right and was behind; so what a jump makes too old is kept a
while longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.units import HOUR_S, NS_PER_S

if TYPE_CHECKING:
    from otel_fe.clock import Clock

JUMP_S: Final = HOUR_S
"""Moving ahead of the monotonic clock by more than this is a jump."""
SETTLES_S: Final = HOUR_S
"""Time that a jump must last, by the monotonic clock."""


class SettledTime:
    """Unix time without jumps forward that are recent.

    Args:
        clock: Both clocks.
        newest_s: The latest Unix time that the store knows of, in s: a clock far ahead of it may be wrong from the start; None
            where the store is empty.
    """

    def __init__(self, clock: Clock, newest_s: int | None) -> None:
        self._clock = clock
        self._at_ns = clock.monotonic_ns()
        self._settled_ns = clock.time_ns() if newest_s is None else newest_s * NS_PER_S
        """Unix time at `_at_ns`."""
        self._jumped_ns: int | None = None
        """Monotonic time of the jump that has not settled; None without one."""

    def now_s(self) -> int:
        """Return the time, in s."""
        shown_ns, now_ns = self._clock.time_ns(), self._clock.monotonic_ns()
        expected_ns = self._settled_ns + now_ns - self._at_ns
        if shown_ns > expected_ns + JUMP_S * NS_PER_S:
            self._jumped_ns = now_ns if self._jumped_ns is None else self._jumped_ns
            if now_ns - self._jumped_ns < SETTLES_S * NS_PER_S:
                return expected_ns // NS_PER_S
        self._settled_ns, self._at_ns, self._jumped_ns = shown_ns, now_ns, None
        return shown_ns // NS_PER_S
