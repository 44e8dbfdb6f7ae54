"""Received spans, by trace, until each trace is decided.

A trace is decided as soon as it is whole: its root is there, every parent is, and no call of another service waits for that
service's spans (`ReceivedTrace.whole`). Otherwise `decision_wait_after_root_received` after its root or `decision_wait` after
its first span, whichever is set and comes first, as in the Collector, which always waits that long. Limiters compare the traces
of a round with each other: where there is one, traces that are due wait for the next `tick`.

Spans that come after the decision follow it. What they would have changed is lost, and counted as late.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from otel_fe.clock import FAR_NS
from otel_fe.model.decision import Decision
from otel_fe.model.id_keys import trace_key
from otel_fe.model.probability import NEVER
from otel_fe.pipeline.counters import Counters
from otel_fe.pipeline.received import ReceivedTrace
from otel_fe.pipeline.records import DecisionRecords
from otel_fe.pipeline.remembered import Remembered, key_of
from otel_fe.pipeline.ruled import ruled
from otel_fe.pipeline.sampler import Sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from otel_fe.clock import Clock
    from otel_fe.config.policies import TailSampling
    from otel_fe.model.span import SpanView
    from otel_fe.model.vote import Vote
    from otel_fe.pipeline.ruled import Arrived, RuledTraces

    Deliver = Callable[[int, Sequence[SpanView], Decision], str]
    """Takes a trace's id, spans of it and their decision; returns the reason why it could not send them, or ""."""

WHOLE: Final = "whole"
DECISION_WAIT: Final = "decision_wait"
ROOT_WAIT: Final = "root_wait"
NUM_TRACES: Final = "num_traces"
TRACE_SIZE: Final = "trace_size"
SHUTDOWN: Final = "shutdown"

_TOO_LARGE: Final = Decision(sampled=False, reason=TRACE_SIZE, threshold=NEVER)
_ABANDONED: Final = Decision(sampled=False, reason=SHUTDOWN, threshold=NEVER)
_EARLY: Final = (NUM_TRACES, TRACE_SIZE, SHUTDOWN)
_REMEMBERED: Final = 100_000
_EXPLAINED: Final = 10_000


class Records(Protocol):
    """Where decisions are recorded."""

    def add(
        self, trace: ReceivedTrace, time_ns: int, trigger: str, decision: Decision, votes: tuple[Vote, ...]
    ) -> None:
        """Record a decision; `trace` still holds its spans."""
        ...


