"""Objectives without a latency limit (errors, cache hits) by load: whether their share of good events falls as traffic grows.

No theory relates hit rates or error rates to traffic. A line is fitted to the measured intervals; if it does not fall clearly, the
objective does not limit traffic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEWEST: Final = 12
_SIGNIFICANT: Final = 3.0
"""Standard errors by which the share of good events has to fall."""
_WITHIN_90: Final = 1.645
_FAR: Final = 2.0
"""Multiple of the highest measured rate up to which the line is drawn."""


@dataclass(frozen=True, slots=True)
class ObjectiveEvents:
    """The events of an objective in an interval."""

    rate: float
    """Extractions a second of the service."""
    good: float
    total: float


@dataclass(frozen=True, slots=True)
class LoadEffect:
    """An objective by load."""

    name: str
    wanted: float
    """The share of events, 0..1, that have to be good."""
    now: float
    """The share that was good."""
    falls: bool
    """Whether the share clearly falls with the rate."""
    then: tuple[float, float, float] | None = None
    """The share at the requested rate with its 90 % interval, where it falls and the rate is near measured ones."""
    broken_at: float | None = None
    """The rate from which on the objective is broken; None where it holds at all rates looked at, or does not fall."""


def load_effect(name: str, wanted: float, events: Sequence[ObjectiveEvents], rate: float) -> LoadEffect | None:
    """Return the effect of load on an objective; None where too few intervals have events.

    The errors of the line count the scatter beyond that of independent events (P. McCullagh, J. Nelder, "Generalized Linear
    Models", 2nd ed. 1989, section 4.5).

    Args:
        name: Name of the objective.
        wanted: The share that has to be good.
        events: The events by interval.
        rate: The requested rate, in extractions a second.
    """
    told = [one for one in events if one.total > 0]
    whole = math.fsum(one.total for one in told)
    if len(told) < _FEWEST:
        return None
    now = math.fsum(one.good for one in told) / whole
    mean = math.fsum(one.rate * one.total for one in told) / whole
    spread = math.fsum(one.total * (one.rate - mean) ** 2 for one in told)
    if not spread or now in {0.0, 1.0}:
        return LoadEffect(name, wanted, now, falls=False)
    slope = math.fsum((one.rate - mean) * (one.good - now * one.total) for one in told) / spread
    left = math.fsum(one.total * (one.good / one.total - now - slope * (one.rate - mean)) ** 2 for one in told)
    variance = max(now * (1 - now), left / (len(told) - 2))
    error = math.sqrt(variance / spread)
    if slope >= -_SIGNIFICANT * error:
        return LoadEffect(name, wanted, now, falls=False)
    far = _FAR * max(one.rate for one in told)
    broken_at = mean + (wanted - now) / slope
    then = None
    if rate <= far:
        value = now + slope * (rate - mean)
        off = _WITHIN_90 * math.sqrt(variance / whole + (error * (rate - mean)) ** 2)
        then = (max(0.0, value), max(0.0, value - off), min(1.0, value + off))
    return LoadEffect(name, wanted, now, True, then, max(0.0, broken_at) if broken_at <= far else None)
