"""`always_sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.model.vote import YES, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.pipeline.policies.rule import Rule

if TYPE_CHECKING:
    from otel_fe.pipeline.received import ReceivedTrace


class AlwaysSampleEvaluator(Evaluator):
    """Samples every trace."""

    __slots__ = ()

    def evaluate(self, trace: ReceivedTrace) -> Vote:  # noqa: ARG002 whatever it is
        """Vote for it."""
        return YES

    def is_final(self, trace: ReceivedTrace, vote: Vote) -> bool:  # noqa: ARG002
        """Return True."""
        return True

    @property
    def rule(self) -> Rule:
        """No bounds."""
        return Rule("nothing", 0)

    def describe(self, seen: object) -> str:  # noqa: ARG002
        """Say so."""
        return "every trace"
