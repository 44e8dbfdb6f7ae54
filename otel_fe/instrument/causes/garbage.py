"""Pauses of the garbage collector: when, for how long, and on which thread. CPython tells the beginning and the end of each."""

from __future__ import annotations

import gc
from _thread import get_ident
from collections import deque
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORTEST_NS: Final = 20_000
"""Shorter ones are frequent, and cost next to nothing."""
_MOST: Final = 2_048


class Pause(NamedTuple):
    """One collection."""

    start_ns: int
    """Monotonic."""
    end_ns: int
    ident: int
    """Of the thread that it ran on; no other thread could run meanwhile."""


class Pauses:
    """The newest pauses of this process."""

    def __init__(self) -> None:
        self._began_cpu_ns = -1
        self._kept: deque[Pause] = deque(maxlen=_MOST)

    def install(self) -> None:
        """Begin to note pauses."""
        if self._noted not in gc.callbacks:
            gc.callbacks.append(self._noted)

    def remove(self) -> None:
        """Note no more pauses, and forget those that there were."""
        if self._noted in gc.callbacks:
            gc.callbacks.remove(self._noted)
        self._kept.clear()

    def between(self, start_ns: int, end_ns: int) -> Sequence[Pause]:
        """Return the pauses that overlap a time, in order."""
        found = []
        for pause in reversed(list(self._kept)):
            if pause.end_ns <= start_ns:
                break
            if pause.start_ns < end_ns:
                found.append(pause)
        return found[::-1]

    def _noted(self, phase: str, _info: dict[str, Any]) -> None:
        # By the thread's CPU clock: other threads may run between the collection and a callback, which is Python.
        used = thread_time_ns()
        if phase == "start":
            self._began_cpu_ns = used
        elif used - self._began_cpu_ns >= _SHORTEST_NS and self._began_cpu_ns >= 0:
            now = perf_counter_ns()
            self._kept.append(Pause(now - used + self._began_cpu_ns, now, get_ident()))


PAUSES: Final = Pauses()
"""Of this process: the collector is one for all."""
