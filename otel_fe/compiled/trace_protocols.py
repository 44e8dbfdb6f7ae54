"""Protocols of received spans, of the traces of a request, and of traces that wait for their decision; see `protocols`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from typing_extensions import Self

    Row = tuple[Any, ...]
    """A pending trace in short."""
    Summary = tuple[int, int, str, str, bool, bool, tuple[Any, ...]]
    """Of a trace's spans: earliest start and latest end (Unix time, ns), name of the root, service, whether there is an error and
    whether a `tracestate`, and the extractions, as `store.kept.KeptExtraction`."""


class SpanHead(Protocol):
    """The fields of a received span, set one by one by what decodes it."""

    raw: bytes
    """The span, byte for byte as received."""
    trace_id: int
    span_id: int
    parent_id: int
    """0 for a root."""
    name: str
    kind: int
    start_ns: int
    """Unix time."""
    end_ns: int
    status: int
    has_status: bool
    """Whether there was one, even an empty one."""
    trace_state: str
    flags: int
    attributes: Any
    """A `WireAttributes`; so are the next two of the classes in `wire.resource_scope`."""
    resource: Any
    scope: Any

    def copied(self) -> Self:
        """Return one with the same fields."""
        ...


class SummarizeSpans(Protocol):
    """Summarizes the spans of a kept trace for the store."""

    def __call__(self, spans: Sequence[Any], /) -> Summary | None:
        """Return their summary; None if they are left to the caller."""
        ...


class BuildRows(Protocol):
    """Builds the rows of kept traces and of their extractions, as the store's tables have them."""

    def trace(
        self,
        trace: Any,
        key: int,
        now_s: int,
        known: dict[str, int],
        number: Callable[[str], int],
        logs: bytes | None,
        /,
    ) -> tuple[Any, ...]:
        """Return the row of a trace.

        Args:
            trace: A `KeptTrace`.
            key: Of the row.
            now_s: Unix time.
            known: Numbers of texts.
            number: Returns the number of a text that is not known.
            logs: Its packed logs.
        """
        ...

    def extraction(
        self,
        extraction: Any,
        place: tuple[int, int],
        weight: float | None,
        policy: int,
        known: dict[str, int],
        number: Callable[[str], int],
        /,
    ) -> tuple[Any, ...]:
        """Return the row of an extraction: with the columns of the usual causes where the others have no time, else of all.

        Args:
            extraction: A `KeptExtraction`.
            place: The key of its trace, and its number there.
            weight: Its weight.
            policy: The number of the policy that kept it.
            known: As of `trace`.
            number: As of `trace`.
        """
        ...


class JoinBodies(Protocol):
    """Joins the bodies of kept traces."""

    def __call__(self, bodies: list[Any], /) -> bytes:
        """Return them as a chunk, as `store/bodies.py` describes it."""
        ...


class RequestTraces(Protocol):
    """The traces of a request, each with the interface of `wire.batch.Trace`."""

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any:
        """Return one of them."""
        ...


