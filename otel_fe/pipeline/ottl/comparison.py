"""Comparison of two values by OTTL's rules, which never fail: incomparable values are unequal, and neither less nor greater."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from otel_fe.pipeline.ottl.values import OttlEvaluationError, as_raw, identical, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.config.ottl.tree import Comparator
    from otel_fe.pipeline.ottl.values import Kind

ORDERS: Final[dict[Comparator, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_REFLEXIVE: Final = frozenset(("==", "<=", ">="))
_ORDERED: Final = frozenset(("bool", "string", "time", "duration"))
_LISTS: Final = frozenset(("slice", "raw list"))
_MAPS: Final = frozenset(("map", "raw map"))
_IDENTITIES: Final = frozenset(("trace id", "span id"))


def compare(left: Any, right: Any, comparator: Comparator) -> bool:
    """Compare two values.

    Raises:
        OttlEvaluationError: Two split strings are compared; Go cannot, and the Collector ends there.
    """
    kind, other = kind_of(left), kind_of(right)
    if kind == "nil":
        if other == "nil":
            return comparator in _REFLEXIVE
        left, right, kind, other = right, left, other, kind
    if kind in {"int", "float"}:
        return compare_number(left, right, comparator)
    if kind == "bytes":
        return _compare_bytes(left, right, comparator)
    if kind == other and kind in _ORDERED:
        order = ORDERS[comparator]
        return order(left.ns, right.ns) if kind in {"time", "duration"} else order(left, right)
    if comparator not in {"==", "!="}:
        return False
    return _equal(left, right, kind, other) == (comparator == "==")


def compare_number(left: float, right: Any, comparator: Comparator) -> bool:
    """Compare a number with anything: two ints as ints, an int and a float as floats."""
    other = kind_of(right)
    if other not in {"int", "float"}:
        return comparator == "!="
    if kind_of(left) == other:
        return ORDERS[comparator](left, right)
    return ORDERS[comparator](float(left), float(right))


def _compare_bytes(left: bytes, right: Any, comparator: Comparator) -> bool:
    if not left:  # The Collector reads empty bytes as a nil slice, and compares that like nil.
        return compare(right, None, comparator)
    if kind_of(right) != "bytes" or not right:
        return comparator == "!="
    return ORDERS[comparator](left, right)


def _equal(left: Any, right: Any, kind: Kind, other: Kind) -> bool:
    if (kind in _LISTS and other in _LISTS) or (kind in _MAPS and other in _MAPS):
        return identical(left, right) if kind == other else identical(as_raw(left), as_raw(right))
    if kind == other == "strings":
        raise OttlEvaluationError("two results of Split cannot be compared: the Collector panics")
    if kind == other and kind in _IDENTITIES:
        return bool(left == right)
    return kind == other == "events"  # of the evaluated span
