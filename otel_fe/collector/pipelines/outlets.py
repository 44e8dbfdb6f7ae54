"""The exporters at the end of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.collector.exporters.payload import Payload
from otel_fe.collector.pipelines.tally import Tally

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from otel_fe.collector.exporters.exporter import Exporter
    from otel_fe.pipeline.counters import Counters


class Outlets:
    """Sends the same to several exporters.

    Args:
        signal: Of the pipeline.
        exporters: By id; may be none.
        counters: The pipeline's.
    """

    def __init__(self, signal: str, exporters: Mapping[str, Exporter], counters: Counters) -> None:
        self.signal = signal
        self.exporters = dict(exporters)
        self.counters = counters

    def send(self, data: bytes, reasons: Counter[str]) -> bool:
        """Offer a payload whose items are counted as queued, by the reasons that keep them; whether all exporters took it."""
        if not self.exporters:
            self.counters.settle(reasons, "")
            return True
        items = sum(reasons.values())
        tally = Tally(reasons, len(self.exporters), self.counters)
        payload = Payload(self.signal, data, items, tally)
        taken = [exporter.offer(payload) for exporter in self.exporters.values()]  # to each, whatever another says
        return all(taken)

    @property
    def full(self) -> str:
        """The id of an exporter whose queue has no room; empty where all have."""
        for name, exporter in self.exporters.items():
            counts = exporter.counts()
            if counts.queue_capacity and counts.queue_size >= counts.queue_capacity:
                return name
        return ""


class Settler:
    """Tells a payload's tally what an exporter did with it.

    Args:
        exporter: Its id.
    """

    __slots__ = ("_exporter",)

    def __init__(self, exporter: str) -> None:
        self._exporter = exporter

    def __call__(self, payload: Payload, reason: str) -> None:
        """Take note; a payload that an earlier process left on disk has no tally, and was counted there."""
        if isinstance(payload.tally, Tally):
            payload.tally.note(self._exporter, payload.items, reason)
