"""`ottl_condition`: by conditions on any span or event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import FAILED, NO, SAMPLED, Vote
from otel_fe.pipeline.ottl import OttlEvaluationError, compile_condition
from otel_fe.pipeline.policies.evaluator import SpanEvaluator

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.config.policies import OttlCondition
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.received import ReceivedTrace


class OttlConditionEvaluator(SpanEvaluator):
    """Samples a trace with a span, or an event of one, for which one of the conditions holds."""

    __slots__ = ("_events", "_propagates", "_spans", "_texts")

    def __init__(self, policy: OttlCondition) -> None:
        super().__init__(policy.name)
        self._spans: list[Callable[..., bool]] = [compile_condition(c) for c in policy.span]
        self._events: list[Callable[..., bool]] = [compile_condition(c) for c in policy.span_event]
        self._texts = [condition.text for condition in (*policy.span, *policy.span_event)]
        self._propagates = policy.error_mode == "propagate"

    def evaluate(self, trace: ReceivedTrace) -> Vote:
        """Vote by the first condition that holds; an error ends the look where errors propagate."""
        return self.first_match(trace) or NO

    def match(self, span: SpanView) -> Vote | None:
        """Ask the conditions on spans, and then those on events."""
        try:
            for index, condition in enumerate(self._spans):
                if self._holds(condition, span):
                    return SAMPLED, ALWAYS, index
            if self._events:
                for event in span.events:
                    for index, condition in enumerate(self._events, len(self._spans)):
                        if self._holds(condition, span, event):
                            return SAMPLED, ALWAYS, index
        except OttlEvaluationError as error:
            return FAILED, NEVER, str(error)
        return None

    def _holds(self, condition: Callable[..., bool], *arguments: object) -> bool:
        try:
            return condition(*arguments)
        except OttlEvaluationError:
            if self._propagates:
                raise
            return False

    def describe(self, seen: Any) -> str:
        """Return the condition that held, or the error."""
        if seen is None:
            return "no condition holds"
        return seen if isinstance(seen, str) else self._texts[seen]
