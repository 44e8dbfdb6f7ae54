"""A pool of daemon threads, for which a process does not wait at its end."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    _Work = tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class DaemonPool(Executor):
    """Runs calls on up to `most_threads` threads, which are started as they are needed.

    `concurrent.futures.ThreadPoolExecutor` joins its threads when the interpreter ends: one request that takes a minute would
    delay a SIGTERM as long.

    Args:
        most_threads: How many.
        name: Of the threads.
    """

    def __init__(self, most_threads: int, name: str) -> None:
        self._most_threads = most_threads
        self._name = name
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """The number of calls that wait for a thread."""
        return self._queue.qsize()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call, as soon as a thread is free.

        Raises:
            RuntimeError: The pool is shut down.
        """
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._queue.put((future, fn, args, kwargs))
            if self._idle:
                self._idle -= 1  # this call has taken the thread, which may not have woken yet
                return future
            if self._threads >= self._most_threads:
                return future
            self._threads += 1
            name = f"{self._name}-{self._threads}"
        threading.Thread(target=self._work, name=name, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 as the base has it
        """Stop accepting jobs. With `cancel_futures`, queued ones do not start; running ones are never waited for."""
        with self._lock:
            self._closed = True
            threads = self._threads
        while cancel_futures and not self._queue.empty():
            work = self._queue.get()
            if work is not None:
                work[0].cancel()
        for _ in range(threads):
            self._queue.put(None)

    def _work(self) -> None:
        while True:
            work = self._next()
            if work is None:
                return
            future, call, args, kwargs = work
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 the future carries it
                    future.set_exception(error)
            del work, future, call, args, kwargs

    def _next(self) -> _Work | None:
        try:
            return self._queue.get_nowait()
        except Empty:
            with self._lock:
                self._idle += 1
            return self._queue.get()
