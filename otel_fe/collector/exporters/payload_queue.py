"""The queue of an exporter: accepted payloads in order until they are settled; bounded, and on disk if configured."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from otel_fe.collector.exporters.payload import QUEUE_FULL, SHUTDOWN, SIZERS, STORAGE_FULL, STORED, Payload, QueueEntry
from otel_fe.collector.exporters.shared_commit import IndexEntry
from otel_fe.collector.exporters.storage_errors import StorageFullError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.storage import Storage
    from otel_fe.config.sending import SendingQueue

_LONGEST_WAIT_S: Final = threading.TIMEOUT_MAX
_GRACE_S: Final = 1.0
"""Time for the disk, at the end."""


class PayloadQueue:
    """A bounded queue. What is taken from it still fills it, until it is done. Any number of threads may use it.

    Args:
        settings: Its bound.
        storage: Where it keeps payloads; None for memory.
        signal: Of all its payloads.
        clock: For `take`.
    """

    def __init__(self, settings: SendingQueue, storage: Storage | None, signal: str, clock: Clock) -> None:
        self.signal = signal
        self._capacity = settings.queue_size
        self._sizer = SIZERS[settings.sizer]
        self._blocks = settings.block_on_overflow
        self._storage = storage
        self._clock = clock
        # One lock, three things to wait for; it guards all below.
        lock = threading.Lock()
        self._more = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._settled = threading.Condition(lock)
        self._waiting: deque[QueueEntry] = deque()
        self._in_hand: dict[QueueEntry, None] = {}
        self._entering = 0
        self._leaving = 0
        self._size = 0
        self._closed = False
        self._halted = False
        self._abandoned = False
        self._flushing = 0
        if storage is not None:
            self._recover(storage)

    @property
    def persistent(self) -> bool:
        """Return whether its payloads outlive this process."""
        return self._storage is not None

    @property
    def flushing(self) -> bool:
        """Return whether a caller waits for it to be empty."""
        return self._flushing > 0 or self._closed

    @property
    def closed(self) -> bool:
        """Return whether it takes nothing more."""
        return self._closed

    @property
    def size(self) -> int:
        """Its size, in the unit of its sizer."""
        return self._size

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_hand) + self._entering + self._leaving

    def put(self, payload: Payload) -> str:
        """Accept a payload; return an empty reason, or the reason for refusing it.

        The reason is `stored` where the time was up while it was being written to disk.
        """
        size = self._sizer(payload.items, len(payload.data))
        refused = self._reserve(size)
        if refused:
            return refused
        key = 0
        if self._storage is not None:
            try:
                key = self._storage.append(payload.items, payload.data)
            except StorageFullError:
                refused = STORAGE_FULL
        with self._more:
            self._entering -= 1
            self._size -= size
            if not refused and self._abandoned:
                refused = STORED if key else SHUTDOWN
            if not refused:
                self._enter(payload if not key else replace(payload, data=b""), key, len(payload.data))
            self._changed()
        return refused

    def take(self, until_ns: int | None = None) -> QueueEntry | None:
        """Return the oldest, waiting for one; None when it is closed and empty, on a flush, or after `until_ns`."""
        with self._more:
            while not self._waiting or self._halted:
                if self._halted or (self._closed and not self._entering):
                    return None
                left_s = None if until_ns is None else (until_ns - self._clock.monotonic_ns()) / 1e9
                if left_s is not None and (left_s <= 0 or self._flushing):
                    return None
                self._more.wait(None if left_s is None else min(left_s, _LONGEST_WAIT_S))
            entry = self._waiting.popleft()
            self._in_hand[entry] = None
            return entry

    def load(self, entry: QueueEntry) -> Payload | None:
        """Return the whole payload of an entry, or None where the disk does not give it back."""
        if self._storage is None or not entry.key:
            return entry.payload
        data = self._storage.load(entry.key)
        return None if data is None else replace(entry.payload, data=data)

    def done(self, entry: QueueEntry, items: int, settle: Callable[[], None], *, keep: bool = False) -> None:
        """Settle one part of an entry, unless time is up for it.

        Args:
            entry: One that was taken.
            items: Those of the part.
            settle: Called before waiting threads are notified.
            keep: Leave it on disk, for the next start.
        """
        with self._more:
            if entry.abandoned:
                return
            entry.open_parts -= 1
            entry.open_items -= items
            entry.kept |= keep
            over = not entry.open_parts
            if over:
                self._in_hand.pop(entry, None)
            self._leaving += 1
        if over and not entry.kept and self._storage is not None:
            self._storage.remove(IndexEntry(entry.key, entry.payload.items, entry.size_bytes))
        settle()
        with self._more:
            self._leaving -= 1
            if over:
                self._size -= entry.size
            self._changed()

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until it holds nothing, or gives out nothing more; whether it is empty.

        Meanwhile no thread waits for fuller batches.
        """
        with self._more:
            self._flushing += 1
            self._more.notify_all()
            try:
                self._settled.wait_for(self._idle, min(timeout_s, _LONGEST_WAIT_S))
                return not len(self)
            finally:
                self._flushing -= 1

    def close(self) -> None:
        """Stop accepting payloads; queued ones can still be taken."""
        with self._more:
            self._closed = True
            self._more.notify_all()
            self._room.notify_all()

    def halt(self) -> None:
        """Stop handing out payloads."""
        with self._more:
            self._halted = True
            self._more.notify_all()
            self._settled.notify_all()

    def abandon(self) -> list[QueueEntry]:
        """Remove and return all entries, in order, and close the storage; their later outcomes do not count."""
        self.close()
        with self._more:
            self._abandoned = True
            held = [*self._in_hand, *self._waiting]
            for entry in held:
                entry.abandoned = True
                self._size -= entry.size
            self._in_hand.clear()
            self._waiting.clear()
            self._changed()
            # What is being written or removed this moment is soon done, and then need not come twice.
            self._settled.wait_for(self._idle, _GRACE_S)
        if self._storage is not None:
            self._storage.close()
        return held

    def _recover(self, storage: Storage) -> None:
        """Queue what an earlier process left on disk, in its order; the payloads themselves are loaded when it is their turn."""
        with self._more:
            for found in storage.found:
                self._enter(Payload(self.signal, b"", found.items), found.key, found.size_bytes, recovered=True)

    def _reserve(self, size: int) -> str:
        with self._room:
            while self._size + size > self._capacity and not self._closed:
                if not self._blocks or size > self._capacity:
                    return QUEUE_FULL
                self._room.wait()
            if self._closed:
                return SHUTDOWN
            self._size += size
            self._entering += 1
        return ""

    def _enter(self, payload: Payload, key: int, size_bytes: int, *, recovered: bool = False) -> None:
        size = self._sizer(payload.items, size_bytes)
        self._size += size
        entry = QueueEntry(payload, size, key, size_bytes, open_items=payload.items, recovered=recovered)
        self._waiting.append(entry)
        self._more.notify()

    def _changed(self) -> None:
        self._room.notify_all()
        if self._closed:
            self._more.notify_all()
        if self._idle():
            self._settled.notify_all()

    def _idle(self) -> bool:
        moving = self._in_hand or self._entering or self._leaving
        return not moving and (self._halted or not self._waiting)
