"""A hidden handler of SIGTERM: `signal.getsignal` and `signal.signal` report the default in its place.

An application that installs its own handler reads the previous one. Many call it if it is callable, and continue to
clean up; others, such as uvicorn, restore the default and send themselves the signal. Both behave as without otel_fe
only if they see the default. Setting the default sets ours: the process still dies of the signal, once it has exported.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import functools
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class UnseenHandler:
    """Replaces SIGTERM's default handler, for the main thread of the main interpreter.

    Args:
        handle: Called with the signal and the frame; ends the process.
        flush: Called instead where another handler calls ours, which it cannot have got from `signal.signal`.
    """

    def __init__(self, handle: Callable[[int, FrameType | None], None], flush: Callable[[], None]) -> None:
        self._handle = handle
        self._flush = flush
        self._originals: tuple[Any, Any] | None = None
        self._replacements: tuple[Any, Any] = (None, None)
        self._masks = threading.local()
        """`before`: the signal mask of this thread, while it forks."""

    def install(self) -> bool:
        """Replace the default; return whether it was the default, and this is the main thread."""
        if (
            threading.current_thread() is not threading.main_thread()
            or _signal.getsignal(signal.SIGTERM) != _signal.SIG_DFL
        ):
            return False
        try:
            _signal.signal(signal.SIGTERM, self._called)
        except (ValueError, OSError):  # an embedded interpreter may not own its signals
            return False
        self._originals = signal.signal, signal.getsignal
        self._replacements = self._signal_for(signal.signal), self._getsignal_for(signal.getsignal)
        module: Any = signal
        module.signal, module.getsignal = self._replacements
        return True

    def installed(self) -> bool:
        """Return whether SIGTERM would reach it."""
        return bool(_signal.getsignal(signal.SIGTERM) == self._called)

    def remove(self) -> None:
        """Leave the default in its place, unless the application has a handler there."""
        if self._originals is None:
            return
        if self.installed() and threading.current_thread() is threading.main_thread():
            _signal.signal(signal.SIGTERM, _signal.SIG_DFL)
        if (signal.signal, signal.getsignal) == self._replacements:
            module: Any = signal
            module.signal, module.getsignal = self._originals
        self._originals = None  # code that has copied our functions gets the real answers from now on

    def hold(self) -> None:
        """Hold SIGTERM back in this thread, which is about to fork.

        A child has this handler until it removes it. Python forgets signals that reach a child right after the fork, so that
        SIGTERM would end nothing; a little later it would start an export in a child without threads.
        """
        if self.installed():
            self._masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def release(self) -> None:
        """Let SIGTERM in: in the parent, or in a child that has removed the handler. One that was held back arrives now."""
        before = self._masks.__dict__.pop("before", None)
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _called(self, signum: int, frame: FrameType | None) -> None:
        if self.installed():
            self._handle(signum, frame)
        else:
            self._flush()

    def _signal_for(self, original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        @functools.wraps(original)
        def signal_(signalnum: Any, handler: Any, /) -> Any:
            if self._originals is not None and signalnum == signal.SIGTERM and handler == signal.SIG_DFL:
                handler = self._called
            return self._seen(original(signalnum, handler))

        return signal_

    def _getsignal_for(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @functools.wraps(original)
        def getsignal(signalnum: Any, /) -> Any:
            return self._seen(original(signalnum))

        return getsignal

    def _seen(self, handler: Any) -> Any:
        return signal.SIG_DFL if handler == self._called else handler
