"""A short-lived cache of answers about long windows, so that clicking through a week does not recompute its sums."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

from otel_fe.units import HOUR_NS, MINUTE_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from otel_fe.clock import Clock

_T = TypeVar("_T")
_MOST: Final = 32
_SHORTEST_NS: Final = 6 * HOUR_NS
"""Shorter windows are answered fast, and never cached."""
_PARTS: Final = 1_000
_LONGEST_NS: Final = MINUTE_NS


class QueryCache:
    """The last few answers. Thread-safe; two concurrent requests for the same may both compute it.

    Args:
        clock: Answers are forgotten by its monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, tuple[int, object]] = OrderedDict()

    def window(self, window: tuple[int, int], *, relative: bool) -> tuple[int, int]:
        """Return a window that stays the same for a thousandth of its length, and holds all of the one given that there is yet."""
        length = window[1] - window[0]
        if not relative or length < _SHORTEST_NS:
            return window
        grain = length // _PARTS
        until = -(-window[1] // grain) * grain
        return until - length, until

    def get(self, key: Hashable, length_ns: int, ask: Callable[[], _T]) -> _T:
        """Return an answer, a thousandth of its window's length old and at most a minute."""
        if length_ns < _SHORTEST_NS:
            return ask()
        now = self._clock.monotonic_ns()
        with self._lock:
            known = self._answers.get(key)
            if known is not None and now - known[0] <= min(length_ns // _PARTS, _LONGEST_NS):
                return known[1]  # type: ignore[return-value]
        found = ask()
        with self._lock:
            self._answers[key] = (now, found)
            self._answers.move_to_end(key)
            while len(self._answers) > _MOST:
                self._answers.popitem(last=False)
        return found
