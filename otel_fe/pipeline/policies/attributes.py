"""`numeric_attribute`, `string_attribute`, `boolean_attribute`: by an attribute of any resource or span.

An attribute of another type counts as that type's zero (0, "", false), as in the Collector: a text matches a numeric range
that holds 0.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.model.probability import ALWAYS
from otel_fe.model.re2 import compile_re2
from otel_fe.model.vote import NO, SAMPLED, YES, Vote
from otel_fe.pipeline.policies.evaluator import Evaluator, Inputs, SpanEvaluator
from otel_fe.pipeline.policies.program import MOST_STEPS, NO_MATCH, Program, Step, answer, is_plain, pattern_comparison

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.config.policies import BooleanAttribute, NumericAttribute, StringAttribute
    from otel_fe.model.span import SpanView, Value
    from otel_fe.pipeline.buffered_trace import BufferedTrace
    from otel_fe.pipeline.policies.program import Comparator, Search

_ABSENT: Final = object()
_INT64: Final = 1 << 63


class NumericRange(NamedTuple):
    """The matching range of numbers or booleans, for `compiled`."""

    by: str
    """`number` or `truth`."""
    lowest: int
    """Of truths, the one that is wanted."""
    highest: int


class AttributeEvaluator(SpanEvaluator):
    """Samples a trace with an attribute that matches or, inverted, a trace without one.

    Args:
        name: The policy's.
        key: The attribute's.
        matches: Whether a value matches; the second argument says whether it is a resource's.
        invert: Sample unless something matches.
        shown: Returns a value for a decision record; None where it may be private.
        program: Answers for a span as the attribute's match does, if it compares plain texts.
    """

    __slots__ = ("_invert", "_key", "_matches", "_program", "_shown", "bounds")

    def __init__(
        self,
        name: str,
        key: str,
        matches: Callable[[Value, bool], bool],
        *,
        invert: bool,
        shown: Callable[[Value], str] | None = None,
        program: Program | None = None,
    ) -> None:
        super().__init__(name)
        self._key = key
        self._matches = matches
        self._invert = invert
        self._shown = shown
        self._program = program
        self.bounds: NumericRange | None = None
        """The range, if it compares numbers or booleans."""

    def evaluate(self, trace: BufferedTrace) -> Vote:
        """Vote by the first attribute that matches."""
        vote = self.first_match(trace)
        if self._invert:
            return YES if vote is None else NO
        return NO if vote is None else vote

    def match(self, span: SpanView) -> Vote | None:
        """Match the attribute of a span's resource, and then the span's own."""
        matches, key = self._matches, self._key
        value: Any = span.resource.attributes.get(key, _ABSENT)
        if value is _ABSENT or not matches(value, True):
            value = span.attributes.get(key, _ABSENT)
            if value is _ABSENT or not matches(value, False):
                return None
        return SAMPLED, ALWAYS, "" if value is None or self._shown is None else value  # None: no attribute matches

    def is_final(self, trace: BufferedTrace, vote: Vote) -> bool:
        """Return whether an attribute has matched; that none has may change."""
        return not self._invert and super().is_final(trace, vote)

    @property
    def inputs(self) -> Inputs:
        """Its attribute."""
        return Inputs((self._key,), heads=False)

    @property
    def program(self) -> Program | None:
        """Its texts, if C can compare them all."""
        return self._program

    def packed(self, seen: Any) -> int:
        """Return the number or the truth that matched; 0 for whatever else, as which that counts."""
        counts = bool if self.bounds is not None and self.bounds.by == "truth" else int
        return int(seen) if type(seen) is counts else 0

    def unpacked(self, packed: int) -> Vote:
        """Return the vote to sample, with that number."""
        if self._shown is None:
            return SAMPLED, ALWAYS, ""
        return SAMPLED, ALWAYS, bool(packed) if self.bounds is not None and self.bounds.by == "truth" else packed

    def describe(self, seen: Any) -> str:
        """Return the attribute's name and, where it is not private, the matching value."""
        if self._shown is None or seen is None:
            return f"attribute {self._key}"
        return f"attribute {self._key} is {self._shown(seen)}"


def numeric(policy: NumericAttribute) -> Evaluator:
    """Return the evaluator of a `numeric_attribute` policy."""
    least = -_INT64 if policy.min_value is None else policy.min_value
    most = _INT64 - 1 if policy.max_value is None else policy.max_value

    def matches(value: Value, of_resource: bool) -> bool:  # noqa: ARG001, FBT001
        return least <= (value if type(value) is int else 0) <= most

    found = AttributeEvaluator(
        policy.name, policy.key, matches, invert=policy.invert_match, shown=lambda v: str(v if type(v) is int else 0)
    )
    found.bounds = NumericRange("number", least, most)
    return found


def boolean(policy: BooleanAttribute) -> Evaluator:
    """Return the evaluator of a `boolean_attribute` policy."""
    wanted = policy.value

    def matches(value: Value, of_resource: bool) -> bool:  # noqa: ARG001, FBT001
        return (value is True) == wanted

    found = AttributeEvaluator(
        policy.name, policy.key, matches, invert=policy.invert_match, shown=lambda v: str(v is True).lower()
    )
    found.bounds = NumericRange("truth", int(wanted), int(wanted))
    return found


def string(policy: StringAttribute) -> Evaluator:
    """Return the evaluator of a `string_attribute` policy."""
    matches_text = _pattern_matcher(policy) if policy.enabled_regex_matching else _exact_matcher(policy)

    def matches(value: Value, of_resource: bool) -> bool:  # noqa: FBT001
        text = value if isinstance(value, str) else ""
        # An empty text of a span never matches, one of a resource may.
        return bool(text or of_resource) and matches_text(text)

    return AttributeEvaluator(
        policy.name, policy.key, matches, invert=policy.invert_match, program=_program_of(policy, matches)
    )


def _program_of(policy: StringAttribute, matches: Callable[[Value, bool], bool]) -> Program | None:
    """Return the steps that compare an attribute with each of a policy's texts; None where C cannot."""
    key, values = policy.key, [value for value in policy.values if value or policy.enabled_regex_matching]
    compared = [pattern_comparison(value) if policy.enabled_regex_matching else _equal_to(value) for value in values]
    if not is_plain(key) or len(compared) + 2 > MOST_STEPS or not all(map(is_plain, values)):
        return None

    def of_resource(origin: Any) -> bool:
        attributes = origin.resource.attributes
        return key in attributes and matches(attributes[key], True)

    steps = [Step("fact", answer(0), 1), Step("attribute", NO_MATCH, 2, literal="", key=key)]
    for place, found in enumerate(compared, len(steps) + 1):
        following = NO_MATCH if place == len(compared) + 2 else place
        steps.append(Step("attribute", answer(0), following, *found, key, lenient=True))
    return Program(tuple(steps), (of_resource,)) if values else None


def _equal_to(value: str) -> tuple[Comparator, str | Search]:
    return "==", value


def _exact_matcher(policy: StringAttribute) -> Callable[[str], bool]:
    wanted = frozenset(value for value in policy.values if value)
    return wanted.__contains__


def _pattern_matcher(policy: StringAttribute) -> Callable[[str], bool]:
    patterns = [compile_re2(pattern) for pattern in policy.values]

    @functools.lru_cache(policy.cache_max_size if policy.cache_max_size > 0 else 128)
    def matches(text: str) -> bool:
        return any(pattern.search(text) is not None for pattern in patterns)

    return matches
