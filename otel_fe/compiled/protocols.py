"""Protocols of the hot path, each with a plain and a compiled implementation.

The plain implementation is beside its user, and defines the behaviour. A compiled one may leave
unusual input to its caller, as its protocol says; a plain one that is no faster than its caller leaves everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from otel_fe.compiled.batches import Batch as RequestBatch
    from otel_fe.compiled.http2 import Event, Session
    from otel_fe.compiled.local_protocols import LocalTraceFields, SpanBlock, SpanFields
    from otel_fe.compiled.series_protocols import (
        CountExtractions,
        DrawExemplars,
        ForgettingFinder,
        RecordSpans,
        SeriesFinder,
    )
    from otel_fe.compiled.trace_protocols import (
        BuildRows,
        JoinBodies,
        PendingTracesOf,
        RequestTraces,
        SegmentsOf,
        SpanHead,
        SummarizeSpans,
    )

_Scanned = tuple[int, "Sequence[int]", "Sequence[Any]", bool]
"""The number of valid items, that of invalid ones by reason, the parts to cut out, and whether there are too many messages."""


class Scan(Protocol):
    """Checks every field of a request."""

    def __call__(self, payload: bytes, root: int, identified: bool, /) -> _Scanned | None:  # noqa: FBT001
        """Return what was found in a request; None if its outermost fields cannot be read.

        Args:
            payload: The encoded request.
            root: The place of the request among the messages of `schema`.
            identified: Whether a span needs both ids.
        """
        ...


class ScanByTable(Protocol):
    """Checks every field of a request as a table says."""

    def __call__(
        self,
        payload: bytes,
        table: bytes,
        root: int,
        span: int,
        identified: bool,  # noqa: FBT001 as in C
        /,
    ) -> _Scanned | None:
        """Return what `Scan` returns, given `schema.TABLE` and the place of a span in it."""
        ...


class BatchOf(Protocol):
    """Reads the spans of a request, by trace."""

    def __call__(
        self, payload: bytes, resources: Any, scopes: Any, kind: type[Any], trace_kind: Callable[[int], object], /
    ) -> Any:
        """Return a batch with the interface of `wire.batch.Batch`; None if the request is left to the caller."""
        ...


class HandOver(Protocol):
    """Takes out of a request what another worker decides."""

    def __call__(self, batch: Any, worker: int, workers: int, /) -> tuple[bytes, int]:
        """Remove the spans of its traces from a compiled batch; return them as a request, and their number."""
        ...


class Runs(Protocol):
    """Joins kept spans as they leave."""

    def __call__(
        self, spans: Sequence[Any], stamp: bytes | None, single: Callable[[Any], bytes], most_bytes: int, /
    ) -> list[tuple[Any, Any, bytes, int]]:
        """Return resource, scope, bytes and number of the spans of each run.

        Args:
            spans: Spans of a trace.
            stamp: The encoded field to put behind a span without a `tracestate`; None if each is to be encoded by `single`.
            single: Returns a span with its tag and length.
            most_bytes: The most bytes of a run with more than one span.
        """
        ...


class AddToTrace(Protocol):
    """Adds spans to the sums of a trace."""

    def __call__(self, trace: Any, spans: Sequence[Any], now_ns: int, /) -> bool:
        """Add spans to a `BufferedTrace`; return False, and do nothing, if they are left to the caller."""
        ...


class HashOf(Protocol):
    """Hashes the id of a trace."""

    def __call__(self, salted: int, trace_id: int, /) -> int:
        """Return the 64 bits of FNV-1a that continue `salted` with the 16 bytes of an id."""
        ...


class KeyOf(Protocol):
    """Shortens the id of a trace."""

    def __call__(self, trace_id: int, /) -> int:
        """Return 48 bits of an id, never all zero, above 16 bits that are zero."""
        ...


class RememberedDecisions(Protocol):
    """Decisions by key of trace id."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: int, /) -> Any:
        """Return the decision on a trace, by `key_of` its id; None if none is remembered."""
        ...

    def __setitem__(self, key: int, decision: Any, /) -> None:
        """Remember the decision on a trace, by `key_of` its id."""
        ...

    @property
    def longest(self) -> int:
        """The longest run of occupied places: the worst case of a look-up."""
        ...

    @property
    def size_bytes(self) -> int:
        """Memory of the tables."""
        ...


class Named(Protocol):
    """Finds spans by name."""

    def __call__(self, spans: Iterable[Any], word: str, /) -> list[Any]:
        """Return the spans whose name is a word, or begins with it and a space."""
        ...


class PickAttributes(Protocol):
    """Reads some attributes of a span."""

    def __call__(self, span: Any, /) -> list[Any] | None:
        """Return their values; None if the span is left to the caller."""
        ...


