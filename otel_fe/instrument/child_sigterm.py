"""Handles SIGTERM in children of multiprocessing: `Pool.terminate`, and so the end of `with Pool(…)`, sends it.

A handler in Python runs only when the main thread executes again, and a worker that begins to wait for its pool's lock at that
moment may never: its parent would wait forever to join it. So a thread waits for the signal as well, notified by the
interpreter's C handler through a pipe.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

from otel_fe.daemons import start_daemon
from otel_fe.forks import around_fork
from otel_fe.instrument.hidden_handler import UnseenHandler

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_HOLD_S: Final = 1.0
"""Seconds that the main thread waits for the export, bounded since it may hold a lock that the export needs."""


class ChildSigterm:
    """Exports before SIGTERM ends this process, by the signal's own exit status.

    Args:
        flush: Exports what is finished, bounded in time.
        exports_here: Returns whether the calling thread is exporting already, which `flush` in another thread waits for.
    """

    def __init__(self, flush: Callable[[], None], exports_here: Callable[[], bool]) -> None:
        self._flush = flush
        self._exports_here = exports_here
        self._sigterm = UnseenHandler(self._handle, flush)
        self._pipe: tuple[int, int] | None = None
        self._ended = threading.Event()
        self._once = threading.Lock()

    def install(self) -> bool:
        """Wait for the signal; return False where the application handles it, or has its own wake-up pipe for signals."""
        if not self._sigterm.install():
            return False
        pipe = os.pipe()
        os.set_blocking(pipe[1], False)
        before = signal.set_wakeup_fd(pipe[1], warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
            _close(pipe)
            self._sigterm.remove()
            return False
        self._pipe = pipe
        if start_daemon("termination", "otel-fe-sigterm", self._watch, pipe[0]) is None:
            self._pipe = None
            self._sigterm.remove()
            signal.set_wakeup_fd(-1)
            _close(pipe)
            return False
        around_fork(before=self._sigterm.hold, after_in_parent=self._sigterm.release, after_in_child=self._after_fork)
        return True

    def _watch(self, pipe: int) -> None:
        while told := os.read(pipe, 64):
            if signal.SIGTERM in told and self._sigterm.installed():
                self._end()

    def _handle(self, _signum: int, _frame: FrameType | None) -> None:
        """Hold the main thread, unless it is exporting: without us it would have ended here."""
        if signal.set_wakeup_fd(-1) == (self._pipe or (0, -1))[1]:
            if not self._exports_here():
                self._ended.wait(_HOLD_S)  # the thread has been notified
        else:  # the application has replaced our pipe
            self._end()

    def _end(self) -> None:
        if self._once.acquire(blocking=False):
            self._flush()
            _die()

    def _after_fork(self) -> None:
        """Leave the signal to a child of this one, which would write into our pipe."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None and threading.current_thread() is threading.main_thread():
            self._sigterm.remove()
            held = signal.set_wakeup_fd(-1)
            if held not in (-1, pipe[1]):
                signal.set_wakeup_fd(held)
            _close(pipe)
        self._sigterm.release()


def _die() -> None:
    """End this process by SIGTERM. Only the main thread may set a handler in Python, but any thread by the C library."""
    import ctypes  # noqa: PLC0415 few processes end so

    library: Any = ctypes.CDLL(None)
    library.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    library.signal.restype = ctypes.c_void_p
    library.signal(signal.SIGTERM, None)
    os.kill(os.getpid(), signal.SIGTERM)


def _close(pipe: tuple[int, int]) -> None:
    for end in pipe:
        os.close(end)
