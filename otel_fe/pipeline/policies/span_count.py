"""`span_count`: by the number of spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.pipeline.policies.range_predicate import MOST, RangePredicate

if TYPE_CHECKING:
    from otel_fe.config.policies import SpanCount
    from otel_fe.pipeline.buffered_trace import BufferedTrace


class SpanCountEvaluator(Evaluator):
    """Samples a trace with at least, and at most, so many spans."""

    __slots__ = ("_policy",)

    def __init__(self, policy: SpanCount) -> None:
        super().__init__(policy.name)
        self._policy = policy

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by how many spans it has."""
        count = trace.count
        most = self._policy.max_spans
        if count >= self._policy.min_spans and (not most or count <= most):
            return SAMPLED, ALWAYS, count
        return NOT_SAMPLED, NEVER, count

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:  # noqa: ARG002
        """Return whether there are enough spans and no upper bound."""
        return vote[0] == SAMPLED and not self._policy.max_spans

    @property
    def rule(self) -> RangePredicate:
        """Its bounds."""
        return RangePredicate("count", self._policy.min_spans, self._policy.max_spans or MOST)

    def describe(self, seen: Any) -> str:
        """Return the number beside its bounds."""
        most = self._policy.max_spans
        return f"{seen} spans, wanted {self._policy.min_spans} to {most or 'any number'}"
