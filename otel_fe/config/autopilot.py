"""Settings of the autopilot: which kinds of resources it sizes, within which bounds, and whether it acts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from otel_fe.errors import ConfigurationError
from otel_fe.nearest import did_you_mean

POOLS: Final = "pools"
CACHES: Final = "caches"
KINDS: Final = (POOLS, CACHES)
DRY_RUN: Final = "dry-run"
ACT: Final = "act"
MODES: Final = (DRY_RUN, ACT)
_RANGE: Final = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
_EXAMPLE: Final = "pools=2..20,postgresql://db/features=2..40"


@dataclass(frozen=True, slots=True)
class SizeBounds:
    """The smallest and the largest size that a resource may have, both inclusive."""

    low: int
    high: int


def kinds(name: str, value: str) -> str:
    """Return the kinds of resources in a comma-separated list, without blanks.

    Raises:
        ConfigurationError: A kind is unknown.
    """
    found = [part.strip().lower() for part in value.split(",") if part.strip()]
    for part in found:
        if part not in KINDS:
            raise ConfigurationError(name, part, f"use {' or '.join(KINDS)}, or both{did_you_mean(part, KINDS)}")
    return ",".join(dict.fromkeys(found))


def mode(name: str, value: str) -> str:
    """Return the mode.

    Raises:
        ConfigurationError: The mode is unknown.
    """
    lowered = value.strip().lower()
    if lowered not in MODES:
        raise ConfigurationError(name, value, f"use {' or '.join(MODES)}")
    return lowered


def limits(name: str, value: str) -> str:
    """Return bounds of resources as they were written, once they are checked.

    Raises:
        ConfigurationError: A bound is invalid.
    """
    limits_of(value, name)
    return value.strip()


def limits_of(value: str, name: str = "OTEL_FE_AUTOPILOT_LIMITS") -> dict[str, SizeBounds]:
    """Return the bounds by the name of the resource; those of `pools` and `caches` are for all that are not named.

    Args:
        value: For example `pools=2..20,postgresql://db/features=2..40`.
        name: The variable that holds it, for messages.

    Raises:
        ConfigurationError: A bound is invalid.
    """
    found: dict[str, SizeBounds] = {}
    for part in filter(None, (one.strip() for one in value.split(","))):
        resource, _, text = part.rpartition("=")
        match = _RANGE.fullmatch(text.strip())
        if not resource.strip() or match is None:
            raise ConfigurationError(
                name, part, f"use NAME=LOW..HIGH pairs, separated by commas, for example {_EXAMPLE}"
            )
        low, high = map(int, match.groups())
        if not 1 <= low <= high:
            raise ConfigurationError(
                name, part, "use a lower bound of at least 1 and an upper bound that is not below it"
            )
        if resource.strip() in found:
            raise ConfigurationError(name, part, "give the bounds of each resource once")
        found[resource.strip()] = SizeBounds(low, high)
    return found


def check_limits(autopilot: str, text: str) -> None:
    """Refuse an autopilot that has no bounds.

    Raises:
        ConfigurationError: The autopilot is switched on without bounds.
    """
    if autopilot and not limits_of(text):
        raise ConfigurationError(
            "OTEL_FE_AUTOPILOT",
            autopilot,
            f"set bounds in OTEL_FE_AUTOPILOT_LIMITS as well, for example {_EXAMPLE}",
        )
