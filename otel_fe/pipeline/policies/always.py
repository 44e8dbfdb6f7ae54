"""`always_sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.model.vote import YES, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.pipeline.policies.range_predicate import RangePredicate

if TYPE_CHECKING:
    from otel_fe.pipeline.buffered_trace import BufferedTrace


class AlwaysSampleEvaluator(Evaluator):
    """Samples every trace."""

    __slots__ = ()

    def evaluate(self, trace: BufferedTrace) -> Vote:  # noqa: ARG002 whatever it is
        """Vote for it."""
        return YES

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:  # noqa: ARG002
        """Return True."""
        return True

    @property
    def rule(self) -> RangePredicate:
        """No bounds."""
        return RangePredicate("nothing", 0)

    def describe(self, seen: object) -> str:  # noqa: ARG002
        """Return that every trace is sampled."""
        return "every trace"
