"""The spans of a request, by trace.

`decode` returns `compiled.backend.Batch` for usual requests, whose spans become objects on demand, and the class below
otherwise. Both have the same interface.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_fe.compiled.trace_protocols import RequestTraces
    from otel_fe.wire.span import WireSpan

_LOWER_HALF: Final = (1 << 64) - 1


class Trace:
    """The spans of one trace in one request."""

    __slots__ = ("size_bytes", "spans", "trace_id")

    def __init__(self, trace_id: int) -> None:
        self.trace_id = trace_id
        self.spans: list[WireSpan] = []
        self.size_bytes = 0
        """Protobuf bytes with resources and scopes, as the Collector's tail sampler counts; 0 if not computed."""


def worker_of(trace_id: int, workers: int) -> int:
    """Return which of several workers decides a trace."""
    # Not by the last bits alone: samplers use them, and generators of ids may, too.
    return ((trace_id ^ trace_id >> 64) & _LOWER_HALF) % workers


if TYPE_CHECKING:
    _follows: type[RequestTraces] = list[Trace]


class Batch:
    """The spans of a request."""

    __slots__ = ("rejected", "traces")

    def __init__(self, traces: list[Trace], rejected: int) -> None:
        self.traces = traces
        self.rejected = rejected
        """Spans without a valid id, which are in no trace."""

    @property
    def spans(self) -> Iterator[WireSpan]:
        """All spans that were not rejected, trace by trace."""
        return chain.from_iterable(trace.spans for trace in self.traces)

    @property
    def accepted(self) -> int:
        """The number of spans that were not rejected."""
        return sum([len(trace.spans) for trace in self.traces])

    @property
    def message(self) -> str:
        """The message to the sender about rejected items; empty if there are none."""
        return f"{self.rejected} spans have no valid trace id, span id or parent id" if self.rejected else ""

    def take(self, worker: int, workers: int) -> list[Trace]:
        """Take the traces out that one of several workers decides."""
        taken: list[Trace] = []
        left: list[Trace] = []
        for trace in self.traces:
            (taken if worker_of(trace.trace_id, workers) == worker else left).append(trace)
        self.traces = left
        return taken

    def release(self) -> None:
        """Release the request and its parsed form: from now on spans are their bytes alone.

        Call it when all spans have been counted and passed to the sampler; the batch cannot be used afterwards. Attributes of spans
        can still be read, by parsing the span again. Without this call, a pending span keeps its whole request in memory.
        """
        for trace in self.traces:
            for span in trace.spans:
                attributes = span.attributes
                attributes.head = attributes.pairs = None
