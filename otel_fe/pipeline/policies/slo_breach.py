"""`slo_breach`, the process's own: by whether an extraction breaks an SLO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import NOT_SAMPLED, SAMPLED, Vote
from otel_fe.pipeline.policies.evaluator import Inputs, SpanEvaluator
from otel_fe.semconv import SLO_BREACHED

if TYPE_CHECKING:
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.buffered_trace import BufferedTrace

_BROKEN: Final[Vote] = (SAMPLED, ALWAYS, True)
_UNBROKEN: Final[Vote] = (NOT_SAMPLED, NEVER, False)


class SloBreachEvaluator(SpanEvaluator):
    """Samples a trace with an extraction that alone is a bad event of an SLO."""

    __slots__ = ()

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by the first such extraction."""
        return self.first_match(trace) or _UNBROKEN

    def match(self, span: SpanView) -> Vote | None:
        """Match the extraction's attribute."""
        return _BROKEN if span.attributes.get(SLO_BREACHED) else None

    @property
    def inputs(self) -> Inputs:
        """Its attribute."""
        return Inputs((SLO_BREACHED,), heads=False)

    def unpacked(self, packed: int) -> Vote:  # noqa: ARG002
        """Return the vote to sample."""
        return _BROKEN

    def summed_up(self, trace: BufferedTrace, *, breached: bool) -> None:
        """Have a trace without its spans answer as they would."""
        trace.looked[self] = trace.count, _BROKEN if breached else None

    def describe(self, seen: Any) -> str:
        """Return whether there is such an extraction."""
        return "an SLO is broken" if seen else "no SLO is broken"
