"""The queue of items to be written: bounded by number and by size, with one consumer."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING, Any, Final

from otel_fe.store.limits import LOG_BYTES

if TYPE_CHECKING:
    from otel_fe.store.limits import StoreLimits


QUEUE_FULL: Final = "queue_full"
_BATCH_BYTES: Final = LOG_BYTES // 2
"""The most that is written at once: it has to fit into the space reserved for SQLite's log."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item to store."""

    kind: str
    """`trace`, `logs`, `metrics`, `record`, or `batch` for several of those."""
    content: Any
    size_bytes: int
    """An estimate."""
    count: int = 1
    """The number of items that are lost with it."""


class Inbox:
    """A queue that knows when everything up to a moment has been written."""

    def __init__(self, limits: StoreLimits) -> None:
        self._limits = limits
        # Guards all below; held for a moment only.
        self._changed = Condition()
        self._waiting: deque[Item] = deque()
        self._bytes = 0
        self._accepted = 0
        self._settled = 0
        self._hurry = 0
        """The number of threads waiting for it to be empty: a commit is not delayed then."""
        self.closed = False

    def put(self, item: Item) -> str:
        """Take an item; return why not, empty where it was taken. It never waits."""
        with self._changed:
            if self.closed:
                return "closed"
            full = len(self._waiting) >= self._limits.max_queued_items
            if full or (self._waiting and self._bytes + item.size_bytes > self._limits.max_queued_bytes):
                return QUEUE_FULL
            self._waiting.append(item)
            self._bytes += item.size_bytes
            self._accepted += 1
            if len(self._waiting) == 1 or self._half_full():
                self._changed.notify_all()
            return ""

    def take(self, most: int, patience_s: float) -> list[Item]:
        """Return what waits, the oldest first, once it has had time for company; nothing where nothing comes.

        Args:
            most: How many to return.
            patience_s: How long to wait for the first.
        """
        with self._changed:
            if not self._waiting and not self.closed:
                self._changed.wait(patience_s)
            if self._waiting:
                deadline = time.monotonic() + self._limits.linger_s
                while not (self.closed or self._hurry or self._half_full()):
                    left = deadline - time.monotonic()
                    if left <= 0 or len(self._waiting) >= most:
                        break
                    self._changed.wait(left)
            taken: list[Item] = []
            size = 0
            while self._waiting and len(taken) < most and size < _BATCH_BYTES:
                taken.append(self._waiting.popleft())
                size += taken[-1].size_bytes
            self._bytes -= size
            return taken

    def settle(self, count: int) -> None:
        """Say that so many of those taken are committed, or counted as lost."""
        with self._changed:
            self._settled += count
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all that is in it now is settled; return whether it is."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            wanted = self._accepted
            self._hurry += 1
            self._changed.notify_all()
            try:
                while self._settled < wanted:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return False
                    self._changed.wait(left)
            finally:
                self._hurry -= 1
            return True

    def close(self) -> None:
        """Take nothing more. What is in it can still be taken out."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def _half_full(self) -> bool:
        many = len(self._waiting) * 2 >= self._limits.max_queued_items
        return many or self._bytes * 2 >= self._limits.max_queued_bytes
