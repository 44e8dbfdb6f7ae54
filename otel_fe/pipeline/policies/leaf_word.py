"""A word of leaves: policies without policies in them, packed as numbers for `compiled`."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.pipeline.policies.attributes import AttributeEvaluator
from otel_fe.pipeline.policies.evaluator import SpanEvaluator
from otel_fe.pipeline.policies.program import is_plain
from otel_fe.pipeline.policies.trace_state import TraceStateEvaluator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_fe.pipeline.policies.evaluator import Evaluator
    from otel_fe.pipeline.policies.program import Program

    Packed = tuple[Any, ...]
    """A leaf as `compiled.backend.Waiting` takes it."""

WORD_BITS: Final = 64
_MOST_BITS: Final = 60
"""Of the leaves of one word; C adds two bits of its own."""
_MOST_FACTS: Final = 64


class LeafBits(NamedTuple):
    """The bits of a leaf, among those of all words."""

    matched: int
    failed: int
    """-1 for a leaf that never fails."""


class LeafWord:
    """Leaves whose bits are one word of 64 bits, as C knows them.

    Args:
        number: Of the word.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.evaluators: list[Evaluator] = []
        self.bits: list[LeafBits] = []
        """For each its bits."""
        self.names: list[str] = []
        """Of the attributes that they look at, one leaf's after another's; then those that only programs read."""
        self._facts: list[Callable[[Any], bool | None]] = []

    def has_room(self, leaf: Evaluator) -> bool:
        """Return whether it has bits for one more."""
        used = len(self.evaluators) + sum(_may_fail(each) for each in self.evaluators)
        return used + 1 + _may_fail(leaf) <= _MOST_BITS

    def packed(self) -> tuple[Any, ...]:
        """Return the leaves, the names of attributes, programs and facts as `compiled.backend.Waiting` takes them."""
        failing = count(len(self.evaluators))
        leaves = [self._packed(leaf, failing) for leaf in self.evaluators]
        first = self.number * WORD_BITS
        self.bits = [
            LeafBits(first + bit, first + leaf[-1] if leaf[-1] >= 0 else -1) for bit, leaf in enumerate(leaves)
        ]
        programs = [
            self._program(leaf.program) if isinstance(leaf, SpanEvaluator) else None for leaf in self.evaluators
        ]
        return leaves, self.names, programs, self._known if self._facts else None

    def _packed(self, leaf: Evaluator, failing: Iterator[int]) -> Packed:
        if not isinstance(leaf, SpanEvaluator):
            rule = leaf.rule
            if rule is None:
                raise TypeError(f"{type(leaf).__name__} goes neither by a rule nor by spans")
            by, least, most, salted = rule.bounded
            return by, least, most, salted, rule.threshold, 0, 0, 0, 0, False, -1
        inputs, at, bounds = leaf.inputs, len(self.names), getattr(leaf, "bounds", None)
        failed = next(failing) if _may_fail(leaf) else -1
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

    def _known(self, resource: Any, scope: Any) -> tuple[int, int]:
        """Return which facts of programs hold of a resource and a scope, and which are errors; as bits."""
        origin, holding, failing = SimpleNamespace(resource=resource, scope=scope), 0, 0
        for number, fact in enumerate(self._facts):
            holds = fact(origin)
            holding |= (holds is True) << number
            failing |= (holds is None) << number
        return holding, failing


def _may_fail(leaf: Evaluator) -> bool:
    return isinstance(leaf, SpanEvaluator) and not isinstance(leaf, (AttributeEvaluator, TraceStateEvaluator))
