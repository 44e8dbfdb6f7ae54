"""Which traces of this process are kept: by default errors, slow ones, those that break an SLO, and a consistent share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from otel_fe.model import decision as reasons
from otel_fe.model import probability
from otel_fe.model.decision import NOT_SAMPLED, Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.pipeline.trace import LocalTrace

_ERROR = Decision(sampled=True, reason=reasons.ERROR, threshold=probability.ALWAYS)
_SLOW = Decision(sampled=True, reason=reasons.SLOW, threshold=probability.ALWAYS)
_SLO = Decision(sampled=True, reason=reasons.SLO, threshold=probability.ALWAYS)


class Policy(Protocol):
    """What decides local traces."""

    @property
    def slow_ns(self) -> int:
        """From what duration on a trace is slow, inclusive."""
        ...

    @property
    def keeps_remarkable(self) -> bool:
        """Whether every trace is kept that is slow, has an error or breaks an SLO: then it is decided at once."""
        ...

    def decide(self, traces: Sequence[LocalTrace]) -> list[Decision]:
        """Return the decisions for traces as they stand. Called from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class KeepPolicy:
    """The policy of a process that was given none; the first rule that matches names the reason."""

    slow_ns: int
    """Inclusive: a trace of exactly this duration is kept."""
    threshold: int
    """Healthy traces whose randomness reaches it are kept."""
    baseline: Decision
    """What those get."""
    keeps_remarkable: bool = True

    @classmethod
    def of(cls, slow_ns: int, baseline_ratio: float) -> KeepPolicy:
        """Return the policy that keeps `baseline_ratio` (0..1) of the healthy traces."""
        threshold = probability.threshold_of(baseline_ratio)
        return cls(slow_ns, threshold, Decision(sampled=True, reason=reasons.BASELINE, threshold=threshold))

    def decide(self, traces: Sequence[LocalTrace]) -> list[Decision]:
        """Return the decisions for traces as they stand."""
        return [self._decide(trace) for trace in traces]

    def _decide(self, trace: LocalTrace) -> Decision:
        if trace.error:
            return _ERROR
        if trace.end_ns - trace.start_ns >= self.slow_ns:
            return _SLOW
        if trace.slo_breached:
            return _SLO
        if probability.randomness(trace.trace_id, trace.entry) >= self.threshold:
            return self.baseline
        return NOT_SAMPLED
