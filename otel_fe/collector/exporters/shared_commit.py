"""Group commit: one commit for all threads that wait for one; the first to arrive while none is running leads it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.collector.exporters.storage_errors import StorageFullError


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """The entry of one payload in the index of a file."""

    key: int
    items: int
    size_bytes: int


@dataclass(slots=True, eq=False)
class Write:
    """A payload that is to be on disk."""

    items: int
    data: bytes
    key: int = 0
    """Set once it is."""
    failure: StorageFullError | None = None
    """Set once it will not be."""

    @property
    def over(self) -> bool:
        """Return whether it has been committed, or has failed."""
        return self.key > 0 or self.failure is not None


class SharedCommit:
    """Collects writes and removals for the next commit, and runs one commit at a time.

    Args:
        commit: Makes one; it sets the key or the failure of each write.
    """

    def __init__(self, commit: Callable[[list[Write], list[IndexEntry]], None]) -> None:
        self._commit = commit
        # Its lock guards the three below; it is not held during a commit, so that others can join the next one meanwhile.
        self._turn = threading.Condition()
        self._writes: list[Write] = []
        self._removals: list[IndexEntry] = []
        self._busy = False

    def write(self, write: Write) -> None:
        """Return once the write is over."""
        with self._turn:
            self._writes.append(write)
            while self._busy and not write.over:
                self._turn.wait()
            if write.over:
                return
            self._busy = True
        self._lead()

    def remove(self, found: IndexEntry) -> None:
        """Commit a removal: now, or with the next commit if one is in progress."""
        with self._turn:
            self._removals.append(found)
            if self._busy:
                return
            self._busy = True
        self._lead()

    def finish(self) -> None:
        """Wait until all writes and removals are committed, or have failed."""
        with self._turn:
            while self._busy:
                self._turn.wait()
            self._busy = True
        self._lead()

    def _lead(self) -> None:
        leading = True
        while leading:
            with self._turn:
                writes, self._writes = self._writes, []
                removals, self._removals = self._removals, []
            try:
                self._commit(writes, removals)
            finally:
                with self._turn:
                    # Threads that wait for a write lead the next commit themselves; none waits for removals.
                    leading = self._busy = bool(self._removals) and not self._writes
                    self._turn.notify_all()
