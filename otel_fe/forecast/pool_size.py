"""Predicts extractions at another size of their pool: how many wait, and how long.

Queueing theory gives the share of callers that wait, and their mean wait; the recordings give the wait of each
extraction. The recorded waits are kept, thinned and stretched by the ratio of the theory's waits at both sizes, so
that an error which it makes at both cancels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.forecast.erlang import erlang_c, wait_of_those_who_do
from otel_fe.forecast.forecast_error import ForecastError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.forecast.prediction import Observed
    from otel_fe.forecast.traffic import Traffic

_POINTS: Final = 20
_EXPONENTIAL: Final = tuple(-math.log(1 - (number + 0.5) / _POINTS) for number in range(_POINTS))
"""Equally likely values of an exponential distribution with a mean of about 1."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The wait of a pool's callers (M/G/c)."""

    share: float
    """0..1 of the callers wait."""
    each_s: float
    """Mean, of those that do."""

    @property
    def mean_s(self) -> float:
        """Over all callers."""
        return self.share * self.each_s


def waits_at(traffic: Traffic, size: int) -> Waits:
    """Return what callers would wait at a size: Erlang C, its wait times (ca2 + cs2) / 2 for the variability (Allen-Cunneen).

    Raises:
        ForecastError: The pool holds its callers back now, or would.
    """
    load = traffic.load
    if traffic.saturated:
        raise ForecastError(
            f"The pool is saturated: {load:.3g} of its {traffic.size} connections are busy on average, so the true demand cannot "
            "be measured. Make the pool larger, and ask again."
        )
    if load >= size:
        raise ForecastError(
            f"At {size} the pool would be overloaded: {load:.3g} connections are busy on average, so callers would wait "
            f"longer and longer. Ask for {math.floor(load) + 1} or more."
        )
    each_s = wait_of_those_who_do(size, load, traffic.use_s, traffic.arrivals_variability, traffic.use_variability)
    return Waits(erlang_c(size, load), each_s)


def at_size(group: Sequence[Observed], now: Waits, then: Waits, part: float = 1.0) -> tuple[list[int], list[float]]:
    """Return the durations of a group at another size, in ns, and their weights; the weights' sum stays the same.

    One extraction may become several, each with a part of its weight: one that still waits, and one that no longer
    waits.

    Args:
        group: As recorded. An extraction without a recorded wait has not used the pool.
        now: The theory's waits at the present size.
        then: Those at the other size.
        part: How much of each recorded wait was for this pool, 0..1.
    """
    stretched = then.each_s / now.each_s if now.each_s else 1.0
    stay = min(1.0, then.share / now.share) if now.share else 1.0
    begin = max(0.0, then.share - now.share) / (1 - now.share) if now.share < 1 else 0.0
    waiting = _longest(group, now.share) if begin else frozenset()
    durations: list[int] = []
    weights: list[float] = []
    for index, one in enumerate(group):
        wait = min(one.wait_ns, one.duration_ns) * part
        without = one.duration_ns - wait
        if begin and wait and index not in waiting:
            # It has not waited yet, and would now and then.
            parts = [(without + wait, 1 - begin)]
            parts += [(without + wait + value * then.each_s * 1e9, begin / _POINTS) for value in _EXPONENTIAL]
        elif wait:
            parts = [(without + wait * stretched, stay), (without, 1 - stay)]
        else:
            parts = [(one.duration_ns, 1.0)]
        durations += [round(duration) for duration, share in parts if share]
        weights += [one.weight * share for _, share in parts if share]
    return durations, weights


def _longest(group: Sequence[Observed], share: float) -> frozenset[int]:
    """Return which members waited longest: `share` of the weight of all that used the pool."""
    asked = sorted((index for index, one in enumerate(group) if one.wait_ns), key=lambda index: -group[index].wait_ns)
    left = share * sum(group[index].weight for index in asked)
    found = set()
    for index in asked:
        if left <= 0:
            break
        found.add(index)
        left -= group[index].weight
    return frozenset(found)
