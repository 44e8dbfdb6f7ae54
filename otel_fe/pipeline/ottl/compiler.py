"""Compiles a condition into a function that returns whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from otel_fe.config.ottl import tree
from otel_fe.pipeline.ottl.comparison import ORDERS, compare, compare_number
from otel_fe.pipeline.ottl.expressions import getter
from otel_fe.pipeline.ottl.values import OttlEvaluationError, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Predicate: TypeAlias = Callable[[Any], bool]


def compile_condition(condition: tree.Condition) -> Callable[..., bool]:
    """Compile a condition into a function.

    Returns:
        A function of a `SpanView` where the condition's context is `span`, of a `SpanView` and an `EventView` where it is
        `spanevent`. It raises `OttlEvaluationError`, and nothing else, where the Collector's evaluation returns an error.
    """
    compiled = _compile(condition.tree, condition.context)
    if isinstance(compiled, bool):
        return lambda *_of: compiled
    if condition.context == "span":
        return compiled
    return lambda span, event: compiled((span, event))


def constant_of(comparison: tree.Comparison) -> bool | None:
    """Return whether a comparison of literals holds; None for any other comparison."""
    if not (tree.is_literal(comparison.left) and tree.is_literal(comparison.right)):
        return None
    left, right = getter(comparison.left, "span"), getter(comparison.right, "span")
    return compare(left(None), right(None), comparison.comparator)


def _compile(condition: tree.Boolean, context: tree.Context) -> Predicate | bool:
    """Return a bool where nothing needs to be evaluated.

    That is more than a saving: `true or …` holds even where the rest would be an error, in whatever order.
    """
    match condition:
        case tree.Constant(value):
            return value
        case tree.Comparison():
            return _comparison(condition, context)
        case tree.Truth(call):
            return _truth(call, context)
        case tree.Inverted(operand):
            compiled = _compile(operand, context)
            return not compiled if isinstance(compiled, bool) else _negated(compiled)
        case tree.AllOf(operands):
            return _connected([_compile(operand, context) for operand in operands], all_of=True)
        case tree.AnyOf(operands):
            return _connected([_compile(operand, context) for operand in operands], all_of=False)


def _negated(predicate: Predicate) -> Predicate:
    return lambda subject: not predicate(subject)


def _connected(operands: list[Predicate | bool], *, all_of: bool) -> Predicate | bool:
    if (not all_of) in [operand for operand in operands if isinstance(operand, bool)]:
        return not all_of
    predicates = [operand for operand in operands if not isinstance(operand, bool)]
    if not predicates:
        return all_of
    if len(predicates) == 1:
        return predicates[0]

    def conjunction(subject: Any) -> bool:
        for predicate in predicates:  # noqa: SIM110 - a loop is faster than all() with a generator
            if not predicate(subject):
                return False
        return True

    def disjunction(subject: Any) -> bool:
        for predicate in predicates:  # noqa: SIM110
            if predicate(subject):
                return True
        return False

    return conjunction if all_of else disjunction


def _truth(call: tree.ConverterCall, context: tree.Context) -> Predicate:
    result = getter(call, context)

    def holds(subject: Any) -> bool:
        value = result(subject)
        if value is True or value is False:
            return value
        raise OttlEvaluationError(f"{call.name} alone must give a bool, not a {kind_of(value)}")

    return holds


def _comparison(comparison: tree.Comparison, context: tree.Context) -> Predicate | bool:
    constant = constant_of(comparison)
    if constant is not None:
        return constant
    left, right = getter(comparison.left, context), getter(comparison.right, context)
    comparator = comparison.comparator
    if isinstance(comparison.right, tree.Literal):
        fast = _with_literal(left, comparator, comparison.right.value)
        if fast is not None:
            return fast
    return lambda subject: compare(left(subject), right(subject), comparator)


def _with_literal(left: Callable[[Any], Any], comparator: tree.Comparator, literal: object) -> Predicate | None:
    """Return what `compare` would answer, without its detours, for the literals that most conditions have."""
    if isinstance(literal, str) and comparator == "==":
        return lambda subject: bool(left(subject) == literal)
    if isinstance(literal, str) and comparator == "!=":
        return lambda subject: bool(left(subject) != literal)
    if type(literal) is int or type(literal) is float:
        return _with_number(left, comparator, literal)
    return None


def _with_number(left: Callable[[Any], Any], comparator: tree.Comparator, number: float) -> Predicate:
    of, order, as_float = type(number), ORDERS[comparator], float(number)

    def holds(subject: Any) -> bool:
        value = left(subject)
        kind = type(value)
        if kind is of:
            return order(value, number)
        if kind is float:
            return order(value, as_float)
        return compare(value, number, comparator) if kind is not int else compare_number(value, number, comparator)

    return holds
