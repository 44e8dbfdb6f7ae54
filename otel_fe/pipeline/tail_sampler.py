"""Buffers received spans by trace until each trace is decided: keep early, drop late.

A trace is kept as soon as its vote is final: a policy samples it with weight 1, and no span that may still come can
change that (`Sampler.final`). All others are decided `decision_wait` after their first span or
`decision_wait_after_root_received` after their first root, whichever is set and comes first. As in the Collector,
decisions are made once a second, so that limiters compare the traces of a second with each other. A trace that looks
complete is not decided early: a background task or a second consumer may end after its root.

Spans that arrive after the decision follow it. Those of a trace that was kept early are forwarded; all others are late
and no longer change the decision: errors among them are counted.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from otel_fe.clock import FAR_NS
from otel_fe.model.decision import Decision
from otel_fe.model.id_keys import trace_key
from otel_fe.model.probability import NEVER
from otel_fe.model.span import ERROR
from otel_fe.pipeline.buffered_trace import BufferedTrace
from otel_fe.pipeline.counters import Counters
from otel_fe.pipeline.decision_cache import DecisionCache, key_of
from otel_fe.pipeline.records import DecisionRecords
from otel_fe.pipeline.sampler import Sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from otel_fe.clock import Clock
    from otel_fe.compiled.protocols import RememberedDecisions
    from otel_fe.config.policies import TailSampling
    from otel_fe.model.span import SpanView
    from otel_fe.model.vote import Vote

    Deliver = Callable[[int, Sequence[SpanView], Decision], str]
    """Takes a trace's id, spans of it and their decision; returns the reason why it could not send them, or ""."""

FINAL_VOTE: Final = "final_vote"
DECISION_WAIT: Final = "decision_wait"
ROOT_WAIT: Final = "root_wait"
NUM_TRACES: Final = "num_traces"
TRACE_SIZE: Final = "trace_size"
SHUTDOWN: Final = "shutdown"

ROUND_NS: Final = 1_000_000_000
"""Between two rounds of decisions: the Collector's ticker."""
TOO_LARGE: Final = Decision(sampled=False, reason=TRACE_SIZE, threshold=NEVER)
ABANDONED: Final = Decision(sampled=False, reason=SHUTDOWN, threshold=NEVER)
_EVICTING: Final = (NUM_TRACES, TRACE_SIZE, SHUTDOWN)
_REMEMBERED: Final = 100_000
_MOST_TRACES: Final = 1 << 22
"""Decisions that are remembered because of `num_traces`, which may be any number so that nothing is ever evicted; 64 MiB."""
_MOST_REMEMBERED: Final = 1 << 28
"""Because of `decision_cache`: 4 GiB."""
_EXPLAINED: Final = 10_000


class Arrived(Protocol):
    """The spans of one trace in one request."""

    trace_id: int
    spans: list[Any]
    size_bytes: int


class Records(Protocol):
    """The records of decisions."""

    def add(
        self, trace: BufferedTrace, time_ns: int, trigger: str, decision: Decision, votes: tuple[Vote, ...]
    ) -> None:
        """Record a decision; `trace` still holds its spans."""
        ...

    def add_later(self, trace_id: int, spans: Sequence[SpanView], size_bytes: int) -> None:
        """Record that spans came after the decision on their trace."""
        ...


