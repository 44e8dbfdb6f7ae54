"""Counters of written and lost items."""

from __future__ import annotations

from collections import Counter
from threading import Lock


class StoreCounters:
    """Counts since the start. Any thread may count; reading gives copies."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._written: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self.points: Counter[str] = Counter()
        """Out of the ordinary: `reset`, `stale`, `repeated`, `baseline`, `too_old`, `folded`, `refused`. The writer's."""
        self.moved_aside = 0
        """Files that turned out to be damaged while they were written to."""

    def write(self, kinds: Counter[str]) -> None:
        """Count what is committed, by kind."""
        with self._lock:
            self._written.update(kinds)

    def lose(self, reason: str, items: int = 1) -> None:
        """Count what will not be stored: `queue_full`, `disk_full`, `damaged`, `invalid`, `failed`, `closed`."""
        with self._lock:
            self._lost[reason] += items

    @property
    def written(self) -> dict[str, int]:
        """Items that are committed, by kind: `trace`, `logs`, `metrics`, `record`."""
        with self._lock:
            return dict(self._written)

    @property
    def lost(self) -> dict[str, int]:
        """Items that are not, by why."""
        with self._lock:
            return dict(self._lost)
