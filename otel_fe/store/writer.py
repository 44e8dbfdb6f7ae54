"""The writing thread: commits queued items together, and runs retention in between."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

from otel_fe.store.database import FILE_NAME, damaged, set_aside
from otel_fe.store.retention import TRACES
from otel_fe.store.session import Session
from otel_fe.store.settled_time import SettledTime
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from pathlib import Path

    from otel_fe.clock import Clock
    from otel_fe.store.inbox import Inbox, Item
    from otel_fe.store.limits import StoreLimits
    from otel_fe.store.write_counters import StoreCounters

_log = logging.getLogger("otel_fe")
_BATCH: Final = 1_000
_IDLE_S: Final = 1.0
"""Seconds between searches for expired data."""
_IDLE_STEPS: Final = 20


class Writer:
    """Owns the session: nothing else writes, and no other thread touches it."""

    def __init__(
        self, directory: Path, limits: StoreLimits, clock: Clock, inbox: Inbox, counters: StoreCounters
    ) -> None:
        self._directory = directory
        self._limits = limits
        self._clock = clock
        self._inbox = inbox
        self._counters = counters
        self._session: Session | None = None
        self._settled: SettledTime
        """Settled time of the session: the clock of retention."""
        self._refused = ""
        """The reason for which the disk refused the last write; empty if it did not."""
        self._rest_until_ns = 0
        """Monotonic."""
        self._thread = threading.Thread(target=self._run, name="otel-fe-store", daemon=True)

    def start(self) -> None:
        """Open the file, and start. If the disk is full, opening is retried with the next items."""
        try:
            self._opened()
        except (sqlite3.Error, OSError) as error:
            self._refuse(error)
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end, after the inbox was closed; return whether it has come."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        more = False
        while True:
            batch = self._inbox.take(_BATCH, 0 if more else _IDLE_S)
            if batch:
                self._write(batch)
                self._inbox.settle(len(batch))
            elif self._inbox.closed:
                break
            more = self._tidy_up(len(batch))
        if self._session is not None:
            with contextlib.suppress(sqlite3.Error):
                self._session.close()

    def _write(self, batch: list[Item]) -> None:
        if self._clock.monotonic_ns() < self._rest_until_ns:
            self._counters.lose(self._refused, _count(batch))
            return
        try:
            done = self._opened().write(batch, self._clock.time_ns())
        except (sqlite3.Error, OSError) as error:
            self._counters.lose(self._refuse(error), _count(batch))
            return
        except Exception as fault:
            # Whatever it is, the thread continues, or all later items would be lost.
            _log.warning("store: a batch of %d could not be written: %r", len(batch), fault)
            self._counters.lose("failed", _count(batch))
            return
        invalid = done.pop("invalid", 0)
        if invalid:
            self._counters.lose("invalid", invalid)
        self._counters.write(done)
        if self._refused:
            _log.warning("store: %s can be written again", self._directory)
            self._refused = ""

    def _tidy_up(self, written: int) -> bool:
        """Remove what is too old or too much; return whether there may be more. At least as much as has come, however busy."""
        session = self._session
        if session is None or self._refused:
            return False
        steps = 1 + 2 * written // TRACES
        try:
            for done in range(max(steps, _IDLE_STEPS)):
                if done >= steps and len(self._inbox):
                    return True
                if session.retention.redate(self._clock.time_ns() // NS_PER_S):
                    continue
                if not session.retention.step(self._settled.now_s()):
                    return False
        except (sqlite3.Error, OSError) as error:
            self._refuse(error)
            return False
        return True

    def _opened(self) -> Session:
        if self._session is None:
            self._session = Session(self._directory, self._limits, self._counters.points, self._clock.time_ns())
            self._settled = SettledTime(self._clock, self._session.retention.newest_s())
        return self._session

    def _refuse(self, error: Exception) -> str:
        """Deal with a file that cannot be written; return the name for why."""
        if isinstance(error, sqlite3.Error) and damaged(error):
            self._start_anew(error)
            return "damaged"
        reason = "failed" if "locked" in str(error) else "disk_full"
        if not self._refused:
            _log.warning("store: %s cannot be written (%s); new data is counted as lost", self._directory, error)
        self._refused = reason
        self._rest_until_ns = self._clock.monotonic_ns() + round(self._limits.retry_s * NS_PER_S)
        return reason

    def _start_anew(self, error: Exception) -> None:
        session, self._session = self._session, None
        with contextlib.suppress(sqlite3.Error):
            if session is not None:
                session.close()
        with contextlib.suppress(OSError):
            set_aside(self._directory / FILE_NAME, f"damaged ({error})")
            self._counters.moved_aside += 1


def _count(batch: list[Item]) -> int:
    return sum(item.count for item in batch)
