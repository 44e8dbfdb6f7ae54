"""Decides the traces of this process by the policies of a `tail_sampling`: its configuration's, or the process's own.

In a process, most traces are healthy, and most policies depend on little of a complete trace: whether a span failed,
how long it took, whether it breaks an SLO, its randomness. Where a `tail_sampling` needs no more than that, `Sampler`
decides every combination of these once, and the decision is looked up from then on: without objects, votes or a lock.
"""

from __future__ import annotations

import sys
from _thread import RLock
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.model import probability
from otel_fe.model.span import ERROR
from otel_fe.pipeline.buffered_trace import BufferedTrace
from otel_fe.pipeline.policies.latency import LatencyEvaluator
from otel_fe.pipeline.policies.probabilistic import ConsistentShareEvaluator
from otel_fe.pipeline.policies.slo_breach import SloBreachEvaluator
from otel_fe.pipeline.policies.status_code import StatusCodeEvaluator
from otel_fe.pipeline.records import DecisionRecords
from otel_fe.pipeline.sampler import Sampler
from otel_fe.pipeline.slow_causes import SlowCauses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.clock import Clock
    from otel_fe.config.policies import TailSampling
    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.policies.evaluator import Evaluator
    from otel_fe.pipeline.records import DecisionRecord, Entry
    from otel_fe.pipeline.trace import LocalTrace

    Answers = tuple[bool, bool, bool, bool]
    """Whether a trace has an error, is slow, breaks an SLO, is of the share."""
    Summary = tuple[int, int, Decision, int, int, int, Answers]
    """A decision as it is recorded: the trace's id, the time, the decision, how many spans, their duration in ns, the trace's
    randomness, the answers."""

_EXPLAINED: Final = 1_000
WHOLE: Final = "whole"
"""The trigger of decisions in a process, which knows its open spans."""
_LAST_BITS: Final = probability.NEVER - 1
_ERROR_BIT: Final = 1 << ERROR


class SumBounds(NamedTuple):
    """The thresholds of policies that need only sums of a trace."""

    slow_ns: int
    """The duration, inclusive; unreachable if no policy uses it."""
    threshold: int
    """The randomness, inclusive; `NEVER` if no policy uses it."""
    keeps_errors: bool
    keeps_breaches: bool


def bounds_of(policies: Sequence[Evaluator]) -> SumBounds | None:
    """Return the bounds of policies; None if any of them needs more, or two have different bounds of the same sum."""
    slow: list[int] = []
    thresholds: list[int] = []
    errors = breaches = False
    for policy in policies:
        if isinstance(policy, LatencyEvaluator) and not policy.bounded:
            slow.append(policy.rule.least)
        elif isinstance(policy, ConsistentShareEvaluator):
            thresholds.append(policy.threshold)
        elif isinstance(policy, StatusCodeEvaluator) and policy.rule.least == _ERROR_BIT:
            errors = True
        elif isinstance(policy, SloBreachEvaluator):
            breaches = True
        else:
            return None
    if len(slow) > 1 or len(thresholds) > 1:
        return None
    slow_ns = slow[0] if slow else sys.maxsize
    return SumBounds(slow_ns, thresholds[0] if thresholds else probability.NEVER, errors, breaches)