class PendingTraces(Protocol):
    """The traces that `CompiledTailSampler` has not decided, as rows. `TailSampler`, which it follows, has them as objects.

    A row is a tuple that `CompiledTailSampler` makes a `BufferedTrace` of. Times are monotonic unless said otherwise.
    """

    def receive(
        self,
        traces: Any,
        remembered: Any,
        now_ns: int,
        time_ns: int,
        limit: int,
        room: int,
        make_room: Callable[[], object],
        drop: Callable[[Row], object],
        followed: list[Any],
        kept: list[Any],
    ) -> None:
        """Take the traces of a batch. If anything raises, the lists hold what was done until then.

        Args:
            traces: A `RequestTraces` of the same implementation.
            remembered: The `RememberedDecisions`, of the same implementation.
            now_ns: Monotonic time.
            time_ns: Unix time.
            limit: The most bytes of a trace; 0 for any number.
            room: The most traces that may wait.
            make_room: Decides one of them.
            drop: Drops the trace of a row that is larger than `limit`.
            followed: Receives, for each trace that was decided before: the decision, the id, the spans if they are kept, the number
                of spans, and of errors among them.
            kept: Receives, for each trace that is kept: the id, the spans, the decision, the record.
        """
        ...

    def add_objects(
        self,
        sums: Any,
        spans: list[Any],
        answers: Sequence[Any],
        arrived_ns: int,
        root_received_ns: int,
        room: int,
        make_room: Callable[[], object],
    ) -> None:
        """Add spans that are objects, with their sums as a `BufferedTrace` and the answers of policies that C does not know."""
        ...

    def settle(self, trace_id: int, remembered: Any, time_ns: int) -> tuple[list[Any], Any, bytes] | None:
        """Decide a trace whose vote is final; return its spans, the decision and the record, or None if it has to wait."""
        ...

    def decide_due(
        self,
        arrived_until_ns: int,
        rooted_until_ns: int,
        remembered: Any,
        record: Callable[[bytes], None],
        now_ns: int,
        time_ns: int,
        trigger: int,
        sampled: list[Any],
        others: list[int],
    ) -> None:
        """Decide the traces that arrived, or whose roots did, until a time; the lists receive the sampled and the other ones."""
        ...

    def decide_oldest(
        self,
        remembered: Any,
        record: Callable[[bytes], None],
        now_ns: int,
        time_ns: int,
        trigger: int,
        sampled: list[Any],
        others: list[int],
    ) -> None:
        """Decide the trace that has waited longest, in a round of its own, with the arguments of `decide_due`."""
        ...

    def due(self, arrived_until_ns: int, rooted_until_ns: int) -> list[tuple[Row, bool]]:
        """Return the rows that are due, in order of arrival, and whether each waited after its root."""
        ...

    def take(self, trace_id: int, keeps: bool, /) -> list[Any]:  # noqa: FBT001 as in C
        """Remove a trace; return its spans if they are kept, otherwise none."""
        ...

    def row(self, trace_id: int, /) -> Row | None:
        """Return the row of a trace; None if it does not wait."""
        ...

    def ids(self) -> list[int]:
        """Return the ids of all that wait, in the order of their arrival."""
        ...

    def held(self, trace_id: int, /) -> list[Any]:
        """Return the spans of a trace as objects; it goes on waiting."""
        ...

    @property
    def pending(self) -> tuple[int, int]:
        """The numbers of traces and spans that wait."""
        ...

    @property
    def size_bytes(self) -> int:
        """Memory of the rows and the spans."""
        ...

    @property
    def oldest_ns(self) -> int | None:
        """When the trace that has waited longest arrived; None without any."""
        ...

    @property
    def root_received_ns(self) -> int | None:
        """When the earliest root arrived; None if no trace waits after its root."""
        ...

    @property
    def longest(self) -> int:
        """The most traces at one place of the table: the rows that one look-up reads at worst."""
        ...


class PendingTracesOf(Protocol):
    """Makes the pending traces of a sampler."""

    def __call__(
        self,
        words: Iterable[tuple[Any, ...]],
        kind: type[Any],
        asked: Callable[[int, Any], Any],
        told: Callable[[str], tuple[int | None, bool]],
        decided: Callable[[Row], Any],
        final: Callable[[Row], Any],
        final_bits: int,
        rooted: bool,  # noqa: FBT001 as in C
        pools: Iterable[tuple[bool, int, Callable[[int], int], Callable[[int, int], None]]],
        competing: Callable[[Row, int], bool],
        segments: Any,
        /,
    ) -> PendingTraces:
        """Return them, with none that waits.

        Args:
            words: The policies, as `Leaves.words` has them.
            kind: The class of a span's object, a subclass of `Backend.Head`.
            asked: Answers for a leaf by its number that C does not know, given a span.
            told: Returns the randomness that a `tracestate` states, or None, and whether it says how the span was sampled.
            decided: Returns the decision on a row.
            final: Returns the decision on a row if no later span can change it.
            final_bits: The bits of leaves without which no vote is final, those of the first word lowest.
            rooted: Whether a trace is due some time after its root, too.
            pools: The budgets that traces of a round compete for, in the order in which they are spent.
            competing: Returns whether a row competes for one of them, given its number.
            segments: A `Backend.Segments`.
        """
        ...


class SegmentsOf(Protocol):
    """Makes a store for the bytes of pending spans."""

    def __call__(
        self,
        compress: Callable[[memoryview], bytes | None] | None,
        decompress: Callable[[bytes], bytes] | None,
        rest_ns: int,
        capacity: int,
        /,
    ) -> object:
        """Return an empty one.

        Args:
            compress: Returns a full segment compressed, or None where that is not worth it; None to compress nothing.
            decompress: The reverse.
            rest_ns: How long a full segment rests before it is compressed.
            capacity: Bytes of a segment.
        """
        ...
