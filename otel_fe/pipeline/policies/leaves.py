"""Packs the policies without policies in them as numbers for `compiled`."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from otel_fe.model.probability import NEVER
from otel_fe.model.vote import FAILED
from otel_fe.pipeline.policies.attributes import AttributeEvaluator
from otel_fe.pipeline.policies.evaluator import SpanEvaluator
from otel_fe.pipeline.policies.program import is_plain
from otel_fe.pipeline.policies.trace_state import TraceStateEvaluator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from otel_fe.model.span import SpanView
    from otel_fe.model.vote import Vote
    from otel_fe.pipeline.policies.evaluator import Evaluator
    from otel_fe.pipeline.policies.program import Program

    Packed = tuple[Any, ...]
    """A leaf as `compiled.backend.Waiting` takes it."""

NOTHING: Final = ...
"""The vote of a leaf on a span that it does not apply to."""
_MOST_FAILURES: Final = 1_000
_MOST_FACTS: Final = 64


class Leaves:
    """The policies without policies in them, as C knows them.

    Args:
        policies: Of a sampler.
    """

    def __init__(self, policies: Iterable[Evaluator]) -> None:
        self.evaluators: list[Evaluator] = [leaf for policy in policies for leaf in policy.leaves]
        self.of_spans = [leaf for leaf in self.evaluators if isinstance(leaf, SpanEvaluator)]
        self.names: list[str] = []
        """Of the attributes that they look at, one leaf's after another's; then those that only programs read."""
        failing = count(len(self.evaluators))
        self.packed: list[Packed] = [self._packed(leaf, failing) for leaf in self.evaluators]
        self.bits = next(failing)
        """The number of bits of their votes."""
        self._facts: list[Callable[[Any], bool | None]] = []
        self.programs = [
            self._program(leaf.program) if isinstance(leaf, SpanEvaluator) else None for leaf in self.evaluators
        ]
        """For each what C evaluates on a span's bytes before it asks; None for nothing."""
        self._failures: list[str] = []

    def _packed(self, leaf: Evaluator, failing: Iterator[int]) -> Packed:
        if not isinstance(leaf, SpanEvaluator):
            rule = leaf.rule
            if rule is None:
                raise TypeError(f"{type(leaf).__name__} goes neither by a rule nor by spans")
            by, least, most, salted = rule.bounded
            return by, least, most, salted, rule.threshold, 0, 0, 0, 0, False, -1
        inputs, at, bounds = leaf.inputs, len(self.names), getattr(leaf, "bounds", None)
        failed = -1 if isinstance(leaf, (AttributeEvaluator, TraceStateEvaluator)) else next(failing)
        if isinstance(leaf, TraceStateEvaluator):
            return "state", 0, 0, 0, 0, 0, 0, 0, 0, False, failed
        if inputs is None or not all(map(is_plain, inputs.attributes)):
            return "asking", 0, 0, 0, 0, 0, 0, 0, 0, False, failed
        self.names += inputs.attributes
        by, lowest, highest = ("inputs", 0, 0) if bounds is None else bounds
        return by, 0, 0, 0, 0, lowest, highest, at, len(inputs.attributes), inputs.heads, failed

    def _program(self, program: Program | None) -> list[Packed] | None:
        if program is None or len(self._facts) + len(program.facts) > _MOST_FACTS:
            return None
        facts_before = len(self._facts)
        self._facts += program.facts
        made: list[Packed] = []
        for reads, then, otherwise, comparator, literal, key, lenient in program.steps:
            number = facts_before + int(key) if reads == "fact" else 0
            if isinstance(key, str):
                if key not in self.names:
                    self.names.append(key)
                number = self.names.index(key)
            made.append((reads, number, comparator, literal, lenient, then, otherwise))
        return made

    @property
    def facts(self) -> Callable[[Any, Any], tuple[int, int]] | None:
        """Given a resource and a scope, return which facts of programs hold, and which are errors; as bits."""
        return self._known if self._facts else None

    def _known(self, resource: Any, scope: Any) -> tuple[int, int]:
        origin, holding, failing = SimpleNamespace(resource=resource, scope=scope), 0, 0
        for number, fact in enumerate(self._facts):
            holds = fact(origin)
            holding |= (holds is True) << number
            failing |= (holds is None) << number
        return holding, failing

    def ask(self, number: int, span: SpanView) -> Any:
        """Return what a leaf saw of a span, as a number; ... if nothing; a tuple of a number if it failed."""
        leaf = self.evaluators[number]
        vote = leaf.match(span)  # type: ignore[attr-defined]
        if vote is None:
            return NOTHING
        if vote[0] == FAILED:
            return (self._failure(str(vote[2])),)
        return leaf.packed(vote[2])  # type: ignore[attr-defined]

    def _failure(self, text: str) -> int:
        if text in self._failures:
            return self._failures.index(text)
        if len(self._failures) >= _MOST_FAILURES:
            return -1
        self._failures.append(text)
        return len(self._failures) - 1

    def looked(self, bits: int, seen: Sequence[int]) -> dict[object, tuple[int, Vote | None]]:
        """Return what leaves have found in spans, for `BufferedTrace.looked`."""
        found: dict[object, tuple[int, Vote | None]] = {}
        place = 0
        for number, leaf in enumerate(self.evaluators):
            if not isinstance(leaf, SpanEvaluator):
                continue
            failed = self.packed[number][-1]
            if failed >= 0 and bits >> failed & 1:
                reason = self._failures[seen[place]] if seen[place] >= 0 else "one of too many different errors"
                found[leaf] = 0, (FAILED, NEVER, reason)
            elif bits >> number & 1:
                found[leaf] = 0, leaf.unpacked(seen[place])
            place += 1
        return found
