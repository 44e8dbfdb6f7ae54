"""Pre-started threads for work that must not block its caller, at times when no new thread can be started.

An exiting interpreter refuses new threads (Python 3.12), and a signal handler should start none.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from otel_fe.daemons import start_daemon
from otel_fe.forks import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = tuple[Callable[[], None], threading.Event]


class Standby:
    """Daemon threads that run jobs; restarted in a forked child. Without threads, the caller runs them.

    Args:
        count: Jobs that can run at once.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._started = False
        self._threads = 0
        renew_after_fork(self._after_fork)

    def start(self) -> bool:
        """Start the threads; return whether there are any."""
        self._started = True
        started = [start_daemon("standby", "otel-fe-standby", _serve, self._jobs) for _ in range(self._count)]
        self._threads = sum(thread is not None for thread in started)
        return self._threads > 0

    def stop(self) -> None:
        """Let the threads end, each after the job that it runs."""
        self._started = False
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0

    def run(self, job: Callable[[], None]) -> threading.Event:
        """Run a job on the next thread that is free; return an event that is set once it has ended. It must not raise."""
        done = threading.Event()
        if self._threads:
            self._jobs.put((job, done))
        else:
            job()
            done.set()
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
