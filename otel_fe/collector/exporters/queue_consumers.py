"""The queue of one signal in one exporter, and the threads that send from it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from otel_fe.collector.exporters.batches import Batches, Singles
from otel_fe.collector.exporters.isolation import Isolation
from otel_fe.collector.exporters.payload import (
    EXPORT_FAILED,
    MALFORMED,
    SENT,
    SHUTDOWN,
    STORAGE_CORRUPT,
    STORED,
    UNREACHABLE,
)
from otel_fe.wire.validation import check
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.batches import OutgoingRequest, Requests
    from otel_fe.collector.exporters.delivery import Delivery
    from otel_fe.collector.exporters.payload import Payload, QueueEntry
    from otel_fe.collector.exporters.payload_queue import PayloadQueue
    from otel_fe.collector.exporters.tallies import Tallies
    from otel_fe.config.sending import SendingQueue


class QueueConsumers:
    """Sends the payloads of one signal, in the order in which they came, by up to `num_consumers` threads.

    Args:
        name: For its threads.
        settings: How many, and what they send at once.
        backlog: The queue that they send from.
        delivery: How.
        tallies: Where they count.
        clock: For batches.
    """

    def __init__(
        self,
        name: str,
        settings: SendingQueue,
        backlog: PayloadQueue,
        delivery: Delivery,
        tallies: Tallies,
        clock: Clock,
    ) -> None:
        self.backlog = backlog
        self._delivery = delivery
        self._isolation = Isolation(delivery, clock)
        self._tallies = tallies
        self._requests: Requests = (
            Singles(backlog, self._load)
            if settings.batch is None or backlog.signal == "profiles"  # each has its own dictionary
            else Batches(backlog, self._load, settings.batch, clock)
        )
        self._name = name
        self._most_threads = settings.num_consumers
        self._counting = threading.Lock()
        self._threads = 0
        self._idle = 0
        """Consumers that wait for something to send."""

    def start(self) -> None:
        """Start sending."""
        self._start_thread()

    def put(self, payload: Payload) -> str:
        """Accept a payload, or return the reason for refusing it."""
        refused = self.backlog.put(payload)
        if refused == STORED:
            self._tallies.settle(payload, STORED)
            return SENT
        return refused

    def send_now(self, payload: Payload) -> str:
        """Send a payload, in one try, and settle it; or return why it was not sent.

        Nothing is settled where another try may succeed, unless parts of it were sent.
        """
        (outcome,) = self._isolation.deliver([payload], once=True)
        if outcome.keys() == {UNREACHABLE}:
            return UNREACHABLE
        self._settling(payload, outcome)()
        if UNREACHABLE in outcome:
            return UNREACHABLE
        return EXPORT_FAILED if outcome.keys() == {EXPORT_FAILED} else SENT

    def finish(self, deadline_s: float) -> None:
        """Send what is still queued until `deadline_s` (of `time.monotonic`), and settle the rest.

        The queue is closed and `Delivery.stop` is set by then.
        """
        self.backlog.wait_empty(max(0.0, deadline_s - time.monotonic()))
        left = self.backlog.abandon()
        reason = STORED if self.backlog.persistent else SHUTDOWN
        for entry in left:
            self._tallies.settle(replace(entry.payload, items=entry.open_items), reason)
        if left and reason == SHUTDOWN:
            self._delivery.reachability.dropped(SHUTDOWN, sum(entry.open_items for entry in left))

    def _consume(self) -> None:
        while (request := self._requests.next()) is not None:
            with self._counting:
                self._idle -= 1
            self._start_thread()
            self._send(request)
            with self._counting:
                self._idle += 1

    def _start_thread(self) -> None:
        """Start a thread for the next payload unless one is idle, up to the limit: mostly few are needed."""
        with self._counting:
            if self._idle or self._threads >= self._most_threads:
                return
            self._threads += 1
            self._idle += 1
            # A daemon: a thread that a dead backend holds does not hold the process.
            thread = threading.Thread(target=self._consume, name=f"otel-fe-{self._name}-{self._threads}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            with self._counting:
                self._threads -= 1
                self._idle -= 1
            if not self._threads:
                raise
            # The system has no more: those that are there send all.

    def _send(self, request: OutgoingRequest) -> None:
        outcomes = self._isolation.deliver([part.payload for part in request.parts])
        interrupted = sum(outcome[SHUTDOWN] for outcome in outcomes)
        keep = interrupted > 0 and self.backlog.persistent
        if keep:
            # What is on disk is safe there, and the backend does not answer: no need to try the rest as well.
            self.backlog.halt()
        for part, outcome in zip(request.parts, outcomes, strict=True):
            settle = self._settling(part.payload, outcome, keep=keep)
            self.backlog.done(part.entry, part.payload.items, settle, keep=keep and SHUTDOWN in outcome)
        if interrupted and not keep:
            self._delivery.reachability.dropped(SHUTDOWN, interrupted)

    def _load(self, entry: QueueEntry) -> Payload | None:
        """Return what an entry holds; None where nothing of it can be sent, which is then settled."""
        payload = self.backlog.load(entry)
        if payload is None:
            self._lose(entry, entry.payload, STORAGE_CORRUPT)
            return None
        if not entry.recovered:
            return payload
        try:
            checked = check(payload.signal, payload.data)
        except WireError:
            self._lose(entry, payload, MALFORMED)
            return None
        if not checked.rejected:
            return payload
        rest = replace(payload, data=checked.payload, items=min(checked.items, payload.items))
        if rest.items:
            entry.open_parts += 1
        self._lose(entry, replace(payload, items=payload.items - rest.items), MALFORMED)
        return rest if rest.items else None

    def _lose(self, entry: QueueEntry, part: Payload, reason: str) -> None:
        self._delivery.reachability.dropped(reason, part.items)
        self.backlog.done(entry, part.items, self._settling(part, {reason: part.items}))

    def _settling(self, payload: Payload, outcome: Mapping[str, int], *, keep: bool = False) -> Callable[[], None]:
        def settle() -> None:
            for reason, items in outcome.items():
                part = payload if items == payload.items else replace(payload, items=items)
                self._tallies.settle(part, STORED if keep and reason == SHUTDOWN else reason)

        return settle
