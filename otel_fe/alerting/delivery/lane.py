"""One receiver's own thread and bounded queue: one that raises or hangs does not affect the others."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from otel_fe.daemons import start_daemon

if TYPE_CHECKING:
    from collections.abc import Callable

CAPACITY: Final = 100
_IDLE_S: Final = 30.0
"""A thread that has nothing to do for so long ends; the next delivery starts another."""


class Lane:
    """Delivers one after the other. Safe to share between threads.

    A function that hangs cannot be stopped in Python: its lane counts a timeout, keeps what fits into its queue and drops what
    does not, until it returns, if it ever does. There is one thread a receiver, whatever happens. While the system refuses a
    thread, deliveries wait in the queue; each `put`, `check` and `wait` tries to start one again.

    Args:
        name: For the account of faults.
        fault: Called with `name`, what went wrong (`raised`, `timeout`, `queue_full`) and the error, if any.
        timeout_s: What takes longer has hung.
        capacity: Deliveries that wait.
    """

    def __init__(
        self,
        name: str,
        fault: Callable[[str, str, BaseException | None], None],
        timeout_s: float,
        capacity: int = CAPACITY,
    ) -> None:
        self.name = name
        self._fault = fault
        self._timeout_s = timeout_s
        self._capacity = capacity
        self.renew()

    def renew(self) -> None:
        """Start over, with nothing to deliver; in a forked child, where the thread is gone."""
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None
        self._late = False
        self._closed = False

    def put(self, job: Callable[[], None]) -> None:
        """Deliver something, soon; never waits."""
        with self._changed:
            if self._closed:
                return
            full = len(self._jobs) >= self._capacity
            if not full:
                self._jobs.append(job)
                self._start_thread()
                self._changed.notify_all()
        if full:
            self._fault(self.name, "queue_full", None)

    def wait(self, deadline: float) -> bool:
        """Wait until all is delivered, or a time (`time.monotonic`); not for one that has hung, nor without a thread.

        Returns:
            Whether all is delivered.
        """
        with self._changed:
            while self._jobs or self._busy_since is not None:
                left = deadline - time.monotonic()
                self._start_thread()
                if left <= 0 or self._late or self._thread is None:
                    return False
                self._changed.wait(left)
        return True

    def check(self) -> None:
        """Note whether the delivery in progress has hung."""
        with self._changed:
            self._start_thread()
            since = self._busy_since
            hung = since is not None and not self._late and time.monotonic() - since >= self._timeout_s
            self._late |= hung
        if hung:
            self._fault(self.name, "timeout", None)

    def close(self, deadline: float) -> None:
        """Deliver what waits until a time (`time.monotonic`), and then no more."""
        self.wait(deadline)
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._changed.notify_all()

    def _start_thread(self) -> None:
        """Start the thread if it is needed and does not run; the caller holds the lock."""
        if self._jobs and self._thread is None:
            self._thread = start_daemon("alerting", f"otel-fe-alerts-{self.name}", self._run)

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except BaseException as error:  # noqa: BLE001 no caller would see what this thread raises, not even SystemExit
                self._fault(self.name, "raised", error)
            with self._changed:
                self._busy_since, self._late = None, False
                self._changed.notify_all()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._jobs:
                if self._closed or not self._changed.wait(_IDLE_S):
                    self._thread = None
                    return None
            self._busy_since = time.monotonic()
            return self._jobs.popleft()
