"""Local traces, from their first span to their decision, within bounds.

A local trace begins with a span whose parent is not in this process, and is complete when its last open span has ended:
with synchronous code, the moment its root ends. It is decided then: at once if it is worth keeping, otherwise together
with the next few, and within a second. Only when the root has ended and a child stays open does it wait,
`decision_wait_ns` at most. Later spans of the trace (of the next request of a caller's trace, of a background task that
starts when its request has ended, a span that was open for longer than the wait) follow a decision to keep. The late
part of a trace that was not sampled is decided separately: the error of a background task is exported, its request is
not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.model.decision import NOT_SAMPLED, Decision
from otel_fe.pipeline.trace import FULL, GROWN, LATE, OPEN, REMARKABLE, DecisionBounds, LocalTrace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.clock import Clock
    from otel_fe.pipeline.counters import Counters
    from otel_fe.pipeline.local_sampler import LocalSampler

BATCH: Final = 32
"""The number of healthy traces, or extractions, that are processed together."""


@dataclass(frozen=True, slots=True)
class AssemblerLimits:
    """The bounds of the assembler; each has a setting of the same name."""

    max_open_traces: int
    """Beyond it, the oldest trace is decided with the spans it has."""
    max_spans_per_trace: int
    """Beyond it, the trace is decided with the spans it has."""
    max_pending_bytes: int
    """Beyond it, the oldest traces are decided with the spans they have."""
    max_remembered_decisions: int
    """Kept trace ids that later roots of the same trace can follow; the oldest are forgotten first."""
    decision_wait_ns: int
    """Time that a trace without an open root waits for its other spans."""


class Assembler:
    """Collects spans by trace and hands each trace that is kept over, once, with its decision.

    Safe to call from any thread. Dictionaries are only touched by operations that the interpreter makes atomic;
    what belongs to one trace it guards itself; no lock is held while `deliver` runs.
    """

    def __init__(
        self,
        limits: AssemblerLimits,
        sampler: LocalSampler,
        counters: Counters,
        clock: Clock,
        deliver: Callable[[LocalTrace, Decision], None],
        count: Callable[[Sequence[object]], None] | None = None,
    ) -> None:
        self._limits = limits
        self._sampler = sampler
        self._bounds = DecisionBounds(
            sampler.slow_ns, sampler.decides_immediately, limits.max_spans_per_trace, clock.monotonic_ns
        )
        self._counters = counters
        self._clock = clock
        self._deliver = deliver
        self._count = count
        """Takes every span once it has ended and its trace is decided, before it is kept or not."""
        self._open: dict[bytes, LocalTrace] = {}
        """Keyed by `trace_key`."""
        self._complete: deque[LocalTrace] = deque()
        """Complete and waiting for company; still open to spans that start after all."""
        self._kept: dict[bytes, Decision] = {}
        """Keyed by `trace_key`."""
        self._kept_order: deque[bytes] = deque()

    def started(self, trace_id: int, parent: LocalTrace | None, entry: str | None, *, root: bool) -> LocalTrace:
        """Note that a span has started; return the local trace that it belongs to, to be handed back at its end.

        That is another one than its parent's, with this span as its root, where the parent's was decided and not sampled.

        Args:
            trace_id: Its trace.
            parent: The local trace of its parent, where that is a span of this process.
            entry: The `ot` entry of its tracestate.
            root: Whether its parent is not in this process.
        """
        while True:
            trace = parent
            if trace is None:
                key = trace_id.to_bytes(16, "big")  # `trace_key`, less a call
                trace = self._open.get(key)
                if trace is None:
                    if len(self._open) >= self._limits.max_open_traces:
                        self._evict_oldest("open_traces")
                    trace = self._open.setdefault(key, LocalTrace(trace_id, entry, key, self._bounds))
            if trace.started(root):
                return trace
            if parent is None:
                continue  # decided in between: it is about to leave `_open`
            if trace.decision is None or trace.decision.sampled:
                return trace  # it will be late
            parent, root = None, True  # the first late span

    def ended(
        self,
        trace: LocalTrace,
        span: object,
        start_ns: int,
        end_ns: int,
        error: bool,  # noqa: FBT001 the hot path
        size: int,
        root: bool,  # noqa: FBT001
    ) -> None:
        """Take a span that has ended, once; decides its trace when nothing of it stays open."""
        made = trace.ended(span, start_ns, end_ns, error, size, root)
        if made == OPEN:
            return
        if made == LATE:
            if not trace.abandoned:
                self._late(trace, span, start_ns, end_ns, error=error, size=size)
        elif made == GROWN:
            self._enforce_bytes()
        elif made in (FULL, REMARKABLE):
            self._decide((trace,), "span_limit" if made == FULL else "")
        else:
            complete = self._complete
            complete.append(trace)
            if len(complete) >= BATCH:
                self.decide_complete()

    def withheld(self, trace: LocalTrace, *, root: bool) -> None:
        """Note that a span which has started will not be handed over; its trace waits for it no more."""
        if trace.withheld(root):
            self._complete.append(trace)  # decided by `decide_complete`

    def decide_complete(self) -> None:
        """Decide the traces that are complete, together."""
        complete = self._complete
        claimed: list[LocalTrace] = []
        while complete:
            try:
                trace = complete.popleft()
            except IndexError:  # another thread took the last
                break
            if trace.claim(True):  # noqa: FBT003
                claimed.append(trace)
        if claimed:
            self._decide(claimed, "")

    def decide_overdue(self) -> None:
        """Decide the traces that have waited long enough for children; called about once a second."""
        self.decide_complete()
        now = self._clock.monotonic_ns()
        wait = self._limits.decision_wait_ns
        for trace in list(self._open.values()):
            ended = trace.roots_ended_ns
            if ended and now - ended >= wait:
                self._evict(trace, "decision_wait")
        self._enforce_bytes()

    def decide_all(self) -> None:
        """Decide every trace that holds an ended span, with the spans it has; for a shutdown."""
        self.decide_complete()
        for trace in list(self._open.values()):
            if trace.spans:
                self._evict(trace, "shutdown")

    def abandon(self) -> None:
        """Leave every open trace to the process that this one was forked from; this assembler is used no more."""
        for trace in [*self._open.values(), *self._complete]:
            trace.abandon()

    def pending(self) -> tuple[int, int]:
        """Return how many traces are open, and how many ended spans they hold."""
        open_traces = list(self._open.values())
        return len(open_traces), sum(len(trace.spans) for trace in open_traces)

    def _evict_oldest(self, trigger: str) -> int:
        """Decide the oldest open trace; return its bytes, 0 if there was none."""
        try:
            oldest = next(iter(self._open.values()), None)
        except RuntimeError:  # another thread added or removed a trace in between; the next span tries again
            oldest = None
        if oldest is None:
            return 0
        size = oldest.bytes
        self._evict(oldest, trigger)
        return size

    def _enforce_bytes(self) -> None:
        excess = sum(trace.bytes for trace in list(self._open.values())) - self._limits.max_pending_bytes
        while excess > 0 and self._open:
            excess -= max(1, self._evict_oldest("byte_limit"))

    def _evict(self, trace: LocalTrace, trigger: str) -> None:
        if trace.claim(False):  # noqa: FBT003
            self._decide((trace,), trigger)

    def _decide(self, traces: Sequence[LocalTrace], trigger: str) -> None:
        """Decide traces whose `decided` this thread has just set; `trigger` is empty where they are complete."""
        try:
            decisions = self._sampler.decide(traces)
        except BaseException:
            # Whatever failed, a decided trace must leave, or `started` would wait for that for ever.
            for trace in traces:
                self._conclude(trace, trigger, NOT_SAMPLED)
            raise
        for trace, decision in zip(traces, decisions, strict=True):
            self._conclude(trace, trigger, decision)

    def _conclude(self, trace: LocalTrace, trigger: str, decision: Decision) -> None:
        """Carry a decision out. Roots of a trace that was kept before follow it."""
        key = trace.key
        decision = (self._kept.get(key) or decision) if trace.spans else NOT_SAMPLED
        if decision.sampled:
            self._remember(key, decision)
        trace.decision = decision
        if self._open.get(key) is trace:  # late spans may have another under the same key
            del self._open[key]
        if self._count is not None:
            self._count(trace.spans)
        counters = self._counters
        spans = len(trace.spans)
        with counters.lock:
            counters.received += spans
            if decision.sampled:
                counters.traces[decision.reason] += 1
            else:
                counters.not_sampled += spans
                counters.traces_not_sampled += 1
            if trigger:
                counters.evicted[trigger] += 1
        if decision.sampled:
            self._deliver(trace, decision)
        # Spans know their trace: without this, every trace would be garbage that only a collection finds.
        trace.spans = []
        trace.candidates = []

    def _remember(self, key: bytes, decision: Decision) -> None:
        if key not in self._kept:
            # The order is kept beside the dictionary: finding its first key costs more with every one deleted there.
            self._kept_order.append(key)
            if len(self._kept_order) > self._limits.max_remembered_decisions:
                self._kept.pop(self._kept_order.popleft(), None)
        self._kept[key] = decision

    def _late(self, trace: LocalTrace, span: object, start_ns: int, end_ns: int, *, error: bool, size: int) -> None:
        """Let a span that ended after the decision follow it, or decide it separately where that was not to sample."""
        alone = LocalTrace(trace.trace_id, trace.entry, trace.key)
        alone.decided = True
        alone.spans.append(span)
        alone.start_ns, alone.end_ns, alone.error, alone.bytes = start_ns, end_ns, error, size
        counters = self._counters
        with counters.lock:
            counters.late += 1
        # Without a decision, the thread that has just set `decided` is still at it: not sampled then, as most are.
        decision = trace.decision or NOT_SAMPLED
        if not decision.sampled:
            # Extractions that end late have noted both on the trace that they began in.
            alone.slo_breached, trace.slo_breached = trace.slo_breached, False
            trace.candidates = []
            self._decide((alone,), "")
            return
        if self._count is not None:
            self._count((span,))
        with counters.lock:
            counters.received += 1
        self._deliver(alone, decision)
