"""A received trace: its ended spans, and the sums over them that policies read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe import compiled
from otel_fe.model import probability, trace_state
from otel_fe.model import span as spans_

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_fe.compiled.protocols import AddToTrace
    from otel_fe.model.span import SpanView
    from otel_fe.model.vote import Vote

_NONE: Final[Mapping[object, int]] = {}
BITS: Final = {spans_.UNSET: 1, spans_.OK: 2, spans_.ERROR: 4}
"""The bit of each status in `statuses`."""


class BufferedTrace:
    """The spans of one trace that have been received, in whatever order.

    Sums are kept up to date as spans come in, so that most policies need not look at the spans again.
    """

    __slots__ = (
        "_told",
        "arrived_ns",
        "count",
        "decided",
        "end_ns",
        "flags",
        "has_trace_state",
        "key",
        "looked",
        "place",
        "root_received_ns",
        "size_bytes",
        "spans",
        "start_ns",
        "statuses",
        "thresholds",
        "trace_id",
        "wrapped_bytes",
    )

    def __init__(self, trace_id: int, arrived_ns: int, key: int = 0) -> None:
        self.trace_id = trace_id
        self.key = key
        """The key of its decision in the cache."""
        self.place = b""
        """Its `trace_key`, once it is waited for."""
        self.arrived_ns = arrived_ns
        """Monotonic time of its first span's arrival."""
        self.root_received_ns = 0
        """The arrival time of its root; 0 before."""
        self.decided = False
        self.spans: list[SpanView] = []
        self.count = 0
        """The number of spans received."""
        self.start_ns = 0
        """Unix time of the earliest start; spans without one (0) do not count."""
        self.end_ns = 0
        """Unix time of the latest end."""
        self.statuses = 0
        """Bit n is set where a span has status n; a status that OTLP does not know sets none."""
        self.flags = 0
        """The flags of all spans, or'ed."""
        self.has_trace_state = False
        """Whether any span has a `tracestate`."""
        self.size_bytes = 0
        """Protobuf bytes of its parts, each with its resource and scopes."""
        self.wrapped_bytes = 0
        """The same as one `TracesData` message."""
        self.looked: dict[object, tuple[int, Vote | None]] = {}
        """The number of its spans that a policy has evaluated, and the policy's vote so far."""
        self.thresholds: Mapping[object, int] = _NONE
        """Keyed by limiter: the threshold of the round that the trace was decided in; limiters know that of the last one."""
        self._told: tuple[int, bool] | None = None

    def add(self, spans: Sequence[SpanView], size_bytes: int, now_ns: int) -> None:
        """Add spans.

        Args:
            spans: All of this trace.
            size_bytes: Protobuf bytes of these spans with their resource and scopes.
            now_ns: Monotonic time.
        """
        self.spans.extend(spans)
        self.count += len(spans)
        if not _add(self, spans, now_ns):
            _plain_add(self, spans, now_ns)
        self.size_bytes += size_bytes
        self.wrapped_bytes += size_bytes + 1 + (max(1, size_bytes.bit_length()) + 6) // 7

    @property
    def duration_ns(self) -> int:
        """Of the whole trace: earliest start to latest end, whatever the order in which its spans came."""
        return self.end_ns - self.start_ns

    @property
    def randomness(self) -> int:
        """Its own 56 bits of randomness: `rv` where its spans have one, else the end of its id."""
        return self._sampling[0]

    @property
    def tells_sampling(self) -> bool:
        """Return whether any of its spans says in its `tracestate` how it was sampled before."""
        return self.has_trace_state and self._sampling[1]

    def sampled_before(self, *, has_trace_state: bool, tells: bool, randomness: int | None) -> None:
        """Set how its spans say that they were sampled, for a trace whose spans are not here.

        Args:
            has_trace_state: Whether a span has a `tracestate`.
            tells: Whether one has a threshold or randomness in it.
            randomness: The least that a span states; None where none does.
        """
        self.has_trace_state = has_trace_state
        self._told = probability.randomness(self.trace_id) if randomness is None else randomness, tells

    @property
    def _sampling(self) -> tuple[int, bool]:
        found = self._told
        if found is None:
            found = self._told = self._read_sampling()
        return found

    def _read_sampling(self) -> tuple[int, bool]:
        own = probability.randomness(self.trace_id)
        if not self.has_trace_state:
            return own, False
        states = [trace_state.sampling(span.trace_state) for span in self.spans if span.trace_state]
        explicit = [sampling.randomness for sampling in states if sampling.randomness is not None]
        # All spans of a trace should say the same; where they do not, the order of arrival must not matter.
        return min(explicit, default=own), bool(explicit) or any(sampling.threshold is not None for sampling in states)


def _plain_add(trace: BufferedTrace, spans: Sequence[SpanView], now_ns: int) -> bool:
    start, end, statuses, flags = trace.start_ns, trace.end_ns, trace.statuses, trace.flags
    for span in spans:  # flat: this is done for every span there is
        begun = span.start_ns
        if begun and (not start or begun < start):
            start = begun
        if span.end_ns > end:  # noqa: PLR1730 a call of max() costs more than the rest of the loop
            end = span.end_ns
        statuses |= BITS.get(span.status, 0)
        flags |= span.flags
        if not span.parent_id:
            trace.root_received_ns = trace.root_received_ns or now_ns
        if span.trace_state:
            trace.has_trace_state = True
            trace._told = None
    trace.start_ns, trace.end_ns, trace.statuses, trace.flags = start, end, statuses, flags
    return True


_add: Final[AddToTrace] = _plain_add if compiled.backend is None else compiled.backend.add
