"""Pauses of the garbage collector: when, for how long, and on which thread. CPython reports the beginning and the end of each."""

from __future__ import annotations

import contextlib
import gc
import sys
from _thread import get_ident
from collections import deque
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.instrument.stack_lines import stack_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from otel_fe.instrument.stack_lines import Stack

_SHORTEST_NS: Final = 20_000
"""Shorter ones are frequent, and cost next to nothing."""
_TRACED_NS: Final = 2_000_000
"""Of longer ones, the stack is copied, for some 10 µs: a pause holds the interpreter, so the watcher cannot see it."""
_MOST: Final = 2_048
_COLLECTS_AT_ALLOCATION: Final = sys.version_info < (3, 12)


class Pause(NamedTuple):
    """One collection."""

    start_ns: int
    """Monotonic."""
    end_ns: int
    ident: int
    """Of the thread that it ran on; no other thread could run meanwhile."""
    stack: Stack = ()
    """Of that thread, which allocated the object that set the collection off; empty for short pauses."""


class Pauses:
    """The newest pauses of this process."""

    def __init__(self) -> None:
        self._began_cpu_ns = -1
        self._kept: deque[Pause] = deque(maxlen=_MOST)
        self.watcher = 0
        """Thread of the watcher. A collection that happens to run on it is not its own work."""
        self.on_watcher_ns = 0
        """CPU time of those."""

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
            if get_ident() == self.watcher:
                self.on_watcher_ns += used - self._began_cpu_ns
            stack = stack_of(sys._getframe().f_back) if used - self._began_cpu_ns >= _TRACED_NS else ()
            self._kept.append(Pause(now - used + self._began_cpu_ns, now, get_ident(), stack))


PAUSES: Final = Pauses()
"""The pauses of this process: it has one garbage collector."""


@contextlib.contextmanager
def held_off() -> Generator[None]:
    """Keep the collector from running, for the microseconds in which another thread's frames are walked.

    Until Python 3.12 a collection starts inside of an allocation, such as that of the object that `f_back` makes for a frame.
    Callbacks and finalizers may then let the other thread run, and its frame is gone when the allocation returns: what is read,
    and written, is the memory of another frame. `sys._current_frames` holds the collector off for a similar reason
    (https://github.com/python/cpython/issues/106883).
    """
    if not (_COLLECTS_AT_ALLOCATION and gc.isenabled()):
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
