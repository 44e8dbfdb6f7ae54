"""A pipeline without sampling: requests are forwarded byte for byte."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from otel_fe.collector.exporters.payload import Payload
from otel_fe.collector.exporters.splitting import split
from otel_fe.collector.graph.batcher import Batcher
from otel_fe.collector.graph.fanout import Fanout
from otel_fe.collector.refusals import PressureError, refusal
from otel_fe.model.decision import NONE
from otel_fe.pipeline.counters import Counters
from otel_fe.wire.encode import MAXIMUM_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.exporter import Exporter
    from otel_fe.config.processors import BatchProcessor


class PassthroughPipeline:
    """Forwards requests. Thread-safe.

    Args:
        name: The pipeline's id.
        signal: What it carries.
        exporters: At its end, by id.
        batch: Of its `batch` processor; None where it has none.
        clock: For the batch's time.
    """

    def __init__(
        self, name: str, signal: str, exporters: Mapping[str, Exporter], batch: BatchProcessor | None, clock: Clock
    ) -> None:
        self.name = name
        self.signal = signal
        self.counters = Counters()
        self.outlets = Fanout(signal, exporters, self.counters)
        self._batched = batch is not None
        self._most_items = batch.send_batch_max_size if batch is not None else 0
        self._gathering: Batcher[tuple[bytes, int]] = Batcher(batch)
        self._clock = clock
        self._lock = threading.Lock()

    def check(self) -> None:
        """Refuse what its exporters have no room for.

        Raises:
            PressureError: A queue is full.
        """
        full = self.outlets.full
        if full:
            raise PressureError("queue_full", f"the queue of {full} is full")

    def take(self, payload: bytes, items: int) -> None:
        """Forward a request of its signal, with its number of items.

        Raises:
            RefusedError: An exporter does not take it. Where none did, it is not counted.
        """
        self._count(items)
        if self._batched:
            self._gather(payload, items)
            return
        refused = self.outlets.accept(payload, Counter({NONE: items}))
        if refused is not None:
            raise refusal(*refused)

    def offer(self, payload: bytes, items: int) -> None:
        """Forward a request of the collector's own; it is dropped, and counted, where no exporter has room."""
        self._count(items)
        if self._batched:
            self._gather(payload, items)
        else:
            self.outlets.send(payload, Counter({NONE: items}))

    def _count(self, items: int) -> None:
        with self.counters.lock:
            self.counters.received += items
            self.counters.queued += items

    def _gather(self, payload: bytes, items: int) -> None:
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            self._gathering.add((payload, items), items, now_ns)
            due = self._gathering.take_due(now_ns)
        self._send(due)

    def tick(self, now_ns: int) -> None:
        """Send a batch whose time is up."""
        if self._gathering:
            with self._lock:
                due = self._gathering.take_due(now_ns)
            self._send(due)

    def close(self) -> None:
        """Send what is held."""
        with self._lock:
            due = self._gathering.take()
        self._send(due)

    def succeed(self, before: PassthroughPipeline) -> None:
        """Take over the state of the pipeline that this one replaces."""
        self.counters = before.counters
        self.outlets.succeed(before.outlets)
        with before._lock:
            parts = before._gathering.take()
        now_ns = self._clock.monotonic_ns()
        for data, items in parts:
            self._gathering.add((data, items), items, now_ns)

    @property
    def due_ns(self) -> int:
        """When `tick` has a batch to send; far away where it holds none."""
        return self._gathering.due_ns

    @property
    def held(self) -> int:
        """Items that wait for more; they are counted as queued."""
        return self._gathering.items

    def _send(self, parts: list[tuple[bytes, int]]) -> None:
        """Send requests as one: one after the other, protobuf's messages are one message with all that they hold."""
        while parts:
            count = size = 0
            for data, _ in parts:
                if count and size + len(data) > MAXIMUM_BYTES:
                    break
                count, size = count + 1, size + len(data)
            joined, parts = parts[:count], parts[count:]
            items = sum(items for _, items in joined)
            self._send_split(Payload(self.signal, b"".join(data for data, _ in joined), items))

    def _send_split(self, payload: Payload) -> None:
        rest: Payload | None = payload
        while rest is not None:
            head: Payload | None = rest
            if self._most_items and rest.items > self._most_items:
                head, rest = split(rest, self._most_items, by_bytes=False)
                if head is None:
                    head, rest = rest, None
            else:
                rest = None
            if head is not None:
                self.outlets.send(head.data, Counter({NONE: head.items}))
