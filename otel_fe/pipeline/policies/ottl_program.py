"""OTTL conditions as the steps of a `Program`, as far as C knows what is in them.

Those are comparisons of an attribute, the name, the kind, the status, the times and the duration of a span with a literal, and
`IsMatch`, `HasPrefix` and `HasSuffix` with a literal pattern. Whatever reads only the resource and the scope is evaluated once for
each of these. Any other part is a step that leaves the span to Python, so that the parts in front of it still spare most spans the
way there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.config.ottl import tree
from otel_fe.pipeline.ottl.compiler import compile_condition, constant_of
from otel_fe.pipeline.ottl.expressions import getter
from otel_fe.pipeline.ottl.paths import KINDS
from otel_fe.pipeline.ottl.values import Duration, OttlEvaluationError, SpanId
from otel_fe.pipeline.policies.program import (
    MOST_STEPS,
    NO_MATCH,
    Program,
    Step,
    answer,
    fits,
    is_plain,
    pattern_comparison,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import SimpleNamespace

    from otel_fe.pipeline.policies.program import Comparator, Reads

_VARIES: Final = object()
_FLIPPED: Final[dict[tree.Comparator, tree.Comparator]] = {
    "==": "==",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}
_HEADS: Final[dict[str, Reads]] = {
    "name": "name",
    "kind": "kind",
    "status.code": "status",
    "start_time_unix_nano": "start",
    "end_time_unix_nano": "end",
}
_DIFFERENCES: Final[dict[tuple[str, str], Reads]] = {
    ("end_time_unix_nano", "start_time_unix_nano"): "elapsed",
    ("end_time", "start_time"): "lasted",
}


def program_of(conditions: Sequence[tree.Condition]) -> Program | None:
    """Return the program that answers with the number of the first condition that holds; None if C can decide nothing."""
    making = _Making()
    following = NO_MATCH
    for number in reversed(range(len(conditions))):
        following = making.entry(_folded(conditions[number].tree), answer(number), following)
    return making.program(following)


class _Making:
    """A program in the making: from its end to its beginning, as each step has to know where it goes."""

    def __init__(self) -> None:
        self._steps: list[Step] = []  # the last first
        self._facts: list[Callable[[Any], bool | None]] = []

    def program(self, entry: int) -> Program | None:
        """Return the program that begins with the step made last, if that is one for C, and there are not too many."""
        steps, last = self._steps, len(self._steps) - 1
        if entry < 0 or steps[entry].reads == "unknown" or len(steps) > MOST_STEPS:
            return None  # an entry below 0 is an answer: a condition is true for every span
        turned = [
            step._replace(
                then=last - step.then if step.then >= 0 else step.then,
                otherwise=last - step.otherwise if step.otherwise >= 0 else step.otherwise,
            )
            for step in reversed(steps)
        ]
        return Program(tuple(turned), tuple(self._facts))

    def entry(self, condition: tree.Boolean | bool, then: int, otherwise: int) -> int:  # noqa: FBT001
        """Add the steps of a condition; return where they begin."""
        match condition:
            case bool():
                return then if condition else otherwise
            case tree.Inverted(operand):
                return self.entry(operand, otherwise, then)
            case tree.AllOf(operands):
                for operand in reversed(operands):
                    then = self.entry(operand, then, otherwise)
                return then
            case tree.AnyOf(operands):
                for operand in reversed(operands):
                    otherwise = self.entry(operand, then, otherwise)
                return otherwise
            case _:
                return self._add(self._step(condition, then, otherwise))

    def _add(self, step: Step) -> int:
        self._steps.append(step)
        return len(self._steps) - 1

    def _step(self, condition: tree.Boolean, then: int, otherwise: int) -> Step:
        if not any(_reads_span(part) for part in _parts(condition)):
            self._facts.append(_fact(condition))
            return Step("fact", then, otherwise, key=len(self._facts) - 1)
        found = _compared(condition, then, otherwise)
        return found or Step("unknown", then, otherwise)


def _folded(condition: tree.Boolean) -> tree.Boolean | bool:
    """Return a condition without constants, as `compile_condition` leaves them out: before anything is evaluated."""
    match condition:
        case tree.Constant(value):
            return value
        case tree.Comparison():
            found = constant_of(condition)
            return condition if found is None else found
        case tree.Inverted(operand):
            folded = _folded(operand)
            return not folded if isinstance(folded, bool) else tree.Inverted(folded)
        case tree.AllOf(operands) | tree.AnyOf(operands):
            decides = isinstance(condition, tree.AnyOf)
            folds = [_folded(operand) for operand in operands]
            if decides in [fold for fold in folds if isinstance(fold, bool)]:
                return decides
            rest = tuple(fold for fold in folds if not isinstance(fold, bool))
            return type(condition)(rest) if rest else not decides
        case _:
            return condition


def _parts(part: object) -> Iterator[object]:
    yield part
    if isinstance(part, tuple):
        for item in part:
            yield from _parts(item)
    elif hasattr(part, "__dataclass_fields__"):
        for name in vars(type(part))["__dataclass_fields__"]:
            yield from _parts(getattr(part, name))


def _reads_span(part: object) -> bool:
    if isinstance(part, tree.Path):
        return part.context not in {"resource", "scope"}
    return isinstance(part, tree.ConverterCall) and part.name == "IsRootSpan"


def _fact(condition: tree.Boolean) -> Callable[[Any], bool | None]:
    holds = compile_condition(tree.Condition("", "span", condition))

    def fact(origin: SimpleNamespace) -> bool | None:
        try:
            return holds(origin)
        except OttlEvaluationError:
            return None

    return fact


def _compared(condition: tree.Boolean, then: int, otherwise: int) -> Step | None:
    match condition:
        case tree.Truth(tree.ConverterCall("IsRootSpan", (), ())):
            return Step("root", then, otherwise, literal=True)
        case tree.Truth(tree.ConverterCall("IsMatch" | "HasPrefix" | "HasSuffix" as name, (target, pattern), ())):
            return _matched(name, target, pattern, then, otherwise)
        case tree.Comparison(left, comparator, right):
            literal = _literal(right)
            if literal is _VARIES:
                left, literal, comparator = right, _literal(left), _FLIPPED[comparator]
            return None if literal is _VARIES else _with_literal(left, comparator, literal, then, otherwise)
        case _:
            return None


def _literal(expression: tree.Expression) -> Any:
    """Return the value of an expression that has the same for every span."""
    if isinstance(expression, tree.Literal):
        return expression.value
    if isinstance(expression, tree.ConverterCall) and expression.arguments and not expression.keys:
        if not all(argument is None or isinstance(argument, tree.Literal) for argument in expression.arguments):
            return _VARIES
        try:
            return getter(expression, "span")(None)
        except OttlEvaluationError:
            return _VARIES
    return _VARIES


def _with_literal(
    left: tree.Expression, comparator: tree.Comparator, literal: Any, then: int, otherwise: int
) -> Step | None:
    targets = then, otherwise
    match left, literal:
        case tree.Path("span", "parent_span_id", ()), SpanId() if comparator in {"==", "!="} and not any(literal):
            return Step("root", *targets, literal=comparator == "==")
        case tree.Path("span", "kind.string" | "kind.deprecated_string", ()), str():
            names = KINDS[left.name]
            if comparator not in {"==", "!="} or literal not in names:
                return None
            return Step("kind", *targets, comparator=comparator, literal=names.index(literal))
        case _, Duration(ns):
            return Step("lasted", *targets, comparator, ns) if _read(left)[0] == "lasted" else None
        case _:
            pass
    reads, key = _read(left)
    if reads in {"unknown", "lasted"} or not _is_simple(literal, comparator):
        return None
    return Step(reads, *targets, comparator, literal, key)


def _is_simple(literal: Any, comparator: tree.Comparator) -> bool:
    if type(literal) is str:
        return is_plain(literal) and (comparator in {"==", "!="} or literal.isascii())
    return literal is None or type(literal) in {bool, float} or (type(literal) is int and fits(literal))


def _read(expression: tree.Expression) -> tuple[Reads, str | int]:
    match expression:
        case tree.Path("span", "attributes", (tree.Literal(str() as key),)) if is_plain(key):
            return "attribute", key
        case tree.Path("span", name, ()):
            return _HEADS.get(name, "unknown"), 0
        case tree.ConverterCall("IsRootSpan", (), ()):
            return "root", 0
        case tree.Arithmetic(tree.Path("span", end, ()), (("-", tree.Path("span", start, ())),)):
            return _DIFFERENCES.get((end, start), "unknown"), 0
        case _:
            return "unknown", 0


def _matched(
    name: str, target: tree.Expression | None, pattern: tree.Expression | None, then: int, otherwise: int
) -> Step | None:
    reads, key = ("unknown", 0) if target is None else _read(target)
    if (
        reads not in {"attribute", "name"}
        or not isinstance(pattern, tree.Literal)
        or not isinstance(pattern.value, str)
    ):
        return None
    if name != "IsMatch":
        comparator: Comparator = "starts" if name == "HasPrefix" else "ends"
        return Step(reads, then, otherwise, comparator, pattern.value, key) if is_plain(pattern.value) else None
    try:
        found = pattern_comparison(pattern.value)
    except ValueError:
        return None  # an error for each span
    return Step(reads, then, otherwise, *found, key, lenient=True)
