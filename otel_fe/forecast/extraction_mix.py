"""The durations of a service's extractions at another rate: each one's own time, and its predicted waits.

A sample of extractions represents all, each as long as it would be alone. What stations add is drawn from the distributions that
queueing theory gives: the same numbers at every rate, so that durations rise with it smoothly and two rates can be compared.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from otel_fe.forecast.processor_sharing import variance_s2
from otel_fe.forecast.shared_processors import WorkTimes, sharing
from otel_fe.forecast.station import POOL, WAITED_FOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.forecast.shared_processors import Sharing
    from otel_fe.forecast.station import Station

_ROWS: Final = 400
_DRAWS: Final = 5
_WORKS: Final = 40
_KINDS_OF_USERS: Final = 3
"""See `_users`."""
_QUEUES: Final = 6
"""Stations with numbers of their own; further ones use theirs again."""
_NORMAL: Final = NormalDist()
_SEED: Final = 20_170
_Draw = tuple[float, float, float, list[tuple[float, float]]]
"""A uniform, an exponential and a normal number, and for each queue a uniform and an exponential one."""


@dataclass(frozen=True, slots=True)
class Alone:
    """An extraction as it would be if it had everything to itself."""

    duration_s: float
    weight: float
    """Its weight."""
    work_s: float
    """CPU time within the duration."""
    asks: bool
    """Whether it uses a pool."""
    missed: bool = False
    """Whether a look-up in a cache did not hit."""


class ExtractionMix:
    """A group of extractions at any rate.

    Args:
        group: With a weight above 0 in all.
    """

    def __init__(self, group: Sequence[Alone]) -> None:
        self.weight = math.fsum(one.weight for one in group)
        """Return their weight."""
        self.mean_s = math.fsum(one.duration_s * one.weight for one in group) / self.weight
        self.work_s = math.fsum(one.work_s * one.weight for one in group) / self.weight
        self.works = WorkTimes(alike([(one.work_s, one.weight) for one in group]))
        """CPU times of extractions that represent all, each as likely."""
        self._group = tuple(group)
        self._rows = _rows_of(group)
        self._draws = _draws(len(self._rows))

    def scaled(self, factor: float) -> ExtractionMix:
        """Return the same, each so many times as long; CPU time is counted, and stays."""
        return ExtractionMix([replace(one, duration_s=one.duration_s * factor) for one in self._group])

    def durations(self, stations: Sequence[Station], rate: float, work_mean_s: float) -> list[float]:
        """Return how long they take, in seconds and in order, each as likely as the other; none where a station is overloaded.

        Args:
            stations: Of the service.
            rate: The service's extractions a second.
            work_mean_s: Mean CPU time of the service's extractions.
        """
        shared = sharing(stations, rate)
        queues = [
            (place % _QUEUES, *one.waits(rate), _users(one))
            for place, one in enumerate(one for one in stations if one.kind in WAITED_FOR)
        ]
        if shared.overloaded or any(math.isinf(wait_s) for _, _, wait_s, _ in queues):
            return []
        waited = [[queue[:3] for queue in queues if users >= queue[3]] for users in range(_KINDS_OF_USERS)]
        found: list[float] = []
        slowed: dict[float, tuple[float, float, float]] = {}
        for (base_s, work_s, users), draws in zip(self._rows, self._draws, strict=True):
            if work_s not in slowed:
                slowed[work_s] = _slowed(shared, work_s, work_mean_s)
            found += _lengthened(base_s, slowed[work_s], waited[users], draws)
        found.sort()
        return found


def quantile(durations: Sequence[float], share: float) -> float:
    """Return the value that `share` (0..1) of durations in order do not exceed; infinite where there are none."""
    if not durations:
        return math.inf
    return durations[min(len(durations) - 1, max(0, math.ceil(share * len(durations)) - 1))]


def _slowed(shared: Sharing, work_s: float, mean_s: float) -> tuple[float, float, float]:
    """Return how much longer some work takes: in the mean, the share that is slowed, and the mean or, at share 1, the deviation.

    Args:
        shared: The processors at a rate.
        work_s: CPU time.
        mean_s: The mean of all CPU times.
    """
    mean = shared.extra_s(work_s)
    if mean <= 0:
        return 0.0, 0.0, 0.0
    # Threads share the interpreter after their calls, too; a task waits its turn.
    waited_s = shared.resuming_s if shared.held_s == math.inf else 0.0
    variance = shared.resuming_variance_s2 if waited_s else 0.0
    if mean > waited_s:
        # An extraction that hardly computes but still waits is treated as one that computes.
        variance += variance_s2(1 + (mean - waited_s) / work_s, work_s, mean_s) if work_s > 0 else mean * mean
    if variance >= mean * mean:
        each = (variance + mean * mean) / (2 * mean)
        return mean, mean / each, each
    return mean, 1.0, math.sqrt(variance)


def _lengthened(
    base_s: float,
    slowed: tuple[float, float, float],
    waited: Sequence[tuple[int, float, float]],
    draws: Sequence[_Draw],
) -> list[float]:
    """Return the durations of a row, one for each draw: its own, with what processors and queues add.

    Processors add 0 or an exponential value where that varies more than an exponential one, else a gamma-distributed one:
    E. Wilson, M. Hilferty, "The distribution of chi-square", PNAS 17, 1931. A fit and its knee ask for millions of values, so this
    is flat.

    Args:
        base_s: Its duration alone.
        slowed: See `_slowed`.
        waited: Of each queue the place of its numbers, the share that waits, and how long those do in the mean.
        draws: Of its numbers.
    """
    mean, share, each = slowed
    if share < 1:
        found = (
            [base_s + each * draw[1] if draw[0] < share else base_s for draw in draws]
            if mean
            else [base_s] * len(draws)
        )
    elif each <= 0:
        found = [base_s + mean] * len(draws)
    else:
        ninth = (each / mean) ** 2 / 9
        middle, deviation = 1 - ninth, math.sqrt(ninth)
        found = [base_s + mean * root**3 if (root := middle + draw[2] * deviation) > 0 else base_s for draw in draws]
    for place, waiting, wait_s in waited:
        if waiting > 0:
            for row, draw in enumerate(draws):
                chance, long = draw[3][place]
                if chance < waiting:
                    found[row] += wait_s * long
    return found


def _users(station: Station) -> int:
    """Return which extractions wait for a station: 0 all, 1 those that use a pool, 2 those that also miss."""
    return 0 if station.kind != POOL else 2 if station.of_misses else 1


def alike(values: Sequence[tuple[float, float]], count: int = _WORKS) -> list[float]:
    """Resample weighted values, so that each represents the same weight."""
    ordered = sorted(values)
    step = math.fsum(weight for _, weight in ordered) / count
    found: list[float] = []
    reached = 0.0
    for value, weight in ordered:
        reached += weight
        while len(found) < count and (len(found) + 0.5) * step < reached:
            found.append(value)
    return found


def _rows_of(group: Sequence[Alone]) -> list[tuple[float, float, int]]:
    """Return extractions with equal weights, by repeating each in proportion to its weight."""
    ordered = sorted(group, key=lambda one: (one.asks, one.missed, one.duration_s))
    step = math.fsum(one.weight for one in ordered) / _ROWS
    found, reached, place = [], 0.0, 0
    for one in ordered:
        reached += one.weight
        while place < _ROWS and (place + 0.5) * step < reached:
            found.append((one.duration_s, one.work_s, one.asks + (one.asks and one.missed)))
            place += 1
    return found


@lru_cache(maxsize=8)
def _draws(rows: int) -> list[list[_Draw]]:
    """Return the numbers of each row: the same for every mix, and each kind spread evenly over its range."""
    rng = random.Random(_SEED)
    count = rows * _DRAWS

    def even() -> list[float]:
        places = [(place + 0.5) / count for place in range(count)]
        rng.shuffle(places)
        return places

    def exponential() -> list[float]:
        return [-math.log(1 - value) for value in even()]

    queues = [list(zip(even(), exponential(), strict=True)) for _ in range(_QUEUES)]
    shared = list(zip(even(), exponential(), map(_NORMAL.inv_cdf, even()), strict=True))
    numbers = [(*shared[place], [one[place] for one in queues]) for place in range(count)]
    return [numbers[row * _DRAWS : (row + 1) * _DRAWS] for row in range(rows)]