class TailSampler:
    """Assembles, decides, delivers. Not thread-safe: its owner calls it from one thread, or holds a lock.

    Args:
        settings: Of the `tail_sampling` processor.
        clock: Both clocks.
        deliver: Takes what is kept.
        at_once: Decide whole traces at once; False waits as long as the Collector does.
        records: What decisions are recorded in; by default the last 10 000 stay explained.
        counters: Where spans are counted; its own by default.
    """

    def __init__(
        self,
        settings: TailSampling,
        clock: Clock,
        deliver: Deliver,
        *,
        at_once: bool = True,
        records: Records | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._deliver = deliver
        self._at_once = at_once
        self.sampler = Sampler(settings.policies, first_match=settings.sample_on_first_match)
        self.records = DecisionRecords(self.sampler.policies, _EXPLAINED)
        self._record = (self.records if records is None else records).add
        self.counters = Counters() if counters is None else counters
        self._open: dict[bytes, ReceivedTrace] = {}
        """By `trace_key`."""
        self._by_arrival: deque[ReceivedTrace] = deque()
        self._by_root: deque[ReceivedTrace] = deque()
        self._round: dict[ReceivedTrace, str] = {}
        """Traces that are due and wait for the next tick, and why."""
        self._remembered = Remembered(max(settings.sampled_cache_size, settings.non_sampled_cache_size, _REMEMBERED))
        self._ruled = ruled(self.sampler, self.records, WHOLE) if at_once and records is None else None

    # --- spans in ----------------------------------------------------------------------------------------------------

    def receive_all(self, traces: Iterable[Arrived], now_ns: int) -> None:
        """Take the spans of a request.

        Args:
            traces: Each of its traces, once.
            now_ns: Monotonic time.
        """
        if self._ruled is not None and len(self._open) < self._settings.num_traces:
            traces = self._decide_by_rules(self._ruled, traces)
        for trace in traces:
            self.receive(trace.trace_id, trace.spans, trace.size_bytes, now_ns)

    def _decide_by_rules(self, rules: RuledTraces, traces: Iterable[Arrived]) -> Iterable[Arrived]:
        """Decide what can be decided so, and return the rest."""
        limit, time_ns = self._settings.maximum_trace_size_bytes, self._clock.time_ns()
        left, sampled, others, spans = rules.take(traces, self._open, self._remembered, limit, time_ns)
        counters = self.counters
        with counters.lock:
            counters.received += spans + sum(len(trace.spans) for trace, _, _ in sampled)
            counters.not_sampled += spans
            counters.traces_not_sampled += others
            for _, decision, _ in sampled:
                counters.traces[decision.reason] += 1
        for trace, decision, record in sampled:
            rules.record(record)
            counters.kept(len(trace.spans), self._deliver(trace.trace_id, trace.spans, decision))
        return left

    def receive(self, trace_id: int, spans: Sequence[SpanView], size_bytes: int, now_ns: int) -> None:
        """Take spans that have arrived together.

        Args:
            trace_id: Their trace.
            spans: At least one.
            size_bytes: Protobuf bytes of them with their resource and scopes; 0 where nobody asks for sizes.
            now_ns: Monotonic time; handed in, since one reading does for all traces of a request.
        """
        place = trace_key(trace_id)
        trace = self._open.get(place)
        begins = trace is None
        if trace is None:
            key = key_of(trace_id)
            decision = self._remembered[key]
            if decision is not None:
                self._late(trace_id, spans, decision)
                return
            if len(self._open) >= self._settings.num_traces:
                self._decide([next(iter(self._open.values()))], NUM_TRACES)
            trace = ReceivedTrace(trace_id, now_ns, key)
        rooted = trace.rooted_ns
        trace.add(spans, size_bytes, now_ns)
        limit = self._settings.maximum_trace_size_bytes
        if limit and trace.size_bytes > limit:
            self._conclude(trace, TRACE_SIZE, _TOO_LARGE, ())
        elif trace.rooted_ns and self._at_once and trace.whole:
            if self.sampler.batched:
                self._round.setdefault(trace, WHOLE)
            else:
                self._conclude(trace, WHOLE, *self.sampler.decide(trace))
        if trace.decided:
            return  # most are, with the first of their spans, and never wait
        if begins:
            trace.place = place
            self._open[place] = trace
            self._by_arrival.append(trace)
        if trace.rooted_ns and not rooted and self._settings.decision_wait_after_root_received_ns:
            self._by_root.append(trace)

    def _late(self, trace_id: int, spans: Sequence[SpanView], decision: Decision) -> None:
        count = len(spans)
        counters = self.counters
        with counters.lock:
            counters.received += count
            counters.late += count
            if decision is _TOO_LARGE:
                counters.dropped[TRACE_SIZE] += count
            elif not decision.sampled:
                counters.not_sampled += count
        if decision.sampled:
            counters.kept(count, self._deliver(trace_id, spans, decision))

    # --- decisions out ------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> tuple[int, int]:
        """Return how many traces are not decided, and how many spans they hold."""
        return len(self._open), sum(len(trace.spans) for trace in self._open.values())

    @property
    def due_ns(self) -> int:
        """When `tick` has something to do, at the earliest; far away where nothing waits. Monotonic time."""
        if self._round:
            return 0
        settings, due_ns = self._settings, FAR_NS
        if first := _first_waiting(self._by_arrival):
            due_ns = first.arrived_ns + settings.decision_wait_ns
        if first := _first_waiting(self._by_root):
            due_ns = min(due_ns, first.rooted_ns + settings.decision_wait_after_root_received_ns)
        return due_ns

    def tick(self) -> None:
        """Decide what is due; called about once a second, or when it is due."""
        now_ns = self._clock.monotonic_ns()
        self._collect_due(self._by_arrival, now_ns - self._settings.decision_wait_ns, DECISION_WAIT)
        self._collect_due(self._by_root, now_ns - self._settings.decision_wait_after_root_received_ns, ROOT_WAIT)
        due, self._round = self._round, {}
        if due:
            self._decide(list(due), list(due.values()))

    def close(self) -> None:
        """Decide all pending traces as they stand, or drop them if that was asked for."""
        pending = list(self._open.values())
        if self._settings.drop_pending_traces_on_shutdown:
            for trace in pending:
                self._conclude(trace, SHUTDOWN, _ABANDONED, ())
        else:
            self._decide(pending, SHUTDOWN)

    def _collect_due(self, waiting: deque[ReceivedTrace], until_ns: int, trigger: str) -> None:
        while waiting:
            trace = waiting[0]
            if not trace.decided:
                since = trace.arrived_ns if trigger is DECISION_WAIT else trace.rooted_ns
                if since > until_ns:
                    return
                self._round.setdefault(trace, trigger)
            waiting.popleft()

    def _decide(self, traces: Sequence[ReceivedTrace], triggers: str | Sequence[str]) -> None:
        each = [triggers] * len(traces) if isinstance(triggers, str) else triggers
        verdicts = self.sampler.decide_round(traces, self._clock.monotonic_ns())
        for trace, trigger, (decision, votes) in zip(traces, each, verdicts, strict=True):
            self._conclude(trace, trigger, decision, votes)

    def _conclude(self, trace: ReceivedTrace, trigger: str, decision: Decision, votes: tuple[Vote, ...]) -> None:
        """Carry a decision out: count, record, remember, deliver."""
        trace.decided = True
        trace_id, spans, counters = trace.trace_id, trace.spans, self.counters
        count = len(spans)
        if trace.place:
            del self._open[trace.place]
        if self._round:
            self._round.pop(trace, None)
        self._remembered[trace.key] = decision
        self._record(trace, self._clock.time_ns(), trigger, decision, votes)
        with counters.lock:
            counters.received += count
            if trigger in _EARLY:
                counters.evicted[trigger] += 1
            if decision.sampled:
                counters.traces[decision.reason] += 1
            elif decision is _TOO_LARGE or decision is _ABANDONED:
                counters.dropped[decision.reason] += count
            else:
                counters.not_sampled += count
                counters.traces_not_sampled += 1
        if decision.sampled:
            counters.kept(count, self._deliver(trace_id, spans, decision))
        trace.spans = []  # it may wait in a queue for its time to come


def _first_waiting(waiting: deque[ReceivedTrace]) -> ReceivedTrace | None:
    """Return the trace that waits longest, and let go of those before it, which have been decided."""
    while waiting and waiting[0].decided:
        waiting.popleft()
    return waiting[0] if waiting else None
