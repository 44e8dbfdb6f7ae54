"""When an error budget is used up, by its events hour by hour: paths of the next week, drawn from how fast it is spent now.

It is unknown how long the current pace has lasted and will last. Each path therefore takes the pace of another stretch of the last
days, with an error as large as the difference from one day to the next; a third of the paths continue the rise or fall of the last
three days. The 80 % interval lies between the 10th and the 90th percentile of their ends. No path has a future change of trend.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.units import HOUR_NS, HOUR_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.anomalies.adaptive_forecast import SeriesForecast
    from otel_fe.model.slo import Slo

DAY: Final = 24
_WEEK: Final = 168
_DAYS: Final = 10
"""Days from which the course of the day, and the difference between days, are known."""
_FEWEST: Final = 72
"""Hours with events that a forecast needs."""
_CALM: Final = 0.3
"""A budget of which a week spends less than this share of what it may is not looked at further."""
_PACES: Final = (6, 12, 24, 48)
"""Hours, the last ones, whose pace a path goes on with."""
_PATHS: Final = 200
_LEAST_SPREAD: Final = 0.15
"""Least spread of the logarithm of a pace, however alike the last days were."""
_TRENDING: Final = 1 / 3
_STEEPEST: Final = 0.3
"""A day, of the logarithm."""
_KEEPS: Final = 0.85
"""The share of a trend that is left a day later."""
_PRIOR: Final = 20.0
"""Events at the mean share that each part of a day is taken to have had besides: few say nothing of its course."""
_SEED: Final = 1_917
_NORMAL: Final = 0.6745 * math.sqrt(2)
"""The median absolute difference of two normally distributed values, over their standard deviation."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is expected to happen."""

    expected_unix_s: float | None
    """None: not in the time that is looked ahead."""
    earliest_unix_s: float | None
    """Earlier end of the 80 % interval."""
    latest_unix_s: float | None = None
    """Later end of the 80 % interval; None: maybe not in this time."""


@dataclass(frozen=True, slots=True)
class BudgetHours:
    """The events of an SLO, hour by hour."""

    bad: dict[int, float]
    """Keyed by hour since 1970."""
    total: dict[int, float]
    last: int
    """The last whole hour."""
    slo: Slo

    def calm(self) -> bool:
        """Return whether the last week has spent so little that no end is near."""
        recent = range(self.last - _WEEK + 1, self.last + 1)
        total = sum(self.total.get(hour, 0.0) for hour in recent)
        return sum(self.bad.get(hour, 0.0) for hour in recent) <= _CALM * float(self.slo.budget) * total

    def used_up(self) -> bool:
        """Return whether more than the budget is bad already."""
        return self._over(range(self._begin(self.last), self.last + 1)) > 0

    def end(self, traffic: SeriesForecast) -> Moment:
        """Return when more than the budget is bad, by a forecast of traffic and the pace of the last days.

        Raises:
            ForecastError: Too few hours have events.
        """
        hours = range(self.last - _DAYS * DAY + 1, self.last + 1)
        with_events = sum(1 for hour in hours if self.total.get(hour))
        if with_events < _FEWEST:
            raise ForecastError(
                f"Only {with_events} of the last {_DAYS * DAY} hours have events; {_FEWEST} are needed to estimate the pace."
            )
        scale = self._scale(traffic)
        paces = _Paces([(self.bad.get(hour, 0.0), self.total.get(hour, 0.0)) for hour in hours], hours[0])
        left = self._left_over(len(traffic.hours))
        counts = [one.value * scale for one in traffic.hours]
        allowed, chance = float(self.slo.budget), random.Random(_SEED)  # noqa: S311 no secret
        ends = []
        for number in range(_PATHS):
            path = paces.path(_PACES[number % len(_PACES)], len(counts), chance)
            spent = accumulate(n * (share - allowed) for n, share in zip(counts, path, strict=True))
            ends.append(
                next(
                    (ahead for ahead, (new, old) in enumerate(zip(spent, left, strict=True)) if new + old > 0), math.inf
                )
            )
        ends.sort()
        middle, low, high = (self._at(ends[int(share * len(ends))]) for share in (0.5, 0.1, 0.9))
        return Moment(middle, low, high)

    def _at(self, ahead: float) -> float | None:
        return None if math.isinf(ahead) else float((self.last + 1 + ahead) * HOUR_S)

    def _begin(self, hour: int) -> int:
        """Return the first hour of the SLO's window that ends with an hour."""
        return self.slo.window.begin_ns((hour + 1) * HOUR_NS) // HOUR_NS

    def _over(self, hours: range) -> float:
        """Return the bad events of some hours beyond the budget of their events."""
        return math.fsum(self._beyond(hours))

    def _beyond(self, hours: range) -> list[float]:
        allowed = float(self.slo.budget)
        return [self.bad.get(at, 0.0) - allowed * self.total.get(at, 0.0) for at in hours]

    def _left_over(self, ahead: int) -> list[float]:
        """Return what the hours so far are beyond the budget in the windows of each hour ahead, as far as they are in them."""
        begins = [self._begin(self.last + 1 + at) for at in range(ahead)]
        if not begins:
            return []
        first = min(begins)
        beyond = self._beyond(range(first, self.last + 1))
        return [math.fsum(beyond[begin - first :]) for begin in begins]

    def _scale(self, traffic: SeriesForecast) -> float:
        """Return the events of this group in an hour for an extraction a second of the whole service."""
        recent = [self.total.get(hour, 0.0) for hour in range(self.last - DAY + 1, self.last + 1)]
        rates = [one.value for one in traffic.hours[:DAY]]
        mean = sum(rates) / len(rates)
        return sum(recent) / len(recent) / mean if mean else 0.0


