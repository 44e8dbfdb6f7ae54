"""`latency`, and the process's own `least_duration`: by the duration of the whole trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.pipeline.policies.range_predicate import MOST, RangePredicate
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from otel_fe.config.policies import Latency, LeastDuration
    from otel_fe.pipeline.buffered_trace import BufferedTrace


class LatencyEvaluator(Evaluator):
    """Samples a trace that lasted as long as a threshold or longer, and not as long as an upper one.

    Args:
        name: The policy's.
        from_ns: The threshold, inclusive.
        until_ns: The upper one, exclusive; None for no upper bound.

    The Collector with an upper threshold looks at the duration after each span, so that its answer depends on their order;
    here it is always that of the whole trace.
    """

    __slots__ = ("_from_ns", "_until_ns", "bounded")

    def __init__(self, name: str, from_ns: int, until_ns: int | None = None) -> None:
        super().__init__(name)
        self._from_ns = from_ns
        self.bounded = until_ns is not None
        """Whether there is an upper bound."""
        self._until_ns: float = float("inf") if until_ns is None else until_ns

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by its duration."""
        duration = trace.end_ns - trace.start_ns
        if self._from_ns <= duration < self._until_ns:
            return SAMPLED, ALWAYS, duration
        return NOT_SAMPLED, NEVER, duration

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:
        """Return whether the trace is long enough and there is no upper bound: it can only become longer.

        Without any start it lasts since 1970, until a span with one comes.
        """
        return vote[0] == SAMPLED and not self.bounded and trace.start_ns > 0

    @property
    def rule(self) -> RangePredicate:
        """Its bounds."""
        most = int(self._until_ns) - 1 if self.bounded else MOST
        return RangePredicate("duration", self._from_ns, most)

    def describe(self, seen: Any) -> str:
        """Return the duration beside its bounds."""
        ms, lower = seen / NS_PER_MS, f"{self._from_ns / NS_PER_MS:.12g} ms"
        if seen < self._from_ns:
            return f"{ms:.6g} ms < {lower}"
        if seen >= self._until_ns:
            return f"{ms:.6g} ms > {self._until_ns // NS_PER_MS - 1:.0f} ms"
        return f"{ms:.6g} ms ≥ {lower}"


def latency(policy: Latency) -> Evaluator:
    """Return the evaluator of a `latency` policy.

    It counts whole milliseconds: longer than 99 ms is 100 ms or more, up to 200 ms is less than 201 ms.
    """
    upper = policy.upper_threshold_ms
    return LatencyEvaluator(
        policy.name, (policy.threshold_ms + 1) * NS_PER_MS, (upper + 1) * NS_PER_MS if upper else None
    )


def least_duration(policy: LeastDuration) -> Evaluator:
    """Return the evaluator of a `least_duration` policy."""
    return LatencyEvaluator(policy.name, policy.threshold_ns)
