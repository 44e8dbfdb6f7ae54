"""Wakes the scheduling thread when something is due, rather than ten times a second.

A round that finds nothing costs 0.2 ms where the processor has slept before it: at rest, rounds would be all that a collector does.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_fe.clock import Clock

_SLACK_NS: Final = 50_000_000
"""The most that a round may be late, so that the next request can process what is due; also the least time between rounds."""
_LONGEST_NS: Final = 5_000_000_000


class WakeupTimer:
    """Wakes one thread; any may set it.

    Args:
        clock: Monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())
        self._at_ns = clock.monotonic_ns()
        self._stopped = False

    def by(self, due_ns: int) -> None:
        """Wake the thread soon after `due_ns`, or before."""
        if due_ns + _SLACK_NS >= self._at_ns:
            return
        with self._changed:
            at_ns = max(due_ns, self._clock.monotonic_ns()) + _SLACK_NS
            if at_ns < self._at_ns:
                self._at_ns = at_ns
                self._changed.notify()

    def stop(self) -> None:
        """Wake it for the last time."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def wait(self) -> bool:
        """Wait until it is time; False once it was stopped. Until the next `by`, it is time again in five seconds."""
        with self._changed:
            while not self._stopped:
                now_ns = self._clock.monotonic_ns()
                if now_ns >= self._at_ns:
                    self._at_ns = now_ns + _LONGEST_NS
                    return True
                self._changed.wait((self._at_ns - now_ns) / 1e9)
            return False
