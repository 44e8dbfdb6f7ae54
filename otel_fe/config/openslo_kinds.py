"""Kinds of values in OpenSLO documents: exact ratios, `duration-shorthand`, names, time zones."""

from __future__ import annotations

import re
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from otel_fe.config import kinds
from otel_fe.config.document import Scalar
from otel_fe.config.reading import Key, Section
from otel_fe.model.time_windows import MONTHS, UNITS_NS

if TYPE_CHECKING:
    from otel_fe.config.reading import Fields, Kind, Place

_SHORTHAND: Final = re.compile(r"([1-9][0-9]{0,5})([mhdwMQY])")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_MOST_DIGITS: Final = 15  # as many as a float always keeps
_LONGEST_DESCRIPTION: Final = 1050
_TIMES: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


def unsupported(why: str) -> Kind[Any]:
    """Return the kind of keys that OpenSLO has and otel_fe has not."""
    return lambda place: place.refuse(f"OpenSLO has this, but it is not supported here; {why}", value=False)


def exact(wanted: str) -> Kind[Fraction]:
    """Return the kind of numbers, as the digits that are written: 0.95 is 95/100."""

    def read(place: Place) -> Fraction:
        value = place.node.value if isinstance(place.node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value - value != 0:
            place.refuse(wanted)
        digits = re.sub(r"[eE].*|[-.]", "", repr(value)).lstrip("0")
        if isinstance(value, float) and len(digits) > _MOST_DIGITS:
            place.refuse(f"use at most {_MOST_DIGITS} digits")
        return Fraction(repr(value))

    return read


def ratio(whole: int) -> Kind[Fraction]:
    """Return the kind of shares: numbers above 0 and at most `whole`, which is 1 or 100.

    OpenSLO's own ranges end below 1 and 100. Here they are allowed and mean that no event may be bad.
    """
    wanted = f"use a number above 0 and at most {whole}"
    number = exact(wanted)

    def read(place: Place) -> Fraction:
        value = number(place)
        return value / whole if 0 < value <= whole else place.refuse(wanted)

    return read


def shorthand(place: Place) -> tuple[int, str]:
    """Read a duration such as `30d` or `1M`: its number and its unit."""
    match = _SHORTHAND.fullmatch(kinds.string(place))
    if match is None:
        place.refuse("use a whole number above 0 and one of m, h, d, w, M, Q, Y, for example 30d")
    return int(match[1]), match[2]


def span(place: Place) -> int:
    """Read a duration of a fixed length, in nanoseconds."""
    count, unit = shorthand(place)
    if unit in MONTHS:
        place.refuse("months, quarters and years differ in length; use m, h, d or w, for example 30d")
    return count * UNITS_NS[unit]


def span_or_zero(place: Place) -> int:
    """Read a duration of a fixed length that may be `0m`, in nanoseconds."""
    return 0 if re.fullmatch("0[mhdw]", kinds.string(place)) else span(place)


def name(place: Place) -> str:
    """Read a name: those that OpenSLO wants supported, and with upper case, `_` and `.` as well."""
    value = kinds.text(place)
    if not _NAME.fullmatch(value):
        place.refuse("use at most 63 letters, digits, -, _ and ., beginning and ending with a letter or digit")
    return value


def description(place: Place) -> str:
    """Read a description of at most 1050 characters."""
    value = kinds.string(place)
    if len(value) > _LONGEST_DESCRIPTION:
        place.refuse(f"use at most {_LONGEST_DESCRIPTION} characters; these are {len(value)}")
    return value


def start_time(place: Place) -> datetime:
    """Read a date and time of day without a zone."""
    value = kinds.string(place)
    for pattern in _TIMES:
        try:
            return datetime.strptime(value, pattern)  # noqa: DTZ007 the zone is a key of its own
        except ValueError:
            continue
    return place.refuse("use a date and time without a zone, for example 2026-01-01 00:00:00")


def time_zone(place: Place) -> ZoneInfo:
    """Read the name of a time zone."""
    value = kinds.text(place)
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return place.refuse("use an IANA time zone that is installed on this machine, for example Europe/Berlin")


def labels(place: Place) -> dict[str, str]:
    """Read labels: strings, or lists of them, which are joined by commas."""
    return {key: ",".join(kinds.strings()(inner)) for key, inner in place.entries().items()}


def given(fields: Fields, key: str) -> bool:
    """Return whether a section has a key; a null value counts as absent, an invalid one as present."""
    return key in fields.places and not fields.places[key].is_null()


def one_of(fields: Fields, first: str, second: str, wanted: str = "") -> None:
    """Refuse a section that has both of two keys, or neither."""
    if given(fields, first) == given(fields, second):
        fields.section.problem(wanted or f"give either {first} or {second}", value=False)


STRICT: Final = "otel-fe/strict"
"""An annotation of ours: the share of good events has to exceed the target, rather than reach it."""


def _annotations(place: Place) -> dict[str, str]:
    found = {key: kinds.string(inner) for key, inner in place.entries().items()}
    if found.get(STRICT, "true") not in ("true", "false"):
        place.entries()[STRICT].refuse('use "true" or "false"')
    return found


METADATA: Final = Section(
    dict[str, Any],
    {
        "name": Key(name, required="give the name"),
        "displayName": Key(kinds.string),
        "labels": Key(labels),
        "annotations": Key(_annotations),
    },
)
"""The same for every kind of document."""
