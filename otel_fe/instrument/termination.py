"""Nothing finished is lost at the end: of the interpreter, by SIGTERM, of a multiprocessing child.

The SDK flushes at interpreter exit only. SIGTERM skips that unless somebody handles it, and a multiprocessing child leaves
by `os._exit`. Both are given the same flush here, bounded in time: an unreachable backend delays an exit by
`OTEL_FE_FLUSH_TIMEOUT_S` at most.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

from otel_fe.instrument import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

    from otel_fe.instrument.imports import ImportHooks


class Termination:
    """Calls `flush` before this process, or a child of it, ends.

    Args:
        decide: Hands what is finished to the exporters; enough at interpreter exit, where the SDK then flushes them.
        flush: Exports what is finished. Both run on a thread of their own, since a signal handler that waits for a lock
            that the interrupted code holds would never return.
        timeout_s: How long the end may be delayed.
        on_sigterm: Whether to flush on SIGTERM where the application leaves it at its default.
    """

    def __init__(
        self, decide: Callable[[], None], flush: Callable[[], None], timeout_s: float, *, on_sigterm: bool
    ) -> None:
        self._decide = decide
        self._flush = flush
        self._timeout_s = timeout_s
        self._on_sigterm = on_sigterm
        self._installed = False
        if hasattr(os, "register_at_fork"):
            leave = weakref.WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: (method := leave()) and method())

    def install(self, hooks: ImportHooks) -> None:
        """Register for every kind of end."""
        self._installed = True
        atexit.register(self._exiting)
        hooks.on_import("multiprocessing.util", self._register_children)
        if self._on_sigterm and threading.current_thread() is threading.main_thread():
            try:
                if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                    signal.signal(signal.SIGTERM, self._terminated)
            except (ValueError, OSError):  # an embedded interpreter may not own its signals
                pass

    def remove(self) -> None:
        """Leave every end as it was; a handler that the application set meanwhile stays."""
        self._installed = False
        atexit.unregister(self._exiting)
        self._leave_sigterm()

    def _leave_sigterm(self) -> None:
        mine = signal.getsignal(signal.SIGTERM) == self._terminated
        if mine and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _after_fork(self) -> None:
        """Let SIGTERM end a child at once, as it would without us.

        Python runs a handler only when the main thread executes again. A worker that waits for a lock of its pool at that
        moment may never, and whoever has terminated it and joins it would wait forever.
        """
        self._leave_sigterm()

    def flush(self) -> None:
        """Export what is finished, for at most the timeout. Never raises."""
        self._within_timeout(self._flush)

    def _exiting(self) -> None:
        self._within_timeout(self._decide)

    def _within_timeout(self, work: Callable[[], None]) -> None:
        if not self._installed:
            return
        thread = threading.Thread(target=_guarded, args=(work,), name="otel-fe-flush", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # too late for threads: Python 3.12 refuses them during shutdown
            _guarded(work)
        else:
            thread.join(self._timeout_s)

    def _terminated(self, signum: int, _frame: FrameType | None) -> None:
        """Flush, then die of the signal as if nobody had handled it: the parent sees the same exit status."""
        self.flush()
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)

    def _register_children(self, util: ModuleType) -> None:
        """Flush in multiprocessing's children: `_bootstrap` runs finalizers, but nothing registered with atexit."""
        module: Any = util
        module.register_after_fork(self, _flush_at_end_of_child)


def _guarded(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as fault:
        faults.record("termination.flush", fault)


def _flush_at_end_of_child(termination: Termination) -> None:
    try:
        from multiprocessing import util  # noqa: PLC0415 only ever called by it

        util.Finalize(None, termination.flush, exitpriority=-10)
    except Exception as fault:
        faults.record("termination.child", fault)
