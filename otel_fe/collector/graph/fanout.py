"""The exporters at the end of a pipeline."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from otel_fe.collector.exporters.payload import EXPORT_FAILED, Payload
from otel_fe.collector.graph.payload_outcome import PayloadOutcome

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Mapping

    from otel_fe.collector.exporters.exporter import Exporter
    from otel_fe.pipeline.counters import Counters


class RefusedDelivery(NamedTuple):
    """An exporter that did not take a payload."""

    exporter: str
    reason: str


class Fanout:
    """Sends each payload to several exporters. Thread-safe.

    Args:
        signal: Of the pipeline.
        exporters: By id; may be none.
        counters: The pipeline's.
        safe: Those that answer for what they take: on disk, or at the backend. What they have no room for is held.
    """

    def __init__(
        self, signal: str, exporters: Mapping[str, Exporter], counters: Counters, safe: Collection[str] = ()
    ) -> None:
        self.signal = signal
        self.exporters = dict(exporters)
        self.counters = counters
        self._safe = frozenset(safe)
        self._lock = threading.Lock()
        self._held: deque[tuple[str, Payload]] = deque()

    def send(self, data: bytes, reasons: Counter[str]) -> None:
        """Offer a payload whose items are counted as queued, by the reasons that keep them; what finds no room is lost."""
        payload = self._payload(data, reasons)
        for exporter in self.exporters.values():  # to each, whatever another answers
            if payload is not None:
                exporter.offer(payload)

    def accept(self, data: bytes, reasons: Counter[str]) -> RefusedDelivery | None:
        """Offer a payload whose sender waits for the answer; return an exporter that refused it, if there is one.

        Where none did, its items are no longer counted: its sender sends them again.
        """
        payload = self._payload(data, reasons)
        if payload is None:
            return None
        answers = {name: exporter.accept(payload) for name, exporter in self.exporters.items()}
        refused = [RefusedDelivery(name, reason) for name, reason in answers.items() if reason]
        again = [one for one in refused if one.reason != EXPORT_FAILED]  # which the exporter has settled
        if len(again) == len(answers):
            self.counters.withdraw(payload.items)
        else:
            # Others are done with it, so it stays counted. Its sender sends it again, to all of them: a duplicate, and no loss.
            for name, reason in again:
                self.exporters[name].settle(payload, reason)
        return next(iter(again or refused), None)

    def deliver(self, data: bytes, reasons: Counter[str]) -> None:
        """Offer a payload whose senders have their answer: it is held where a durable exporter has no room for it."""
        payload = self._payload(data, reasons)
        for name, exporter in self.exporters.items():
            if payload is None:
                return
            if name not in self._safe:
                exporter.offer(payload)
                continue
            # Not under the lock: threads that wait for the disk share one commit.
            if self._held or exporter.enqueue(payload):
                with self._lock:
                    self._held.append((name, payload))

    def retry(self) -> RefusedDelivery | None:
        """Try again what is held; return why some of it still is."""
        with self._lock:
            while self._held:
                name, payload = self._held[0]
                reason = self.exporters[name].enqueue(payload)
                if reason:
                    return RefusedDelivery(name, reason)
                self._held.popleft()
        return None

    def give_up(self) -> None:
        """Offer what is held for the last time; from now on, nothing is held."""
        self._safe = frozenset()
        with self._lock:
            held, self._held = self._held, deque()
        for name, payload in held:
            self.exporters[name].offer(payload)

    def succeed(self, before: Fanout) -> None:
        """Take over what the replaced fan-out holds, for exporters that still exist."""
        self.counters = before.counters
        with before._lock:
            self._held = deque(one for one in before._held if one[0] in self.exporters)
            before._held = deque(one for one in before._held if one[0] not in self.exporters)

    @property
    def holds(self) -> bool:
        """Return whether anything is held."""
        return bool(self._held)

    @property
    def full(self) -> str:
        """The id of an exporter whose queue has no room; empty where all have."""
        return self._full(self.exporters)

    @property
    def full_safe(self) -> str:
        """The same of those that are safe."""
        return self._full(self._safe & self.exporters.keys())

    def _full(self, names: Collection[str]) -> str:
        for name in names:
            counts = self.exporters[name].counts()
            if counts.queue_capacity and counts.queue_size >= counts.queue_capacity:
                return name
        return ""

    def _payload(self, data: bytes, reasons: Counter[str]) -> Payload | None:
        """Return a payload for all exporters; None where there are none, and so nothing more to be done."""
        if not self.exporters:
            self.counters.settle(reasons, "")
            return None
        return Payload(
            self.signal, data, sum(reasons.values()), PayloadOutcome(reasons, len(self.exporters), self.counters)
        )


class Settler:
    """Records in a payload's tally what an exporter did with it.

    Args:
        exporter: Its id.
    """

    __slots__ = ("_exporter",)

    def __init__(self, exporter: str) -> None:
        self._exporter = exporter

    def __call__(self, payload: Payload, reason: str) -> None:
        """Record the outcome; a payload of an earlier process has no tally, and was counted there."""
        if isinstance(payload.tally, PayloadOutcome):
            payload.tally.note(self._exporter, payload.items, reason)