class LocalSampler:
    """Decides local traces with `Sampler`, in rounds. Safe to call from any thread.

    Args:
        settings: The policies. The waits and bounds in it are the Collector's, which cannot see when a trace is complete; here
            those of the process hold.
        clock: Both clocks.
        view: Converts a span of the process to the form that policies read.
    """

    def __init__(self, settings: TailSampling, clock: Clock, view: Callable[[Any], SpanView]) -> None:
        self._clock = clock
        self._view = view
        self._lock = RLock()
        self._sampler = Sampler(settings.policies, first_match=settings.sample_on_first_match)
        self._records = DecisionRecords(self._sampler.policies, _EXPLAINED)
        self._slow = SlowCauses()
        self._bounds = bounds = bounds_of(self._sampler.policies)
        self._decided: dict[Answers, Decision] = {}
        """Keyed by the answers: the decision, where there are `bounds`."""
        if bounds is not None:
            self._record = self._records.summarized(self._entry_of)
        self.slow_ns = sys.maxsize if bounds is None else bounds.slow_ns
        """From what duration on a trace is slow, inclusive."""
        self.decides_immediately = bounds is not None and bounds.keeps_errors and bounds.keeps_breaches
        """Whether every trace is kept that is slow, has an error or breaks an SLO: then it is decided at once. Otherwise no trace
        is decided alone, since a limiter may have to compare it with others."""

    def decide(self, traces: Sequence[LocalTrace]) -> list[Decision]:
        """Return the decisions for traces with the spans they have."""
        bounds = self._bounds
        if bounds is None:
            return self._decide_round(traces)
        # Flat: this is done for every trace there is.
        time_ns = self._clock.time_ns()
        slow_ns, threshold, _, _ = bounds
        decisions = []
        for trace in traces:
            trace_id, entry = trace.trace_id, trace.entry
            randomness = probability.randomness(trace_id, entry) if entry else trace_id & _LAST_BITS
            duration_ns = trace.end_ns - trace.start_ns
            answers = trace.error, duration_ns >= slow_ns, trace.slo_breached, randomness >= threshold
            decision = self._decided.get(answers)
            if decision is None:
                stand_in = self._stand_in(trace_id, len(trace.spans), duration_ns, randomness, answers)
                decision = self._decided[answers] = self._sampler.decide(stand_in)[0]
            self._record((trace_id, time_ns, decision, len(trace.spans), duration_ns, randomness, answers))
            if decision.sampled and trace.candidates:
                self._slow.note(trace)
            decisions.append(decision)
        return decisions

    def explain(self, trace_id: int) -> DecisionRecord | None:
        """Return why a trace was kept or not; None where it is not, or no longer, known."""
        with self._lock:
            record = self._records.of(trace_id)
            return None if record is None else replace(record, slow=self._slow.of(trace_id))

    def _decide_round(self, traces: Sequence[LocalTrace]) -> list[Decision]:
        now_ns, time_ns = self._clock.monotonic_ns(), self._clock.time_ns()
        with self._lock:
            buffered = [self._buffered(trace, now_ns) for trace in traces]
            verdicts = self._sampler.decide_round(buffered, now_ns)
            for local, trace, (decision, votes) in zip(traces, buffered, verdicts, strict=True):
                self._records.add(trace, time_ns, WHOLE, decision, votes)
                if decision.sampled and local.candidates:
                    self._slow.note(local)
        return [decision for decision, _ in verdicts]

    def _buffered(self, trace: LocalTrace, now_ns: int) -> BufferedTrace:
        buffered = BufferedTrace(trace.trace_id, now_ns)
        buffered.add([self._view(span) for span in trace.spans], trace.bytes, now_ns)
        return buffered

    def _stand_in(
        self, trace_id: int, spans: int, duration_ns: int, randomness: int, answers: Answers
    ) -> BufferedTrace:
        """Return the sums that policies read of a trace, without its spans."""
        error, _, breached, _ = answers
        trace = BufferedTrace(trace_id, 0)
        trace.end_ns, trace.count, trace.statuses = duration_ns, spans, _ERROR_BIT if error else 0
        trace.sampled_before(has_trace_state=False, tells=False, randomness=randomness)
        for policy in self._sampler.policies:
            if isinstance(policy, SloBreachEvaluator):
                policy.summed_up(trace, breached=breached)
        return trace

    def _entry_of(self, summary: Summary) -> Entry:
        trace_id, time_ns, decision, spans, duration_ns, randomness, answers = summary
        _, votes = self._sampler.decide(self._stand_in(trace_id, spans, duration_ns, randomness, answers))
        return trace_id, time_ns, WHOLE, decision, spans, duration_ns, votes
