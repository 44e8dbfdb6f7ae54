"""Exports finished spans before the process ends: at exit, on SIGTERM, before `os._exit`, in multiprocessing children.

The SDK flushes at interpreter exit only, without a time limit. SIGTERM skips it unless the application handles the
signal, and workers of multiprocessing, RQ and billiard (Celery) leave by `os._exit`. All of them get the same flush
here, bounded in time: an unreachable backend delays an exit by `OTEL_FE_FLUSH_TIMEOUT_S` at most, and the loss is
logged. A process that is killed (SIGKILL, `os.abort`) loses what it has not exported.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn

from otel_fe import faults
from otel_fe.forks import around_fork, while_alive
from otel_fe.instrument.child_sigterm import ChildSigterm
from otel_fe.instrument.hidden_handler import UnseenHandler
from otel_fe.sdk.standby import Standby

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event
    from types import FrameType, ModuleType

    from otel_fe.instrument.imports import ImportHooks
    from otel_fe.instrument.runtime import Exporting

_log = logging.getLogger("otel_fe")
_AT_ONCE: Final = 2
"""Spans, and beside them metrics and logs."""


class Termination:
    """Exports before this process, or a child of it, ends.

    Args:
        pipeline: What to export.
        timeout_s: How long the end may be delayed.
        on_sigterm: Whether to flush on SIGTERM where the application leaves it at its default.
    """

    def __init__(self, pipeline: Exporting, timeout_s: float, *, on_sigterm: bool) -> None:
        self._pipeline = pipeline
        self._timeout_s = timeout_s
        self._on_sigterm = on_sigterm
        self._installed = False
        self._sigterm = UnseenHandler(self._terminated, self.flush)
        # Threads of their own: a signal handler that waits for a lock that the interrupted code holds would never return.
        self._standby = Standby(_AT_ONCE)
        self._exported = 0
        """The pipeline's progress at the last export here."""
        self._unfinished: list[Event] = []
        """Of what has not ended since an earlier export, or of what is under way in the current one."""
        self._lock = threading.RLock()
        self._exporter: int | None = None
        """The thread that exports here now, by its ident."""
        self._deferred = 0
        """A signal that is to end the process once that is done; 0 for none."""
        self._own_exit: Callable[[int], NoReturn] | None = None
        around_fork(
            before=while_alive(self._sigterm.hold),
            after_in_parent=while_alive(self._sigterm.release),
            after_in_child=while_alive(self._after_fork),
        )

    def install(self, hooks: ImportHooks) -> None:
        """Register for every kind of end."""
        self._installed = True
        threads = self._standby.start()
        self._exported = self._pipeline.progress()
        atexit.register(self._exiting)
        self._own_exit = os._exit
        os._exit = self._exit
        hooks.on_import("multiprocessing.util", self._register_children)
        if self._on_sigterm and threads:  # without them a handler could wait for what it has interrupted
            self._sigterm.install()

    def remove(self) -> None:
        """Remove every hook; a signal handler that the application has set meanwhile stays."""
        self._installed = False
        self._standby.stop()
        atexit.unregister(self._exiting)
        if os._exit == self._exit and self._own_exit is not None:
            os._exit = self._own_exit  # type: ignore[assignment]
        self._sigterm.remove()

    def _after_fork(self) -> None:
        """Let SIGTERM end a child at once, as it would without us.

        Python runs a handler only when the main thread executes again. A worker that waits for a lock of its pool at that
        moment may never, and its parent would wait forever to join it.
        """
        self._sigterm.remove()
        self._sigterm.release()
        self._lock = threading.RLock()
        self._exporter = None
        self._deferred = 0
        self._unfinished = []
        if self._installed:
            self._exported = self._pipeline.progress()

    def flush(self) -> None:
        """Export what is finished, for at most the timeout. Never raises."""
        self._export()

    def flush_new(self) -> None:
        """Do the same, unless nothing has been finished since the last flush or the fork."""
        self._export(only_new=True)

    def _exiting(self) -> None:
        self._export(final=True)

    def _exit(self, status: int) -> NoReturn:
        """End as `os._exit` does, once what is new has been exported."""
        try:
            self.flush_new()
        finally:
            (self._own_exit or os.abort)(status)  # type: ignore[call-arg]

    def exports_here(self) -> bool:
        """Return whether the calling thread is exporting here: a signal handler has then interrupted that."""
        return self._exporter == threading.get_ident()

    def _export(self, *, final: bool = False, only_new: bool = False) -> None:
        if not self._installed:
            return
        deadline = monotonic() + self._timeout_s
        if not self._lock.acquire(timeout=self._timeout_s):  # another thread exports already, with the same time limit
            return
        interrupted, self._exporter = self._exporter, threading.get_ident()
        try:
            # What an interrupted export has decided is no longer new, and not sent either.
            self._export_until(deadline, final=final, only_new=only_new and interrupted is None)
        finally:
            self._exporter = interrupted
            self._lock.release()
            if self._deferred and interrupted is None:  # read last: a signal that comes now is handled at once
                self._die(self._deferred)

    def _export_until(self, deadline: float, *, final: bool, only_new: bool) -> None:
        # What has not ended since an earlier end of the same process holds the threads that would do it. That end may be under
        # way still, interrupted by a handler of the application's that ends the process.
        if not all(event.wait(max(0.0, deadline - monotonic())) for event in self._unfinished):
            return
        if only_new and not self._has_new():
            return
        left_s = max(0.0, deadline - monotonic())
        started: list[Event] = []
        self._unfinished = started
        self._pipeline.providers.export(self._standby, left_s, self._decide, started, final=final)
        self._unfinished = [event for event in started if not event.is_set()]
        if self._unfinished:
            _log.warning(
                "otel_fe: the last telemetry of process %d could not be exported within %g s (OTEL_FE_FLUSH_TIMEOUT_S) and is lost",
                os.getpid(),
                self._timeout_s,
            )

    def _has_new(self) -> bool:
        try:
            return self._pipeline.progress() != self._exported
        except Exception as fault:
            faults.record("termination.flush", fault)
            return False

    def _decide(self) -> None:
        try:
            self._pipeline.decide_all()
            self._exported = self._pipeline.progress()
        except Exception as fault:
            faults.record("termination.flush", fault)

    def _terminated(self, signum: int, _frame: FrameType | None) -> None:
        """Flush, then die of the signal as without a handler: the parent sees the same exit status.

        Where the signal has interrupted an export of this thread, the process dies at its end. A second export would not wait
        for the first: providers that are being shut down flush nothing.
        """
        if self.exports_here():
            self._deferred = signum
            return
        self.flush()
        self._die(signum)

    def _die(self, signum: int) -> None:
        self._sigterm.remove()
        os.kill(os.getpid(), signum)

    def watch_sigterm(self) -> None:
        """Export in a child of multiprocessing that is terminated."""
        if not (self._installed and self._on_sigterm):
            return
        spawned = self._sigterm.installed()  # in a forked child it is not, nor where the application has a handler
        if spawned:
            self._sigterm.remove()
        if not ChildSigterm(self.flush_new, self.exports_here).install() and spawned:
            self._sigterm.install()

    def _register_children(self, util: ModuleType) -> None:
        """Flush in multiprocessing's children: `_bootstrap` runs finalizers, but nothing registered with atexit."""
        module: Any = util
        module.register_after_fork(self, _flush_at_end_of_child)


def _flush_at_end_of_child(termination: Termination) -> None:
    try:
        from multiprocessing import util  # noqa: PLC0415 only ever called by it

        util.Finalize(None, termination.flush_new, exitpriority=-10)
        termination.watch_sigterm()
    except Exception as fault:
        faults.record("termination.child", fault)
