"""Kinds of values in the Collector's YAML, as strict as its decoder and stricter where that would guess.

The Collector never turns numbers into strings or strings into numbers. It does cut decimals off for an integer, and takes
a bare number for nanoseconds where a duration is wanted: both are refused here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

from otel_fe.config.document import Scalar, Sequence
from otel_fe.config.durations import format_duration, parse_duration
from otel_fe.config.reading import Key, Kind, Place, Refused, Section, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
LARGEST_INT32 = 2**31 - 1
LARGEST_INT64 = 2**63 - 1


def _scalar(place: Place, wanted: str) -> Any:
    if not isinstance(place.node, Scalar):
        place.refuse(wanted)
    if place.node.value is None and place.node.text is not None:
        place.refuse(f"the environment variable is empty; {wanted}", value=False)
    return place.node.value


def integer(least: int = 0, most: int = LARGEST_INT64) -> Kind[int]:
    """Return the kind of whole numbers within bounds, both inclusive."""
    if most in (LARGEST_INT32, LARGEST_INT64):
        wanted = "use a whole number" if least < 0 else f"use a whole number of at least {least}"
    else:
        wanted = f"use a whole number from {least} to {most}"

    def read(place: Place) -> int:
        value = _scalar(place, wanted)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            place.refuse(wanted)
        return value

    return read


def number(least: float = 0.0, most: float = math.inf) -> Kind[float]:
    """Return the kind of finite numbers within bounds, both inclusive."""
    wanted = f"use a number of at least {least:g}" if most == math.inf else f"use a number from {least:g} to {most:g}"

    def read(place: Place) -> float:
        value = _scalar(place, wanted)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not least <= value <= most
            or value == math.inf
        ):
            place.refuse(wanted)
        return float(value)

    return read


def boolean(place: Place) -> bool:
    """Read `true` or `false`; `yes` and `on` are strings to the Collector."""
    value = _scalar(place, "use true or false")
    if not isinstance(value, bool):
        place.refuse("use true or false")
    return value


def string(place: Place) -> str:
    """Read a string, or the characters of an environment variable, whatever they look like."""
    if place.node.text is not None:
        return place.node.text
    value = _scalar(place, "use a string")
    if not isinstance(value, str):
        place.refuse("use a string" if value is None else "use a string; quote it")
    return value


def text(place: Place) -> str:
    """Read a string that is not empty."""
    value = string(place)
    return value or place.refuse("use a string that is not empty", value=False)


def secret(place: Place) -> str:
    """Read a string that no message shows."""
    if place.node.text is not None:
        return place.node.text
    value = place.node.value if isinstance(place.node, Scalar) else None
    if not isinstance(value, str):
        place.refuse("use a string; quote it", value=False)
    return value


def duration(least_ns: int = 0) -> Kind[int]:
    """Return the kind of durations of at least `least_ns`, in nanoseconds."""
    wanted = f"use a duration of at least {format_duration(least_ns)}" if least_ns > 1 else "use a duration"
    wanted = "use a duration longer than 0" if least_ns == 1 else wanted

    def read(place: Place) -> int:
        value = _scalar(place, f"{wanted}, for example 30s")
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value != 0:
            place.refuse(
                f"{wanted} with its unit, for example {show_number(value)}s (a bare number would be nanoseconds)"
            )
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            place.refuse(f"{wanted}, for example 30s")
        try:
            nanoseconds = parse_duration(str(value))
        except ValueError as error:
            place.refuse(f"{wanted}, for example 30s; {error}")
        if nanoseconds < least_ns:
            place.refuse(f"{wanted}, not a negative one" if least_ns == 0 else wanted)
        return nanoseconds

    return read


def show_number(value: float) -> str:
    """Write a number without needless decimals."""
    return f"{abs(value):g}"


def choice(*names: str, unsupported: tuple[str, ...] = (), any_case: bool = False) -> Kind[str]:
    """Return the kind of strings that are one of `names`; `unsupported` ones only the Collector knows."""
    *others, last = names
    wanted = f"use {', '.join(others)} or {last}" if others else f"use {last}"

    def read(place: Place) -> str:
        value = string(place)
        value = value.lower() if any_case else value
        if value in unsupported:
            place.refuse(f"it exists in the Collector but is not supported here; {wanted}")
        if value not in names:
            place.refuse(wanted)
        return value

    return read


def list_of(kind: Kind[T], *, least: int = 0, wanted: str = "use a list") -> Kind[tuple[T, ...]]:
    """Return the kind of lists of `kind`; `least` is 1; expected an item."""

    def read(place: Place) -> tuple[T, ...]:
        items = read_items(place, kind, wanted)
        if least and not place.items():
            place.refuse(wanted, value=False)
        if len(items) < len(place.items()):
            raise Refused
        return tuple(value for _, value in items)

    return read


def read_items(place: Place, kind: Kind[T], wanted: str = "use a list") -> list[tuple[Place, T]]:
    """Return the items of a list that `kind` did not refuse, with their places.

    Raises:
        Refused: The place holds no list.
    """
    if not isinstance(place.node, Sequence):
        place.refuse(wanted)
    refused = object()
    read = [(item, attempt(kind, item, refused)) for item in place.items()]
    return [(item, value) for item, value in read if value is not refused]


def strings(
    *, least: int = 0, kind: Kind[str] = string, wanted: str = "use a list of strings"
) -> Kind[tuple[str, ...]]:
    """Return the kind of lists of strings; a single string is split at its commas, as the Collector does."""
    read_list = list_of(kind, least=least, wanted=wanted)

    def read(place: Place) -> tuple[str, ...]:
        node = place.node
        value = node.text if isinstance(node, Scalar) and node.text is not None else getattr(node, "value", None)
        if not isinstance(value, str):
            return read_list(place)
        parts = value.split(",") if value else []
        items = tuple(Scalar(node.position, part) for part in parts)
        return read_list(Place(Sequence(node.position, items), place.key, place.report, place.position))

    return read


def mapped(kind: Kind[T], convert: Callable[[T], Any]) -> Kind[Any]:
    """Return the kind of what `convert` makes of a value of `kind`."""
    return lambda place: convert(kind(place))


def optional(section: Section[T]) -> Kind[T | None]:
    """Return the kind of sections that `enabled: false` switches off."""

    def make(*, enabled: bool = True, **fields: Any) -> T | None:
        return section.make(**fields) if enabled else None

    return Section(make, {**section.keys, "enabled": Key(boolean)}, section.check)
