"""The values of a condition's parts.

The Collector has more types than an attribute has: a list in the text, a list in an attribute and the parts of a split string
are three, and no comparison takes one for another. Python's types represent those of attributes; the classes here the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from typing import Literal as OneOf

from otel_fe.errors import OtelFeError

Kind: TypeAlias = OneOf[
    "nil",
    "bool",
    "int",
    "float",
    "string",
    "bytes",
    "map",
    "slice",
    "raw map",
    "raw list",
    "strings",
    "time",
    "duration",
    "trace id",
    "span id",
    "events",
    "unknown",
]


class OttlEvaluationError(OtelFeError):
    """A condition that cannot be answered for a span: where the Collector's evaluation returns an error.

    `error_mode` decides its consequence. The message names types, never values.
    """


class RawList(list[Any]):
    """A list in the text of a condition (Go's `[]any`), or what is inside one."""


class RawMap(dict[str, Any]):
    """A map inside an attribute's list, taken out of it (Go's `map[string]any`)."""


class Strings(list[str]):
    """The parts of a split string (Go's `[]string`)."""


class TraceId(bytes):
    """A trace's id."""


class SpanId(bytes):
    """A span's id."""


class SpanEvents(tuple[Any, ...]):
    """The events of a span."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Time:
    """A point in time."""

    ns: int
    """Since 1970; of any size."""


@dataclass(frozen=True, slots=True)
class Duration:
    """The time between two points in time."""

    ns: int
    """64 bits."""


_KINDS: Final[dict[type, Kind]] = {
    type(None): "nil",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    bytes: "bytes",
    dict: "map",
    list: "slice",
    tuple: "slice",
    RawMap: "raw map",
    RawList: "raw list",
    Strings: "strings",
    Time: "time",
    Duration: "duration",
    TraceId: "trace id",
    SpanId: "span id",
    SpanEvents: "events",
}
# Attributes that were never on the wire may hold subclasses, such as numpy's float64.
_ABSTRACT: Final[dict[type, Kind]] = {
    int: "int",
    float: "float",
    str: "string",
    bytes: "bytes",
    Mapping: "map",
    Sequence: "slice",
}


def kind_of(value: object) -> Kind:
    """Return the type of a value, as the Collector distinguishes types."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    for base, kind in _ABSTRACT.items():
        if isinstance(value, base):
            return kind
    return "unknown"


def wrap(number: int) -> int:
    """Cut a number to 64 bits, as Go does where one overflows."""
    return (number + 2**63) % 2**64 - 2**63


def as_raw(value: Any) -> Any:
    """Convert an attribute's value, with all values in it."""
    kind = kind_of(value)
    if kind == "slice":
        return RawList(map(as_raw, value))
    if kind == "map":
        return RawMap((key, as_raw(inner)) for key, inner in value.items())
    return value


def from_raw(value: Any) -> Any:
    """Put a value into an attribute, with all that is in it; the opposite of `as_raw`.

    Raises:
        OttlEvaluationError: An attribute cannot hold it.
    """
    kind = kind_of(value)
    if kind == "raw list":
        return tuple(map(from_raw, value))
    if kind == "raw map":
        return {key: from_raw(inner) for key, inner in value.items()}
    if kind in {"nil", "bool", "int", "float", "string", "bytes"}:
        return value
    raise OttlEvaluationError(f"a {kind} cannot be inside a list or map here")


def identical(left: Any, right: Any) -> bool:
    """Return whether two values are equal in every type as well: 1 and 1.0 are not."""
    kind = kind_of(left)
    if kind != kind_of(right):
        return False
    if kind in {"slice", "raw list", "strings"}:
        return len(left) == len(right) and all(map(identical, left, right))
    if kind in {"map", "raw map"}:
        return left.keys() == right.keys() and all(identical(inner, right[key]) for key, inner in left.items())
    return bool(left == right)
