"""Local traces, from their first span to their decision, within bounds.

A trace is decided when its last open span has ended: with synchronous code the moment its root ends. Only when the
root has ended and a child stays open does it wait, `decision_wait_ns` at most. A span that ends after that is late
and follows the remembered decision; a new local root of the same trace (the next request of a caller's trace) follows
a decision to keep, and gets its own chance otherwise, so that its errors are not lost.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.model.decision import NOT_SAMPLED, Decision
from otel_fe.pipeline.trace import LocalTrace

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.pipeline.counters import Counters
    from otel_fe.pipeline.policy import KeepPolicy

_SWEEP_EVERY_BYTES: Final = 256 * 1024
"""How much one trace may grow between two looks at the bytes of all."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the assembler may hold; each bound has a setting of the same name."""

    max_open_traces: int
    """Past it, the oldest trace is decided as it stands."""
    max_spans_per_trace: int
    """Past it, the trace is decided as it stands."""
    max_pending_bytes: int
    """Past it, the oldest traces are decided as they stand."""
    max_remembered_decisions: int
    """Decided trace ids kept for late spans; the oldest are forgotten first."""
    decision_wait_ns: int
    """How long a trace without an open root waits for its other spans."""


class Assembler:
    """Collects spans by trace and hands each trace over, once, with its decision.

    Safe to call from any thread. Dictionaries are only touched by operations that the interpreter makes atomic;
    what belongs to one trace is guarded by that trace's lock; no lock is held while `deliver` runs.
    """

    def __init__(
        self,
        limits: Limits,
        policy: KeepPolicy,
        counters: Counters,
        clock: Clock,
        deliver: Callable[[LocalTrace, Decision], None],
    ) -> None:
        self._limits = limits
        self._policy = policy
        self._counters = counters
        self._clock = clock
        self._deliver = deliver
        self._open: dict[int, LocalTrace] = {}
        self._decided: dict[int, Decision] = {}
        self._decided_order: deque[int] = deque()

    def started(self, trace_id: int, span_id: int, *, local_root: bool, entry: str | None) -> None:
        """Note that a span has started; `entry` is the `ot` entry of its tracestate."""
        while True:
            trace = self._open.get(trace_id)
            if trace is None:
                if not local_root:
                    return  # its trace is decided already: it will be late
                trace = self._admit(trace_id, entry)
            with trace.lock:
                if trace.decided:
                    continue
                trace.open_ids.add(span_id)
                if local_root:
                    trace.open_roots += 1
                    trace.roots_ended_ns = 0
                return

    def ended(
        self,
        span: object,
        trace_id: int,
        span_id: int,
        *,
        start_ns: int,
        end_ns: int,
        error: bool,
        size: int,
        local_root: bool,
    ) -> None:
        """Take an ended span; decides its trace when nothing of it stays open."""
        trace = self._open.get(trace_id)
        if trace is None:
            self._late(span, trace_id)
            return
        with trace.lock:
            late = trace.decided or span_id not in trace.open_ids
            if not late:
                trace.open_ids.discard(span_id)
                spans = trace.spans
                if not spans:
                    trace.start_ns, trace.end_ns = start_ns, end_ns
                else:
                    trace.start_ns = min(trace.start_ns, start_ns)
                    trace.end_ns = max(trace.end_ns, end_ns)
                spans.append(span)
                if error:
                    trace.error = True
                before = trace.bytes
                trace.bytes = before + size
                evicted = ""
                if local_root:
                    trace.open_roots -= 1
                    if not trace.open_roots:
                        trace.roots_ended_ns = self._clock.monotonic_ns() if trace.open_ids else 1
                if not trace.open_ids:
                    trace.decided = True
                elif len(spans) >= self._limits.max_spans_per_trace:
                    trace.decided = True
                    evicted = "span_limit"
                decided = trace.decided
                grown = before // _SWEEP_EVERY_BYTES != trace.bytes // _SWEEP_EVERY_BYTES
        if late:
            self._late(span, trace_id)
        elif decided:
            self._decide(trace, evicted)
        elif grown:
            self._enforce_bytes()

    def open_trace(self, trace_id: int) -> LocalTrace | None:
        """Return a trace that is not decided yet."""
        return self._open.get(trace_id)

    def sweep(self) -> None:
        """Decide the traces that have waited long enough for children; called about once a second."""
        now = self._clock.monotonic_ns()
        wait = self._limits.decision_wait_ns
        for trace in list(self._open.values()):
            ended = trace.roots_ended_ns
            if ended and now - ended >= wait:
                self._evict(trace, "decision_wait")
        self._enforce_bytes()

    def decide_all(self) -> None:
        """Decide every trace that holds an ended span, as it stands; for a shutdown."""
        for trace in list(self._open.values()):
            if trace.spans:
                self._evict(trace, "shutdown")

    def forget(self) -> None:
        """Drop everything, uncounted: in a forked child, the parent still holds and decides all of it."""
        self._open.clear()
        self._decided.clear()
        self._decided_order.clear()

    def pending(self) -> tuple[int, int]:
        """Return how many traces are open, and how many ended spans they hold."""
        open_traces = list(self._open.values())
        return len(open_traces), sum(len(trace.spans) for trace in open_traces)

    def _admit(self, trace_id: int, entry: str | None) -> LocalTrace:
        if len(self._open) >= self._limits.max_open_traces:
            oldest = self._oldest()
            if oldest is not None:
                self._evict(oldest, "open_traces")
        return self._open.setdefault(trace_id, LocalTrace(trace_id, entry))

    def _oldest(self) -> LocalTrace | None:
        try:
            return next(iter(self._open.values()), None)
        except RuntimeError:  # another thread added or removed a trace in between; the next span tries again
            return None

    def _enforce_bytes(self) -> None:
        excess = sum(trace.bytes for trace in list(self._open.values())) - self._limits.max_pending_bytes
        while excess > 0:
            oldest = self._oldest()
            if oldest is None:
                return
            excess -= oldest.bytes
            self._evict(oldest, "byte_limit")

    def _evict(self, trace: LocalTrace, why: str) -> None:
        with trace.lock:
            if trace.decided:
                return
            trace.decided = True
        self._decide(trace, why)

    def _decide(self, trace: LocalTrace, evicted: str) -> None:
        """Decide a trace whose `decided` this thread has just set."""
        trace_id = trace.trace_id
        try:
            decision = self._decided.get(trace_id, NOT_SAMPLED)
            if not decision.sampled and trace.spans:
                decision = self._policy.decide(trace)
            self._remember(trace_id, decision)
        finally:
            # Only now may a span find no open trace: the decision that it follows is already remembered. Whatever
            # failed before, a decided trace must leave, or `started` would wait for that for ever.
            self._open.pop(trace_id, None)
        self._account(trace, decision, evicted)
        if decision.sampled:
            self._deliver(trace, decision)

    def _remember(self, trace_id: int, decision: Decision) -> None:
        decided = self._decided
        if trace_id not in decided:
            # The order is kept beside the dictionary: finding its first key costs more with every one deleted there.
            order = self._decided_order
            order.append(trace_id)
            if len(order) > self._limits.max_remembered_decisions:
                decided.pop(order.popleft(), None)
        decided[trace_id] = decision

    def _account(self, trace: LocalTrace, decision: Decision, evicted: str) -> None:
        counters = self._counters
        spans = len(trace.spans)
        with counters.lock:
            counters.received += spans
            counters.traces[decision.reason] += 1
            if not decision.sampled:
                counters.not_sampled += spans
            if evicted:
                counters.evicted[evicted] += 1

    def _late(self, span: object, trace_id: int) -> None:
        decision = self._decided.get(trace_id, NOT_SAMPLED)
        counters = self._counters
        with counters.lock:
            counters.received += 1
            counters.late += 1
            if not decision.sampled:
                counters.not_sampled += 1
        if decision.sampled:
            late = LocalTrace(trace_id, None)
            late.spans.append(span)
            self._deliver(late, decision)
