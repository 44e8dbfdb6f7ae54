"""One daemon thread that runs, once a second, tasks that are too slow for the path of an extraction."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from otel_fe import faults
from otel_fe.daemons import start_daemon
from otel_fe.forks import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PERIOD_S: Final = 1.0


class Background:
    """Calls each task once a second until stopped; restarts in a forked child."""

    def __init__(self, tasks: Sequence[tuple[str, Callable[[], None]]]) -> None:
        self._tasks = tuple(tasks)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        renew_after_fork(self._after_fork)

    def start(self) -> None:
        """Start the thread, unless it runs, or this interpreter may have none."""
        if self._thread is None:
            self._thread = start_daemon("background", "otel-fe-background", self._run)

    @property
    def running(self) -> bool:
        """Return whether there is a thread."""
        return self._thread is not None

    def stop(self) -> None:
        """Stop the thread and wait for the task in progress, a second at most."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(PERIOD_S)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            for name, task in self._tasks:
                try:
                    task()
                except Exception as fault:
                    faults.record(f"background.{name}", fault)

    def _after_fork(self) -> None:
        if self._thread is None or self._stop.is_set():
            return
        self._stop = threading.Event()
        self._thread = None
        self.start()
