"""A trace while it is being assembled: what this process knows of it until it is decided."""

from __future__ import annotations

from _thread import RLock
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from otel_fe.pipeline.derive import Series


class EndedSpan(Protocol):
    """What the pipeline reads of a span."""

    trace_id: int
    span_id: int


class Candidate(NamedTuple):
    """An extraction of the trace that becomes an exemplar if the trace is kept."""

    series: Series
    value_ns: int
    time_ns: int
    span_id: int


class LocalTrace:
    """The spans of one trace that this process has started, and what the policies ask of them.

    `lock` guards every field; whoever sets `decided` under it owns the trace from then on.
    """

    __slots__ = (
        "bytes",
        "candidates",
        "decided",
        "end_ns",
        "entry",
        "error",
        "lock",
        "open_ids",
        "open_roots",
        "received",
        "roots_ended_ns",
        "slo_breached",
        "spans",
        "start_ns",
        "trace_id",
    )

    def __init__(self, trace_id: int, entry: str | None) -> None:
        self.trace_id = trace_id
        self.entry = entry
        """The `ot` entry of the tracestate it came with."""
        self.lock = RLock()
        """Reentrant, as all locks of the pipeline: the garbage collector may close a generator, and so end a span, on
        this very thread while it is held."""
        self.spans: list[object] = []
        self.open_ids: set[int] = set()
        self.open_roots = 0
        self.roots_ended_ns = 0
        """Monotonic time at which the last open local root ended; 0 while one is open."""
        self.candidates: list[Candidate] = []
        self.decided = False
        self.error = False
        self.slo_breached = False
        self.start_ns = 0
        self.end_ns = 0
        self.bytes = 0
        self.received = 0

    @property
    def duration_ns(self) -> int:
        """Of the whole trace: earliest start to latest end, whatever the order in which its spans came."""
        return self.end_ns - self.start_ns
