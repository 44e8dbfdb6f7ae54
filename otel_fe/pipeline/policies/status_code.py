"""`status_code`: by the status of any span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator
from otel_fe.pipeline.policies.range_predicate import RangePredicate

if TYPE_CHECKING:
    from otel_fe.config.policies import StatusCode
    from otel_fe.pipeline.buffered_trace import BufferedTrace

_NAMES: Final = ("UNSET", "OK", "ERROR")


class StatusCodeEvaluator(Evaluator):
    """Samples a trace with a span that has one of the wanted statuses."""

    __slots__ = ("_wanted",)

    def __init__(self, policy: StatusCode) -> None:
        super().__init__(policy.name)
        self._wanted = sum(1 << code for code in policy.status_codes)

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by the statuses of its spans."""
        statuses = trace.statuses
        return (SAMPLED, ALWAYS, statuses) if statuses & self._wanted else (NOT_SAMPLED, NEVER, statuses)

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:  # noqa: ARG002
        """Return whether it samples: what a span has stays."""
        return vote[0] == SAMPLED

    @property
    def rule(self) -> RangePredicate:
        """The bits of the wanted ones."""
        return RangePredicate("status", self._wanted)

    def describe(self, seen: Any) -> str:
        """Return the statuses that there are, and those that are wanted."""
        wanted = _text(self._wanted)
        return f"status {_text(seen)}, wanted {wanted}" if seen else f"no span has status {wanted}"


def _text(statuses: int) -> str:
    return " ".join(name for code, name in enumerate(_NAMES) if statuses >> code & 1) or "none"
