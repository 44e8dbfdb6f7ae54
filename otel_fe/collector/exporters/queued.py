"""An exporter with a sending queue for each signal, as in the Collector."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from otel_fe.collector.exporters.delivery import Delivery, Stop
from otel_fe.collector.exporters.exporter import ExporterCounts
from otel_fe.collector.exporters.payload import SENT, SHUTDOWN, STORED
from otel_fe.collector.exporters.payload_queue import PayloadQueue
from otel_fe.collector.exporters.queue_consumers import QueueConsumers
from otel_fe.collector.exporters.reachability import Reachability
from otel_fe.collector.exporters.tallies import Tallies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.outcome import Transport
    from otel_fe.collector.exporters.payload import Payload, Settled
    from otel_fe.collector.exporters.storage import Storage
    from otel_fe.config.sending import Retry, SendingQueue


class Queued:
    """Holds payloads until its transport has delivered them. One queue a signal, so that none waits for another.

    Args:
        name: The component's id.
        transport: Delivers requests to the backend.
        settings: Settings of the queues.
        retry: None to try once.
        signals: Signals of its pipelines.
        settled: Called with each settled payload.
        clock: For waits.
        random: Returns a number in [0, 1), for waits.
        open_storage: Opens the file of one signal; None to keep the queues in memory.
        direct: `sending_queue` is disabled: `accept` waits for the backend, and the queues are for payloads that cannot wait.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        settings: SendingQueue,
        retry: Retry | None,
        signals: Sequence[str],
        settled: Settled,
        clock: Clock,
        random: Callable[[], float],
        open_storage: Callable[[str], Storage] | None = None,
        *,
        direct: bool = False,
    ) -> None:
        self._direct = direct
        self._name = name
        self._transport = transport
        self._settings = settings
        self._signals = tuple(signals)
        self._clock = clock
        self._open_storage = open_storage
        self._tallies = Tallies(settled)
        self._stop = Stop()
        self._reachability = Reachability(name, clock)
        self._delivery = Delivery(transport, retry, self._reachability, self._tallies, clock, random, self._stop)
        self._lanes: dict[str, QueueConsumers] = {}
        self._recovered = 0

    def start(self) -> None:
        """Open what is on disk, and begin to send."""
        self._transport.start()
        opened: dict[str, Storage] = {}
        try:
            if self._open_storage is not None:
                for signal in self._signals:
                    opened[signal] = self._open_storage(signal)
        except BaseException:
            for storage in opened.values():
                storage.close()
            self._transport.close()
            raise
        self._recovered = sum(found.items for storage in opened.values() for found in storage.found)
        for signal in self._signals:
            backlog = PayloadQueue(self._settings, opened.get(signal), signal, self._clock)
            self._lanes[signal] = QueueConsumers(
                f"{self._name}-{signal}", self._settings, backlog, self._delivery, self._tallies, self._clock
            )
        for lane in self._lanes.values():
            lane.start()

    def accept(self, payload: Payload) -> str:
        """Accept a payload, or return the reason for refusing it: see `Exporter`.

        Raises:
            KeyError: The exporter does not handle its signal.
        """
        if not self._direct or not payload.data or self._stop.is_set():
            return self.enqueue(payload)
        return self._lanes[payload.signal].send_now(payload)

    def enqueue(self, payload: Payload) -> str:
        """Accept a payload without waiting for the backend, or return the reason for refusing it.

        Raises:
            KeyError: The exporter does not handle its signal.
        """
        if not payload.data:  # an empty request has nothing to send
            self._tallies.settle(payload, SENT)
            return SENT
        if self._stop.is_set():
            return SHUTDOWN
        return self._lanes[payload.signal].put(payload)

    def offer(self, payload: Payload) -> bool:
        """Enqueue a payload, or settle it with the reason for refusing it.

        Raises:
            KeyError: The exporter does not handle its signal.
        """
        refused = self.enqueue(payload)
        if refused:
            self.settle(payload, refused)
        return not refused

    def settle(self, payload: Payload, reason: str) -> None:
        """Settle a payload that was not taken."""
        self._tallies.settle(payload, reason)
        if reason != SHUTDOWN:
            self._reachability.dropped(reason, payload.items)

    def flush(self, timeout_s: float) -> bool:
        """Send the waiting payloads; return whether all were settled in time."""
        deadline_s = time.monotonic() + timeout_s
        emptied = [lane.backlog.wait_empty(max(0.0, deadline_s - time.monotonic())) for lane in self._lanes.values()]
        return all(emptied)

    def shutdown(self, timeout_s: float) -> None:
        """Stop accepting, try queued payloads once more, and settle the rest at the time limit."""
        deadline_s = time.monotonic() + timeout_s
        for lane in self._lanes.values():
            lane.backlog.close()
        self._stop.set()
        for lane in self._lanes.values():
            lane.finish(deadline_s)
        self._stop.end()
        self._transport.close()

    def counts(self) -> ExporterCounts:
        """Return what has been counted so far."""
        backlogs = [lane.backlog for lane in self._lanes.values()]
        with self._tallies.lock:
            items = dict(self._tallies.items)
            counted = ExporterCounts(
                sent=items.pop(SENT, 0),
                rejected=self._tallies.rejected,
                stored=items.pop(STORED, 0),
                lost=items,
                failed_tries=self._tallies.failed_tries,
            )
        return replace(
            counted,
            recovered=self._recovered,
            waiting=sum(len(backlog) for backlog in backlogs),
            queue_size=sum(backlog.size for backlog in backlogs),
            queue_capacity=self._settings.queue_size * len(backlogs),
        )
