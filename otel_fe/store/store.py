"""`Store`, the writing side of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.clock import SystemClock
from otel_fe.store.database import make_directory, own
from otel_fe.store.inbox import QUEUE_FULL, Inbox, Item
from otel_fe.store.limits import StoreLimits
from otel_fe.store.write_counters import StoreCounters
from otel_fe.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from otel_fe.clock import Clock
    from otel_fe.model.metric import ResourceMetrics
    from otel_fe.store.kept import KeptBatch, KeptTrace
    from otel_fe.store.points import MetricPoint

_TRACE_BYTES: Final = 2_000
_RECORD_BYTES: Final = 1_000
_POINT_BYTES: Final = 1_000
_PARSED: Final = 4
"""The growth of metrics when they are parsed."""


class Store:
    """Accepts items from any thread without waiting: a separate thread writes them, many at a time.

    What is not stored is counted in `counters.lost`, by why. What `flush` has returned true for is on disk, or counted there.

    Args:
        directory: Where; made if it is not there. One process at a time can write to it.
        limits: How much, and for how long.
        clock: By default the machine's.

    Raises:
        StoreBusyError: Another process writes to it.
        StoreError: The directory cannot be used.
    """

    def __init__(self, directory: Path, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        limits = limits or StoreLimits()
        self.directory: Final = directory
        self.counters: Final = StoreCounters()
        make_directory(directory)
        self._ownership = own(directory)
        self._inbox = Inbox(limits)
        self._writer = Writer(directory, limits, clock or SystemClock(), self._inbox, self.counters)
        self._writer.start()

    def add_trace(self, trace: KeptTrace) -> bool:
        """Store a kept trace, or what came late of one; return false where it is lost already."""
        return self._put("trace", trace, trace.size_bytes + _TRACE_BYTES)

    def add_batch(self, batch: KeptBatch) -> bool:
        """Store all of a batch, in one transaction; return false where there is no room for it now.

        A batch that is refused is not counted as lost: it can be offered again.
        """
        lost = self._inbox.put(Item("batch", batch, batch.size_bytes, len(batch)))
        if lost and lost != QUEUE_FULL:
            self.counters.lose(lost, len(batch))
        return lost != QUEUE_FULL

    def lose(self, reason: str, items: int) -> None:
        """Count items that were never handed over."""
        self.counters.lose(reason, items)

    def add_logs(self, trace_id: int, logs: bytes) -> bool:
        """Store logs of a kept trace, as an encoded `ExportLogsServiceRequest`."""
        return self._put("logs", (trace_id, logs), len(logs) + _TRACE_BYTES)

    def add_record(self, record: Mapping[str, Any]) -> bool:
        """Store a decision, as `DecisionRecord.as_dict` has it."""
        return self._put("record", record, _RECORD_BYTES)

    def add_metrics(self, metrics: Sequence[ResourceMetrics]) -> bool:
        """Store metrics of the pipeline's."""
        points = sum(len(metric.points) for of_resource in metrics for metric in of_resource.metrics)
        return self._put("metrics", metrics, points * _POINT_BYTES)

    def add_points(self, points: Sequence[MetricPoint]) -> bool:
        """Store points of metrics, for example gauges of alert states."""
        return self._put("metrics", points, len(points) * _POINT_BYTES)

    def add_otlp_metrics(self, payload: bytes) -> bool:
        """Store metrics as a process exported them: an encoded `ExportMetricsServiceRequest`."""
        return self._put("metrics", payload, len(payload) * _PARSED)

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until all that was handed over so far is on disk, or counted as lost; return whether that came to pass in time."""
        return self._inbox.wait(timeout_s)

    def close(self, timeout_s: float = 30.0) -> bool:
        """Write all queued items, and release the directory; return whether it succeeded in time."""
        self._inbox.close()
        ended = self._writer.join(timeout_s)
        if ended:
            self._ownership.close()
        return ended

    def __enter__(self) -> Store:  # noqa: PYI034 `Self` is younger than Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, kind: str, content: Any, size_bytes: int) -> bool:
        lost = self._inbox.put(Item(kind, content, size_bytes))
        if lost:
            self.counters.lose(lost)
        return not lost
