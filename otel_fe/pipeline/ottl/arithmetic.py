"""Sums and products, as Go calculates: ints of 64 bits wrap, a quotient of ints is cut towards zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.config.ottl.numbers import INT64_MAX, INT64_MIN
from otel_fe.pipeline.ottl.values import Duration, OttlEvaluationError, Time, kind_of, wrap

if TYPE_CHECKING:
    from otel_fe.config.ottl.tree import Operator


def negative(value: Any) -> int | float:
    """Change the sign.

    Raises:
        OttlEvaluationError: The value is not a number.
    """
    kind = kind_of(value)
    if kind == "int":
        return wrap(-int(value))
    if kind == "float":
        return -float(value)
    raise OttlEvaluationError(f"a {kind} has no negative")


def calculate(left: Any, operator: Operator, right: Any) -> object:
    """Add, subtract, multiply or divide.

    Raises:
        OttlEvaluationError: These cannot be calculated with, or the divisor is 0.
    """
    kind, other = kind_of(left), kind_of(right)
    if kind in {"time", "duration"} and other in {"time", "duration"}:
        return _shifted(left, operator, right)
    if kind not in {"int", "float"} or other not in {"int", "float"}:
        raise OttlEvaluationError(f"a {kind} {operator} a {other} cannot be calculated")
    if kind == other == "int":
        return _of_ints(left, operator, right)
    return _of_floats(float(left), operator, float(right))


def _of_ints(left: int, operator: Operator, right: int) -> int:
    if operator == "+":
        return wrap(left + right)
    if operator == "-":
        return wrap(left - right)
    if operator == "*":
        return wrap(left * right)
    if right == 0:
        raise OttlEvaluationError("a division by 0")
    quotient = abs(left) // abs(right)
    return wrap(quotient if (left < 0) == (right < 0) else -quotient)


def _of_floats(left: float, operator: Operator, right: float) -> float:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if right == 0:
        raise OttlEvaluationError("a division by 0")
    return left / right


def _shifted(left: Time | Duration, operator: Operator, right: Time | Duration) -> Time | Duration:
    match left, operator, right:
        case (Time(), "+", Duration()) | (Duration(), "+", Time()):
            return Time(left.ns + right.ns)
        case Time(), "-", Duration():
            return Time(left.ns + wrap(-right.ns))
        case Time(), "-", Time():
            return Duration(min(max(left.ns - right.ns, INT64_MIN), INT64_MAX))
        case Duration(), "+", Duration():
            return Duration(wrap(left.ns + right.ns))
        case Duration(), "-", Duration():
            return Duration(wrap(left.ns - right.ns))
        case _:
            kinds = f"a {kind_of(left)} {operator} a {kind_of(right)}"
            raise OttlEvaluationError(f"{kinds} cannot be calculated")
