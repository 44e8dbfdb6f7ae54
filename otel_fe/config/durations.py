"""Go's durations, as the Collector's YAML writes them (`1m30s`, `100us`), in nanoseconds and exact."""

from __future__ import annotations

import re
from typing import Final

from otel_fe.redaction import redact_value
from otel_fe.units import HOUR_NS, MINUTE_NS, NS_PER_MS, NS_PER_S

UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # the micro sign
    "μs": 1_000,  # the Greek letter, which keyboards write as well  # noqa: RUF003
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": MINUTE_NS,
    "h": HOUR_NS,
}
"""The length of each unit, in nanoseconds."""

_LARGEST_NS: Final = 2**63 - 1
_MOST_DIGITS: Final = 19  # of 2**63; more of a fraction is less than a nanosecond of any unit
_PART: Final = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?(?P<unit>[^0-9.]*)")


def parse_duration(text: str) -> int:
    """Read a duration and return its nanoseconds, rounded towards zero as Go does, part by part.

    Raises:
        ValueError: `text` is no duration, or lasts longer than 2**63 - 1 ns (292 years); the message says why.
    """
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError("it has no number")
    total = 0
    while rest:
        part = _PART.match(rest)
        if part is None or not (part["whole"] or part["fraction"]):
            raise ValueError(f"no number before {redact_value(rest)!r}")
        total += _part_ns(part)
        rest = rest[part.end() :]
    if total > _LARGEST_NS + negative:
        raise ValueError("it is longer than 292 years")
    return -total if negative else total


def _part_ns(part: re.Match[str]) -> int:
    unit = part["unit"]
    if unit not in UNITS_NS:
        known = "ns, us, ms, s, m, h"
        raise ValueError(f"unknown unit {unit!r}; use {known}" if unit else f"it has no unit; use {known}")
    whole = part["whole"].lstrip("0")
    if len(whole) > _MOST_DIGITS:
        raise ValueError("it is longer than 292 years")
    fraction = (part["fraction"] or "")[:_MOST_DIGITS]
    parts = int(fraction or "0") * UNITS_NS[unit] // int("1" + "0" * len(fraction))
    return int(whole or "0") * UNITS_NS[unit] + parts


def format_duration(nanoseconds: int) -> str:
    """Write a duration in its largest unit that gives a whole number, for messages: `1500ms`, `30s`."""
    for unit in ("h", "m", "s", "ms", "us"):
        if nanoseconds and nanoseconds % UNITS_NS[unit] == 0:
            return f"{nanoseconds // UNITS_NS[unit]}{unit}"
    return f"{nanoseconds}ns" if nanoseconds else "0s"
