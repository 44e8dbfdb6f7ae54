"""What a request held: its spans, by trace."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from otel_fe import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_fe.collector.wire.span import WireSpan


class _PlainTrace:
    """The spans of one trace in one request."""

    __slots__ = ("size_bytes", "spans", "trace_id")

    def __init__(self, trace_id: int) -> None:
        self.trace_id = trace_id
        self.spans: list[WireSpan] = []
        self.size_bytes = 0
        """Protobuf bytes of them with their resources and scopes, as the Collector's tail sampler counts; 0 where not asked."""


if TYPE_CHECKING or compiled.spans is None:  # noqa: SIM108 type checkers understand it this way
    Trace = _PlainTrace
else:
    Trace = compiled.spans.Trace


class Batch:
    """What a request held."""

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
        """How many those are."""
        return sum([len(trace.spans) for trace in self.traces])

    @property
    def message(self) -> str:
        """What to tell the sender about what was rejected; empty if nothing was."""
        return f"{self.rejected} spans have no valid trace id, span id or parent id" if self.rejected else ""

    def release(self) -> None:
        """Let go of what protobuf has parsed: from now on spans are their bytes alone.

        To be called when all have been counted and handed to the sampler. Asking for attributes stays possible, and costs
        parsing the span again; without this call, a pending span holds all of its request.
        """
        _release(self.traces)


def _release_plain(traces: Iterable[Trace]) -> None:
    for trace in traces:
        for span in trace.spans:
            attributes = span.attributes
            attributes.head = attributes.pairs = None


_release: Final = _release_plain if compiled.spans is None else compiled.spans.release
