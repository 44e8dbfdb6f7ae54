"""`latency`: by the duration of the whole trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.pipeline.policies.range_predicate import MOST, RangePredicate
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from otel_fe.config.policies import Latency
    from otel_fe.pipeline.buffered_trace import BufferedTrace


class LatencyEvaluator(Evaluator):
    """Samples a trace that lasted longer than a threshold, and no longer than an upper one.

    The Collector with an upper threshold looks at the duration after each span, so that its answer depends on their order;
    here it is always that of the whole trace.
    """

    __slots__ = ("_from_ns", "_policy", "_until_ns")

    def __init__(self, policy: Latency) -> None:
        super().__init__(policy.name)
        self._policy = policy
        # In whole milliseconds: longer than 99 ms is 100 ms or more, up to 200 ms is less than 201 ms.
        self._from_ns = (policy.threshold_ms + 1) * NS_PER_MS
        upper = policy.upper_threshold_ms
        self._until_ns: float = (upper + 1) * NS_PER_MS if upper else float("inf")

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
        return vote[0] == SAMPLED and not self._policy.upper_threshold_ms and trace.start_ns > 0

    @property
    def rule(self) -> RangePredicate:
        """Its bounds."""
        most = int(self._until_ns) - 1 if self._policy.upper_threshold_ms else MOST
        return RangePredicate("duration", self._from_ns, most)

    def describe(self, seen: Any) -> str:
        """Return the duration beside its bounds."""
        ms = seen / NS_PER_MS
        lower, upper = self._from_ns // NS_PER_MS, self._policy.upper_threshold_ms
        if seen < self._from_ns:
            return f"{ms:.6g} ms < {lower} ms"
        if seen >= self._until_ns:
            return f"{ms:.6g} ms > {upper} ms"
        return f"{ms:.6g} ms ≥ {lower} ms"
