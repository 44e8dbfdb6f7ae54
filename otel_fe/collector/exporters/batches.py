"""Forms the requests that are sent: one payload each, or batches as `sending_queue::batch` sets them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from otel_fe.collector.exporters.payload import SIZERS
from otel_fe.collector.exporters.splitting import split

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.payload import Payload, QueueEntry
    from otel_fe.collector.exporters.payload_queue import PayloadQueue
    from otel_fe.config.sending import QueueBatch


@dataclass(frozen=True, slots=True)
class EntryPart:
    """The part of one entry that is in a request: mostly all of it."""

    entry: QueueEntry
    payload: Payload


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """One request to be sent."""

    parts: tuple[EntryPart, ...]


class Requests(Protocol):
    """The source of requests for the sending threads."""

    def next(self) -> OutgoingRequest | None:
        """Return what to send next, waiting for it; None at the end."""
        ...


class Singles:
    """Each payload on its own.

    Args:
        backlog: The queue that they wait in.
        load: Returns the whole payload of an entry, or settles it and returns None where nothing of it can be sent.
    """

    def __init__(self, backlog: PayloadQueue, load: Callable[[QueueEntry], Payload | None]) -> None:
        self._backlog = backlog
        self._load = load

    def next(self) -> OutgoingRequest | None:
        """Return the next one."""
        while (entry := self._backlog.take()) is not None:
            payload = self._load(entry)
            if payload is not None:
                return OutgoingRequest((EntryPart(entry, payload),))
        return None


class Batches:
    """Payloads joined until they reach `min_size` or have waited for `flush_timeout`, and split beyond `max_size`.

    One thread gathers at a time; the others send what they have, or wait for their turn. A single item beyond `max_size` is sent on
    its own; the Collector drops it.
    """

    def __init__(
        self, backlog: PayloadQueue, load: Callable[[QueueEntry], Payload | None], settings: QueueBatch, clock: Clock
    ) -> None:
        self._backlog = backlog
        self._load = load
        self._settings = settings
        self._sizer = SIZERS[settings.sizer]
        self._clock = clock
        self._turn = threading.Lock()
        # Guarded by the turn: what is gathered.
        self._parts: list[EntryPart] = []
        self._size = 0
        self._since_ns = 0

    def next(self) -> OutgoingRequest | None:
        """Return the next batch."""
        with self._turn:
            while not self._parts or self._size < self._settings.min_size:
                until_ns = self._since_ns + self._settings.flush_timeout_ns if self._parts else None
                entry = self._backlog.take(until_ns)
                if entry is None:
                    break
                payload = self._load(entry)
                if payload is None:
                    continue
                if not self._parts:
                    self._since_ns = self._clock.monotonic_ns()
                self._parts.append(EntryPart(entry, payload))
                self._size += self._measure(payload)
            if not self._parts:
                return None
            return self._cut()

    def _cut(self) -> OutgoingRequest:
        """Remove and return `max_size` of the collected items; the rest begins the next batch."""
        most = self._settings.max_size
        gathered, self._parts, self._size = self._parts, [], 0
        fitting: list[EntryPart] = []
        room = most
        for position, part in enumerate(gathered):
            size = self._measure(part.payload)
            if not most or size <= room:
                fitting.append(part)
                room -= size
                continue
            head, tail = self._split(part, room, alone=not fitting)
            fitting.extend(head)
            self._parts = [*tail, *gathered[position + 1 :]]
            self._size = sum(self._measure(left.payload) for left in self._parts)
            self._since_ns = self._clock.monotonic_ns()
            break
        return OutgoingRequest(tuple(fitting))

    def _split(self, part: EntryPart, room: int, *, alone: bool) -> tuple[list[EntryPart], list[EntryPart]]:
        """Return what of a part fits and what does not; where it is alone, at least one item does."""
        try:
            head, tail = split(part.payload, room, by_bytes=self._settings.sizer == "bytes")
            if head is None and alone:
                head, tail = split(part.payload, 1, by_bytes=False)
        except ValueError:  # what cannot be read cannot be cut: the backend shall say what it thinks of it
            head, tail = (part.payload, None) if alone else (None, part.payload)
        if head is not None and tail is not None:
            part.entry.open_parts += 1
        return [EntryPart(part.entry, half) for half in (head,) if half], [
            EntryPart(part.entry, half) for half in (tail,) if half
        ]

    def _measure(self, payload: Payload) -> int:
        return self._sizer(payload.items, len(payload.data))