class TailSampler:
    """Assembles, decides, delivers. Not thread-safe: its owner calls it from one thread, or holds a lock.

    Args:
        settings: Of the `tail_sampling` processor.
        clock: Both clocks.
        deliver: Takes what is kept.
        keep_early: Keep traces whose vote is final at once; False waits as long as the Collector does.
        records: What decisions are recorded in; by default the last 10 000 stay explained.
        counters: Where spans are counted; its own by default.
    """

    def __init__(
        self,
        settings: TailSampling,
        clock: Clock,
        deliver: Deliver,
        *,
        keep_early: bool = True,
        records: Records | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.deliver = deliver
        self.sampler = Sampler(settings.policies, first_match=settings.sample_on_first_match)
        # A trace that grows too large is not kept, whatever its policies say.
        self._keep_early = keep_early and self.sampler.settles_early and not settings.maximum_trace_size_bytes
        self.records = DecisionRecords(self.sampler.policies, _EXPLAINED)
        self._recorded_in: Records = self.records if records is None else records
        self.counters = Counters() if counters is None else counters
        self._open: dict[bytes, BufferedTrace] = {}
        """Keyed by `trace_key`."""
        self._open_spans = 0
        self._by_arrival: deque[BufferedTrace] = deque()
        self._by_root: deque[BufferedTrace] = deque()
        traces = min(max(_REMEMBERED, settings.num_traces), _MOST_TRACES)
        remembered = max(settings.sampled_cache_size, settings.non_sampled_cache_size, traces)
        self._remembered = DecisionCache(min(remembered, _MOST_REMEMBERED))

    # --- spans in ----------------------------------------------------------------------------------------------------

    def receive_all(self, traces: Iterable[Arrived], now_ns: int) -> None:
        """Add the spans of a request.

        Args:
            traces: Each of its traces, once.
            now_ns: Monotonic time.
        """
        for trace in traces:
            self.receive(trace.trace_id, trace.spans, trace.size_bytes, now_ns)

    def receive(self, trace_id: int, spans: Sequence[SpanView], size_bytes: int, now_ns: int) -> None:
        """Add spans that have arrived together.

        Args:
            trace_id: Their trace.
            spans: At least one.
            size_bytes: Protobuf bytes of them with their resource and scopes; 0 if sizes are not needed.
            now_ns: Monotonic time; handed in, since one reading does for all traces of a request.
        """
        place = trace_key(trace_id)
        trace = self._open.get(place)
        if trace is None:
            key = key_of(trace_id)
            decision = self._remembered[key]
            if decision is not None:
                self._follow(trace_id, spans, size_bytes, decision)
                return
            trace = self._begin(BufferedTrace(trace_id, now_ns, key), place)
        self._add(trace, spans, size_bytes, now_ns)

    def restore(
        self, trace_id: int, spans: Sequence[SpanView], size_bytes: int, arrived_ns: int, root_received_ns: int
    ) -> None:
        """Add a pending trace of another sampler, or of an earlier process.

        Args:
            trace_id: Its id.
            spans: All that have come of it.
            size_bytes: As for `receive`.
            arrived_ns: When the first came; monotonic time.
            root_received_ns: When its root came; 0 if it has not.
        """
        place, key = trace_key(trace_id), key_of(trace_id)
        if place in self._open or self._remembered[key] is not None:
            self.receive(trace_id, spans, size_bytes, arrived_ns)
            return
        trace = self._begin(BufferedTrace(trace_id, arrived_ns, key), place)
        self._add(trace, spans, size_bytes, root_received_ns or arrived_ns)

    def _begin(self, trace: BufferedTrace, place: bytes) -> BufferedTrace:
        """Wait for a trace; the oldest makes room where there is none."""
        if len(self._open) >= self._settings.num_traces:
            self._decide([next(iter(self._open.values()))], [NUM_TRACES])
        trace.place = place
        self._open[place] = trace
        return trace

    def _add(self, trace: BufferedTrace, spans: Sequence[SpanView], size_bytes: int, now_ns: int) -> None:
        begins, rooted = not trace.count, trace.root_received_ns
        trace.add(spans, size_bytes, now_ns)
        self._open_spans += len(spans)
        limit = self._settings.maximum_trace_size_bytes
        if limit and trace.size_bytes > limit:
            self._conclude(trace, TRACE_SIZE, TOO_LARGE, ())
        elif self._keep_early and (verdict := self.sampler.final(trace)) is not None:
            self._conclude(trace, FINAL_VOTE, *verdict)
        if trace.decided:
            return
        if begins:
            self._by_arrival.append(trace)
        if trace.root_received_ns and not rooted and self._settings.decision_wait_after_root_received_ns:
            self._by_root.append(trace)

    def _follow(self, trace_id: int, spans: Sequence[SpanView], size_bytes: int, decision: Decision) -> None:
        """Do with spans as was decided of their trace."""
        count = len(spans)
        self._count_followed(count, sum([span.status == ERROR for span in spans]), decision)
        self._recorded_in.add_later(trace_id, spans, size_bytes)
        if decision.sampled:
            self.counters.kept(count, self.deliver(trace_id, spans, decision))

    def _count_followed(self, spans: int, errors: int, decision: Decision) -> None:
        counters = self.counters
        with counters.lock:
            counters.received += spans
            if not decision.early:
                counters.late += spans
            if not decision.sampled:
                counters.late_errors += errors
                if decision is TOO_LARGE:
                    counters.dropped[TRACE_SIZE] += spans
                else:
                    counters.not_sampled += spans

    # --- decisions out ------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> tuple[int, int]:
        """Return how many traces are not decided, and how many spans they hold."""
        return len(self._open), self._open_spans

    def pending_traces(self) -> Iterator[BufferedTrace]:
        """Yield the traces that are not decided, the oldest first."""
        yield from self._open.values()

    def pending_trace(self, trace_id: int) -> BufferedTrace | None:
        """Return a trace that is not decided; None where there is no such trace."""
        return self._open.get(trace_key(trace_id))

    def remembered(self, trace_id: int) -> Decision | None:
        """Return what was decided of a trace; None where that is not, or no longer, known."""
        found: Decision | None = self._remembered[key_of(trace_id)]
        return found

    def remember(self, decisions: RememberedDecisions) -> None:
        """Share the remembered decisions of the sampler before this one, and add to them."""
        self._remembered = decisions

    def hand_over(self, successor: TailSampler) -> None:
        """Transfer all pending traces and remembered decisions to a sampler with other policies."""
        successor.remember(self._remembered)
        pending, self._open, self._open_spans = self._open, {}, 0
        for trace in pending.values():
            successor.restore(trace.trace_id, trace.spans, trace.size_bytes, trace.arrived_ns, trace.root_received_ns)
        self._by_arrival.clear()
        self._by_root.clear()

    @property
    def due_ns(self) -> int:
        """When `tick` has something to do, at the earliest; far away where nothing waits. Monotonic time."""
        settings, due_ns = self._settings, FAR_NS
        if first := _first_waiting(self._by_arrival):
            due_ns = first.arrived_ns + settings.decision_wait_ns
        if first := _first_waiting(self._by_root):
            due_ns = min(due_ns, first.root_received_ns + settings.decision_wait_after_root_received_ns)
        return due_ns if due_ns == FAR_NS else -(-due_ns // ROUND_NS) * ROUND_NS

    def tick(self) -> None:
        """Decide what is due; called about once a second, or when it is due."""
        until_ns = self._clock.monotonic_ns() // ROUND_NS * ROUND_NS
        due: dict[BufferedTrace, str] = {}
        self._collect_due(self._by_arrival, until_ns - self._settings.decision_wait_ns, DECISION_WAIT, due)
        self._collect_due(self._by_root, until_ns - self._settings.decision_wait_after_root_received_ns, ROOT_WAIT, due)
        if due:
            self._decide(list(due), list(due.values()))

    def close(self) -> None:
        """Decide all pending traces with the spans they have, or drop them if configured so."""
        pending = list(self._open.values())
        if self._settings.drop_pending_traces_on_shutdown:
            for trace in pending:
                self._conclude(trace, SHUTDOWN, ABANDONED, ())
        else:
            self._decide(pending, [SHUTDOWN] * len(pending))

    @staticmethod
    def _collect_due(waiting: deque[BufferedTrace], until_ns: int, trigger: str, due: dict[BufferedTrace, str]) -> None:
        while waiting:
            trace = waiting[0]
            if not trace.decided:
                if (trace.arrived_ns if trigger is DECISION_WAIT else trace.root_received_ns) > until_ns:
                    return
                due.setdefault(trace, trigger)
            waiting.popleft()

    def _decide(self, traces: Sequence[BufferedTrace], triggers: Sequence[str]) -> None:
        verdicts = self.sampler.decide_round(traces, self._clock.monotonic_ns())
        for trace, trigger, (decision, votes) in zip(traces, triggers, verdicts, strict=True):
            self._conclude(trace, trigger, decision, votes)

    def _conclude(self, trace: BufferedTrace, trigger: str, decision: Decision, votes: tuple[Vote, ...]) -> None:
        """Remove a pending trace, and carry out its decision."""
        trace.decided = True
        del self._open[trace.place]
        self._open_spans -= trace.count
        self._carry_out(trace, trigger, decision, votes)

    def _carry_out(self, trace: BufferedTrace, trigger: str, decision: Decision, votes: tuple[Vote, ...]) -> None:
        """Count, record, remember, deliver."""
        trace_id, spans, count, counters = trace.trace_id, trace.spans, trace.count, self.counters
        self._remembered[trace.key] = decision
        self._recorded_in.add(trace, self._clock.time_ns(), trigger, decision, votes)
        with counters.lock:
            counters.received += count
            if trigger in _EVICTING:
                counters.evicted[trigger] += 1
            if decision.sampled:
                counters.traces[decision.reason] += 1
            elif decision is TOO_LARGE or decision is ABANDONED:
                counters.dropped[decision.reason] += count
            else:
                counters.not_sampled += count
                counters.traces_not_sampled += 1
        if decision.sampled:
            counters.kept(count, self.deliver(trace_id, spans, decision))
        trace.spans = []  # it may wait in a queue for its time to come


def _first_waiting(waiting: deque[BufferedTrace]) -> BufferedTrace | None:
    """Return the oldest pending trace, and remove those before it, which have been decided."""
    while waiting and waiting[0].decided:
        waiting.popleft()
    return waiting[0] if waiting else None
