"""Protocols of the spans of this process, and of the trace that collects them; see `protocols`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from opentelemetry.trace import SpanKind, TraceState


class LocalTraceFields(Protocol):
    """The spans of one trace that this process has started, and the sums over them that policies read.

    Times of spans are Unix times in nanoseconds. Any number of threads may call the methods.
    """

    trace_id: int
    entry: str | None
    """The `ot` entry of the tracestate it came with."""
    key: bytes
    """Empty if it is never looked up."""
    bounds: Any
    """The `DecisionBounds` of `pipeline.trace`."""
    spans: list[Any]
    """In the order in which they ended."""
    candidates: list[Any]
    """Extractions that become exemplars if the trace is kept: each a `Candidate` of `pipeline.trace`."""
    open_spans: int
    open_roots: int
    """Of the open spans, those without a parent in this process."""
    roots_ended_ns: int
    """Monotonic time at which the last open root ended, while children stay open; else 0."""
    decided: bool
    decision: Any
    """A `Decision`; None while `decided` is false, and for a moment after."""
    abandoned: bool
    """It was begun by the process that this one was forked from, which continues it."""
    error: bool
    slo_breached: bool
    start_ns: int
    end_ns: int
    bytes: int
    """Estimated memory of its spans."""

    @property
    def duration_ns(self) -> int:
        """Of the whole trace: earliest start to latest end, whatever the order in which its spans came."""
        ...

    def started(self, root: bool) -> bool:  # noqa: FBT001 as in C, and so below
        """Count a span that has started; return False, and do not, where the trace has been decided."""
        ...

    def ended(self, span: object, start_ns: int, end_ns: int, error: bool, size: int, root: bool) -> int:  # noqa: FBT001
        """Take a span that has ended; return what that makes of the trace: `LATE`, `OPEN` … of `pipeline.trace`."""
        ...

    def withheld(self, root: bool) -> bool:  # noqa: FBT001
        """Count a span out that has started and will not be handed over; return whether that makes the trace complete."""
        ...

    def claim(self, complete: bool) -> bool:  # noqa: FBT001
        """Set `decided`, for the caller to decide the trace; return False where another has, or where it is not `complete`."""
        ...

    def abandon(self) -> None:
        """Leave the trace to the process that this one was forked from."""
        ...


class SpanFields(Protocol):
    """The fields of a span of this process, and the methods that are called on every one.

    The underscored fields are those that the SDK's `Span`, the other base of `LeanSpan`, reads and writes.
    """

    tracer: Any
    """The `LeanTracer` that started it."""
    trace_id: int
    span_id: int
    flags: int
    state: TraceState
    parent_span: Any
    """The parent's span in this process, or its context, or None."""
    root: bool
    """Whether its parent is in another process."""
    text_bytes: int
    """Of long texts and of events: what the estimate for a span does not cover."""
    filled_in: Callable[[], dict[str, Any]] | None
    """Returns attributes that are only computed if the span is read."""
    local_trace: Any
    """The `LocalTrace` it belongs to; None where it was not sampled upstream."""
    _name: str
    _kind: SpanKind
    _attributes: Any
    """A plain dict until a value or a limit needs more."""
    _start_time: int | None
    _end_time: int | None
    _status: Any
    _events: Any
    _links: Any
    _record_exception: bool
    _set_status_on_exception: bool
    _made_context: Any
    _made_lock: Any

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def is_recording(self) -> bool:
        """Return whether it has not ended."""
        ...

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute."""
        ...

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        ...

    def estimated_bytes(self) -> int:
        """Return about how much memory it takes."""
        ...

    def end(self, end_time: int | None = None) -> None:
        """End the span, at a Unix time in ns or now. Of two threads that end it at once, one does."""
        ...


class SpanBlock(Protocol):
    """A span that lasts for a block, in which it is the current one."""

    _tracer: Any
    _arguments: tuple[Any, ...]
    """Of `start_span`, by position."""
    _end_on_exit: bool
    _span: Any
    """The span; None before the block is entered."""
    _token: Any
    """Restores the context; None before the block is entered."""

    def __enter__(self) -> Any:
        """Start the span, make it the current one and return it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Restore the context, record an error, and end the span unless it is to outlast the block."""
        ...
