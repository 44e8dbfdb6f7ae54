"""Threads that wait for work which must not block their caller, and for which no thread may be started any more.

An interpreter that exits refuses new threads (Python 3.12), and a signal handler should start none.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from otel_fe.forks import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = tuple[Callable[[], None], threading.Event]


class Standby:
    """Daemon threads that run what they are given; started anew in a forked child.

    Args:
        count: Jobs that can run at once.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._started = False
        renew_after_fork(self._after_fork)

    def start(self) -> None:
        """Start the threads."""
        self._started = True
        for _ in range(self._count):
            threading.Thread(target=_serve, args=(self._jobs,), name="otel-fe-standby", daemon=True).start()

    def stop(self) -> None:
        """Let the threads end, each after the job that it runs."""
        self._started = False
        for _ in range(self._count):
            self._jobs.put(None)

    def run(self, job: Callable[[], None]) -> threading.Event:
        """Run a job on the next thread that is free; return an event that is set once it has ended. It must not raise."""
        done = threading.Event()
        self._jobs.put((job, done))
        return done

    def _after_fork(self) -> None:
        self._jobs = SimpleQueue()
        if self._started:
            self.start()


def _serve(jobs: SimpleQueue[Job | None]) -> None:
    while (entry := jobs.get()) is not None:
        job, done = entry
        try:
            job()
        finally:
            done.set()
