"""Which traces of this process are kept: by default errors, slow ones, those that break an SLO, and a consistent share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from otel_fe.model import decision as reasons
from otel_fe.model import probability
from otel_fe.model.decision import NOT_SAMPLED, Decision
from otel_fe.pipeline.local_records import LocalRecords
from otel_fe.pipeline.slow_causes import SlowCauses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.clock import Clock
    from otel_fe.pipeline.records import DecisionRecord
    from otel_fe.pipeline.trace import LocalTrace

_ERROR = Decision(sampled=True, reason=reasons.ERROR, threshold=probability.ALWAYS)
_SLOW = Decision(sampled=True, reason=reasons.SLOW, threshold=probability.ALWAYS)
_SLO = Decision(sampled=True, reason=reasons.SLO, threshold=probability.ALWAYS)


class Policy(Protocol):
    """The interface of a policy for local traces."""

    @property
    def slow_ns(self) -> int:
        """From what duration on a trace is slow, inclusive."""
        ...

    @property
    def decides_immediately(self) -> bool:
        """Return whether every trace is kept that is slow, has an error or breaks an SLO: then it is decided at once."""
        ...

    def decide(self, traces: Sequence[LocalTrace]) -> list[Decision]:
        """Return the decisions for traces with the spans they have. Called from any thread."""
        ...

    def explain(self, trace_id: int) -> DecisionRecord | None:
        """Return why a trace was kept or not; None where it is not, or no longer, known."""
        ...


class KeepPolicy:
    """The policy of a process that was given none; the first rule that matches names the reason.

    Args:
        slow_ns: A trace of this duration or longer is kept.
        baseline_ratio: Share of the healthy traces that are kept, 0..1.
        clock: When decisions were made.
    """

    decides_immediately = True

    def __init__(self, slow_ns: int, baseline_ratio: float, clock: Clock) -> None:
        self.slow_ns = slow_ns
        self.threshold = probability.threshold_of(baseline_ratio)
        """Healthy traces whose randomness reaches it are kept."""
        self._baseline = Decision(sampled=True, reason=reasons.BASELINE, threshold=self.threshold)
        self._clock = clock
        self._records = LocalRecords(slow_ns, self.threshold)
        self._slow = SlowCauses()

    def decide(self, traces: Sequence[LocalTrace]) -> list[Decision]:
        """Return the decisions for traces with the spans they have."""
        time_ns = self._clock.time_ns()
        decisions = []
        for trace in traces:
            decision = self._decide(trace)
            self._records.add(trace, time_ns, decision)
            if decision.sampled and trace.candidates:
                self._slow.note(trace)
            decisions.append(decision)
        return decisions

    def explain(self, trace_id: int) -> DecisionRecord | None:
        """Return why a trace was kept or not; None where it is not, or no longer, known."""
        record = self._records.of(trace_id)
        return None if record is None else replace(record, slow=self._slow.of(trace_id))

    def _decide(self, trace: LocalTrace) -> Decision:
        if trace.error:
            return _ERROR
        if trace.end_ns - trace.start_ns >= self.slow_ns:
            return _SLOW
        if trace.slo_breached:
            return _SLO
        if probability.randomness(trace.trace_id, trace.entry) >= self.threshold:
            return self._baseline
        return NOT_SAMPLED