class _Paces:
    """How fast a budget is spent: the course of the day, the levels of the last hours, how far days differ, and their trend.

    Args:
        events: Bad and all of each of the last hours, whole days of them.
        first: The hour of the first, since 1970.
    """

    def __init__(self, events: Sequence[tuple[float, float]], first: int) -> None:
        self._events = events
        self._first = first
        self._mean = (sum(bad for bad, _ in events) + 1) / sum(total for _, total in events)
        self._course = self._course_of_day()
        self._expected = [total * self._course[(first + at) % DAY] for at, (_, total) in enumerate(events)]
        days = [self._level(at, at + DAY) for at in range(0, len(events), DAY)]
        apart = sorted(abs(math.log(one / other)) for one, other in pairwise(days))
        self._spread = max(_LEAST_SPREAD, apart[len(apart) // 2] / _NORMAL)
        self._trend = max(-_STEEPEST, min(_STEEPEST, math.log(days[-1] / days[-4]) / 3))

    def path(self, hours: int, ahead: int, chance: random.Random) -> list[float]:
        """Return the share of bad events in each of some hours ahead.

        Args:
            hours: The last ones, whose pace goes on.
            ahead: How many to draw.
            chance: To draw from.
        """
        level = self._level(len(self._events) - hours, len(self._events)) * math.exp(chance.gauss(0, self._spread))
        trend = self._trend if chance.random() < _TRENDING else 0.0
        found = []
        today = 1.0
        for at in range(ahead):
            if at % DAY == 0:
                level *= math.exp(trend * _KEEPS ** (at // DAY))
                today = math.exp(chance.gauss(0, self._spread) - self._spread**2 / 2)
            found.append(min(1.0, level * today * self._course[(self._first + len(self._events) + at) % DAY]))
        return found

    def _course_of_day(self) -> list[float]:
        """Return the share of each hour of the day over that day's, so that a change of level is no course; 1 on average."""
        bad, total = [_PRIOR] * DAY, [_PRIOR / self._mean] * DAY
        for begin in range(0, len(self._events), DAY):
            day = self._events[begin : begin + DAY]
            count = sum(one for _, one in day)
            share = (sum(one for one, _ in day) + _PRIOR * self._mean) / (count + _PRIOR)
            for at, (one, of) in enumerate(day):
                place = (self._first + begin + at) % DAY
                bad[place] += one / share * self._mean
                total[place] += of
        return [one / of / self._mean for one, of in zip(bad, total, strict=True)]

    def _level(self, begin: int, end: int) -> float:
        """Return the share of bad events in some hours, without the course of the day; above 0."""
        bad = sum(one for one, _ in self._events[begin:end])
        return (bad + 0.5) / (sum(self._expected[begin:end]) + 0.5 / self._mean)
