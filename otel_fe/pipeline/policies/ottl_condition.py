"""`ottl_condition`: by conditions on any span or event."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config.ottl import tree
from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.vote import FAILED, NO, SAMPLED, Vote
from otel_fe.pipeline.ottl import OttlEvaluationError, compile_condition
from otel_fe.pipeline.policies.evaluator import Inputs, SpanEvaluator
from otel_fe.pipeline.policies.ottl_program import program_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from otel_fe.config.policies import OttlCondition
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.buffered_trace import BufferedTrace
    from otel_fe.pipeline.policies.program import Program


class OttlConditionEvaluator(SpanEvaluator):
    """Samples a trace with a span, or an event of one, for which one of the conditions holds."""

    __slots__ = ("_events", "_inputs", "_program", "_propagates", "_spans", "_texts")

    def __init__(self, policy: OttlCondition) -> None:
        super().__init__(policy.name)
        self._spans: list[Callable[..., bool]] = [compile_condition(c) for c in policy.span]
        self._events: list[Callable[..., bool]] = [compile_condition(c) for c in policy.span_event]
        self._texts = [condition.text for condition in (*policy.span, *policy.span_event)]
        self._propagates = policy.error_mode == "propagate"
        self._inputs = inputs_of(policy.span) if not policy.span_event else None
        self._program = program_of(policy.span) if not policy.span_event else None

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by the first condition that holds; an error ends the look where errors propagate."""
        return self.first_match(trace) or NO

    def match(self, span: SpanView) -> Vote | None:
        """Evaluate the conditions on spans, and then those on events."""
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

    @property
    def inputs(self) -> Inputs | None:
        """The parts of a span that its conditions name, where those are few and there is no condition on events."""
        return self._inputs

    @property
    def program(self) -> Program | None:
        """Its conditions on spans, where there is none on events and C knows at least where the first begins."""
        return self._program

    def packed(self, seen: Any) -> int:
        """Return the number of the condition that held."""
        return int(seen)

    def unpacked(self, packed: int) -> Vote:
        """Return the vote to sample because of that condition."""
        return SAMPLED, ALWAYS, packed

    def describe(self, seen: Any) -> str:
        """Return the condition that held, or the error."""
        if seen is None:
            return "no condition holds"
        return seen if isinstance(seen, str) else self._texts[seen]


_HEADS: Final = frozenset({"name", "kind", "kind.string", "kind.deprecated_string", "status.code"})


def inputs_of(conditions: Iterable[tree.Condition]) -> Inputs | None:
    """Return what of a span decides whether conditions hold; None where they look at anything but head and single attributes."""
    attributes: dict[str, None] = {}
    heads = False
    for condition in conditions:
        for path in _paths(condition.tree):
            if path.context in {"resource", "scope"}:
                continue  # those of two spans differ anyway
            first = path.keys[0] if path.keys else None
            if path.context == "span" and path.name in _HEADS:
                heads = True
            elif path.context == "span" and path.name == "attributes" and isinstance(first, tree.Literal):
                if not isinstance(first.value, str):
                    return None
                attributes[first.value] = None
            else:
                return None
    return Inputs(tuple(attributes), heads=heads)


def _paths(part: object) -> Iterator[tree.Path]:
    """Yield all paths in a part of a condition."""
    if isinstance(part, tree.Path):
        yield part
    if isinstance(part, tuple):
        for item in part:
            yield from _paths(item)
    elif is_dataclass(part):
        for one in fields(part):
            yield from _paths(getattr(part, one.name))
