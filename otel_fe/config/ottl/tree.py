"""The syntax tree of a condition, as frozen values: nothing is evaluated here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

Context: TypeAlias = OneOf["span", "spanevent"]
"""The context of a condition: each span, or each event of each span."""
Comparator: TypeAlias = OneOf["==", "!=", "<", "<=", ">", ">="]
Operator: TypeAlias = OneOf["+", "-", "*", "/"]


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal in the text; an enum's symbol is the int that it names."""

    value: str | bool | int | float | bytes | None


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, written `[…]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map, written `{…}`; of equal keys the last counts."""

    items: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Path:
    """A part of the telemetry."""

    context: str
    """`span`, `spanevent`, `resource` or `scope`, whether or not the text names it."""
    name: str
    """As in `PATHS`: `status.code`."""
    keys: tuple[Expression, ...]
    """The indices behind it, outermost first."""


@dataclass(frozen=True, slots=True)
class ConverterCall:
    """A converter, applied."""

    name: str
    arguments: tuple[Expression | None, ...]
    """One for each of its parameters, in their order; None where an optional one is not given."""
    keys: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Negative:
    """A minus sign before something that is not a number in the text."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Operations of equal precedence, from left to right."""

    first: Expression
    rest: tuple[tuple[Operator, Expression], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values, compared."""

    left: Expression
    comparator: Comparator
    right: Expression


@dataclass(frozen=True, slots=True)
class Constant:
    """`true` or `false`, alone."""

    value: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """A converter alone, which must give a bool."""

    call: ConverterCall


@dataclass(frozen=True, slots=True)
class Inverted:
    """The opposite."""

    operand: Boolean


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of at least two."""

    operands: tuple[Boolean, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of at least two."""

    operands: tuple[Boolean, ...]


Expression: TypeAlias = Literal | ListOf | MapOf | Path | ConverterCall | Negative | Arithmetic
Boolean: TypeAlias = Comparison | Constant | Truth | Inverted | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition, read and checked."""

    text: str
    """As it was written."""
    context: Context
    tree: Boolean


def is_literal(expression: Expression) -> bool:
    """Return whether it is a literal: the Collector evaluates literals once, at its start."""
    match expression:
        case Literal():
            return True
        case ListOf(items):
            return all(map(is_literal, items))
        case MapOf(items):
            return all(is_literal(value) for _, value in items)
        case _:
            return False
