"""Limits calls of gRPC whose message has not arrived yet.

gRPC for Python holds a thread for each of them, for as long as the client likes. Here a call has a deadline for its message,
and a short one while others wait for a thread.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_WATCH_S: Final = 0.25
_PRESSED_S: Final = 1.0
"""The deadline while other calls wait for a thread."""


class SlowCalls:
    """The calls that wait for their message. Thread-safe.

    Args:
        timeout_s: For how long each may.
        pressed: Says whether others wait for their places.
        cut: Called for each call that is cut off.
    """

    def __init__(self, timeout_s: float, pressed: Callable[[], bool], cut: Callable[[], None]) -> None:
        self._timeout_s = timeout_s
        self._pressed = pressed
        self._cut = cut
        self._lock = threading.Lock()
        self._waiting: dict[Any, float] = {}
        """Since when, by the call's context."""
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    @contextmanager
    def reading(self, context: Any) -> Generator[None, None, None]:
        """Register a call while its message is read."""
        with self._lock:
            self._waiting[context] = time.monotonic()
            if self._watch is None:
                self._watch = threading.Thread(target=self._run, name="otel-fe-grpc-watch", daemon=True)
                self._watch.start()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.pop(context, None)

    def close(self) -> None:
        """End the watch."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_WATCH_S):
            timeout_s = _PRESSED_S if self._pressed() else self._timeout_s
            late_s = time.monotonic() - timeout_s
            with self._lock:
                late = [context for context, since_s in self._waiting.items() if since_s <= late_s]
                for context in late:
                    del self._waiting[context]
            for context in late:
                self._cut()
                context.cancel()
