"""The event loop of all HTTP/1.1 servers."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from otel_fe.collector.servers.held_bytes import HeldBytes

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Coroutine

_T = TypeVar("_T")


class Loop:
    """An event loop on its own thread, from the first call on: receiving by gRPC alone works without."""

    def __init__(self) -> None:
        self._loop: AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.held = HeldBytes()
        """The bytes held by the connections of all its servers."""

    def call(self, coroutine: Coroutine[Any, Any, _T], timeout_s: float | None = None) -> _T:
        """Run a coroutine on the loop, and return what it returns; called from other threads."""
        found: _T = _asyncio().run_coroutine_threadsafe(coroutine, self._running()).result(timeout_s)
        return found

    def close(self) -> None:
        """End the loop."""
        with self._lock:
            if self._loop is not None and self._thread is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()

    def _running(self) -> AbstractEventLoop:
        with self._lock:
            loop = self._loop
            if loop is None:
                loop = self._loop = _asyncio().new_event_loop()
                self._thread = threading.Thread(target=_run, args=(loop,), name="otel-fe-http", daemon=True)
                self._thread.start()
            return loop


def _run(loop: AbstractEventLoop) -> None:
    asyncio = _asyncio()
    asyncio.set_event_loop(loop)
    loop.run_forever()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(loop.shutdown_asyncgens())


def _asyncio() -> Any:
    """Return `asyncio`, which is imported when it is needed: `put_off` has to come before."""
    return import_module("asyncio")