class Backend(Protocol):
    """The compiled modules together: `modules.py`, which type checkers hold to this."""

    @property
    def SOURCES(self) -> frozenset[str]:  # noqa: N802 a constant
        """The digests of the sources that they were compiled from."""
        ...

    @property
    def LocalTrace(self) -> type[LocalTraceFields]:  # noqa: N802 a class, as are the next two
        """The class of `pipeline.trace`."""
        ...

    @property
    def SpanCore(self) -> type[SpanFields]:  # noqa: N802
        """The class below `sdk.span.LeanSpan`."""
        ...

    @property
    def CurrentCore(self) -> type[SpanBlock]:  # noqa: N802
        """The class below `sdk.tracer.CurrentSpan`."""
        ...

    @property
    def methods(self) -> Callable[[Any], tuple[Any, Any]]:
        """Given the kind of spans by default, returns `start_span` and `start_as_current_span` of tracers."""
        ...

    @property
    def use_traces(self) -> Callable[[tuple[int, ...], int], None]:
        """Takes over the constants of `pipeline.trace`."""
        ...

    @property
    def use_spans(self) -> Callable[..., None]:
        """Takes over the class of spans and the constants of `sdk.span`."""
        ...

    @property
    def use_tracers(self) -> Callable[..., None]:
        """Takes over the classes and constants of `sdk.tracer`."""
        ...

    @property
    def use_library(self) -> Callable[[Callable[[str], int]], None]:
        """Takes over the functions of libnghttp2.

        Its argument returns the address of one, by its name without `nghttp2_`; 0 for an option that this version lacks.
        """
        ...

    @property
    def Http2Session(self) -> type[Session]:  # noqa: N802
        """Begins a connection, given how many calls may be in progress and how large a message may be, in bytes."""
        ...

    @property
    def Http2Error(self) -> type[Exception]:  # noqa: N802
        """The other side broke the protocol, or asks for too much: the connection cannot go on."""
        ...

    @property
    def Http2Event(self) -> type[Event]:  # noqa: N802
        """The numbers of what a session reports."""
        ...

    @property
    def scan(self) -> ScanByTable:
        """Check a request by a table."""
        ...

    @property
    def batch_of(self) -> BatchOf:
        """Read a request."""
        ...

    @property
    def Batch(self) -> type[RequestBatch]:  # noqa: N802
        """The class of what `batch_of` returns."""
        ...

    @property
    def hand_over(self) -> HandOver:
        """Take the spans of another worker out of a request."""
        ...

    @property
    def runs(self) -> Runs:
        """Join kept spans."""
        ...

    @property
    def add(self) -> AddToTrace:
        """Add spans to a trace."""
        ...

    @property
    def hash_of(self) -> HashOf:
        """Hash an id."""
        ...

    @property
    def key_of(self) -> KeyOf:
        """Shorten an id."""
        ...

    @property
    def named(self) -> Named:
        """Find extractions by name."""
        ...

    @property
    def record(self) -> RecordSpans:
        """Count spans."""
        ...

    @property
    def drawn(self) -> DrawExemplars:
        """Draw exemplars."""
        ...

    @property
    def counted(self) -> CountExtractions:
        """Count extractions."""
        ...

    @property
    def remembered_bytes(self) -> Callable[[], int]:
        """Returns about how many bytes all finders and counters hold."""
        ...

    @property
    def DecisionCache(self) -> Callable[[int], RememberedDecisions]:  # noqa: N802 a class, and so are those below
        """Given how many decisions to remember at least."""
        ...

    @property
    def Picker(self) -> Callable[[Iterable[str], str], PickAttributes]:  # noqa: N802
        """Given the names of attributes, and the type of each as a letter: t, w or s."""
        ...

    @property
    def Finder(self) -> Callable[[Iterable[str], Iterable[str], Callable[[Any], tuple[Any, bool]]], ForgettingFinder]:  # noqa: N802
        """Given the attributes that make a series, the text that stands for each where it is absent, and `SeriesMap.find`."""
        ...

    @property
    def Counter(self) -> Callable[[Iterable[str], Mapping[str, str], int, int], SeriesFinder]:  # noqa: N802
        """Given the attributes of an extraction, those of its causes, and the limits of latency in ns and of memory in bytes."""
        ...

    @property
    def Summarizer(self) -> Callable[..., SummarizeSpans]:  # noqa: N802
        """Given the names of attributes and causes, summarises kept traces for the store."""
        ...

    @property
    def RowBuilder(self) -> Callable[[Sequence[int], int, Sequence[str], int], BuildRows]:  # noqa: N802
        """Given the buckets of latency, the slots and the causes of the store."""
        ...

    @property
    def joined(self) -> JoinBodies:
        """Join the bodies of kept traces."""
        ...

    @property
    def Head(self) -> type[SpanHead]:  # noqa: N802
        """The class below those of received spans."""
        ...

    @property
    def Traces(self) -> type[RequestTraces]:  # noqa: N802
        """The class of a batch's traces, which `PendingTraces.receive` takes."""
        ...

    @property
    def Segments(self) -> SegmentsOf:  # noqa: N802
        """The bytes of pending spans; plain Python keeps objects."""
        ...

    @property
    def Waiting(self) -> PendingTracesOf:  # noqa: N802
        """Given policies and decisions, makes the pending traces of `CompiledTailSampler`, which follows `TailSampler`."""
        ...
