"""Takes out of a request the spans of traces that another worker decides, as a request of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe import compiled
from otel_fe.wire.encode import ExportRequest, run_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.wire.batch import Trace


def hand_over(batch: Any, worker: int, workers: int) -> tuple[bytes, int]:
    """Remove the spans of the traces that one of several workers decides; return them as a request, and their number."""
    if compiled.backend is not None and isinstance(batch, compiled.backend.Batch):
        return compiled.backend.hand_over(batch, worker, workers)
    traces = batch.take(worker, workers)
    return encoded(traces), sum(len(trace.spans) for trace in traces)


def encoded(traces: Iterable[Trace]) -> bytes:
    """Return the spans of traces as one `ExportTraceServiceRequest`, byte for byte as received."""
    request = ExportRequest()
    for trace in traces:
        for span in trace.spans:
            request.add(run_of(span))
    return request.encode()
