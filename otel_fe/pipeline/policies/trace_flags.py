"""`trace_flags`: by the sampled flag of any span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.model.span import FLAG_SAMPLED
from otel_fe.model.vote import NO, SAMPLED, YES, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.pipeline.policies.range_predicate import RangePredicate

if TYPE_CHECKING:
    from otel_fe.config.policies import TraceFlags
    from otel_fe.pipeline.buffered_trace import BufferedTrace


class TraceFlagsEvaluator(Evaluator):
    """Samples a trace with a span that was marked as sampled where it was made."""

    __slots__ = ()

    def __init__(self, policy: TraceFlags) -> None:
        super().__init__(policy.name)

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by its flags."""
        kind, inclusion, _ = YES if trace.flags & FLAG_SAMPLED else NO
        return kind, inclusion, trace.flags

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:  # noqa: ARG002
        """Return whether it samples: what a span has stays."""
        return vote[0] == SAMPLED

    @property
    def rule(self) -> RangePredicate:
        """The flag's bit."""
        return RangePredicate("flags", FLAG_SAMPLED)

    def describe(self, seen: Any) -> str:
        """Return whether the flag was set."""
        return "a span has the sampled flag" if seen & FLAG_SAMPLED else "no span has the sampled flag"
