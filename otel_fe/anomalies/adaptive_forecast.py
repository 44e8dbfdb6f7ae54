"""A series some days ahead, with intervals that adapt to how often they were missed.

Three courses run along the series: the regression on hour and weekday of the detector (`season.py`) and the mean of the
same hour of the last four weeks, each with the level of the last hours on top, and the same hour of the week before. At
each point they predict the hours ahead, and later how far off they were (`forecast_record.py`); the forecast weighs them by that.

The same hour of the week before, alone, is the seasonal naive forecast. Where the weighed one has not been closer in
clearly more than half of the hours of the last four weeks, the naive one is shown, with intervals of its own errors.
Hours are counted, since means are decided by holidays: the week after one hardly tells which forecast is better next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from otel_fe.anomalies.forecast_record import DAY, Asked, Horizon, UsualDeviation
from otel_fe.anomalies.season import Season
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.units import HOUR_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.anomalies.kinds import SeriesKind

_WEEK: Final = 168
_WEEKS: Final = 4
"""Weeks over which the mean of the same hour is taken."""
HORIZONS: Final = (1, 2, 3, 6, 12, 18, 24, 36, 48, 72, 96, 120, 144, 168)
"""Hours ahead at which errors are kept; in between they are interpolated."""
FEWEST_HOURS: Final = 72
"""Least history for a forecast."""
_LEVEL: Final = 0.25
_KEEPS: Final = 0.97
"""The share of a deviation of the level that is left an hour later."""
_CUT: Final = 3.0
CLOSER: Final = 0.52
"""The share of hours in which the weighed forecast has to have been closer than the week before, to be shown."""
MODEL: Final = "model"
WEEK_BEFORE: Final = "week before"


@dataclass(frozen=True, slots=True)
class Ahead:
    """A forecast of one hour."""

    unix_s: float
    """When the hour begins."""
    value: float
    low: float
    """Lower end of the 80 % interval."""
    high: float


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """The hours ahead."""

    hours: tuple[Ahead, ...]
    course: str = MODEL
    """`model`; or `week before`, where that has been as close: the same hour of the week before, of a day until there is one."""

    def first_above(self, limit: float) -> tuple[float | None, float | None]:
        """Return when the expected value, and when the upper bound, first reach a limit (Unix s); None where they do not."""
        expected = next((one.unix_s for one in self.hours if one.value >= limit), None)
        return expected, next((one.unix_s for one in self.hours if one.high >= limit), None)


def forecast(points: Sequence[tuple[float, float]], kind: SeriesKind, hours: int = _WEEK) -> SeriesForecast:
    """Return a series some hours ahead.

    Args:
        points: Unix time (s) of the beginning of an hour, and the value over it; in order, missing hours left out.
        kind: Of the series.
        hours: How far ahead; less is returned where the history is too short to know the errors.

    Raises:
        ForecastError: The history is too short.
        MissingExtraError: river is not installed.
    """
    if len(points) < FEWEST_HOURS:
        raise ForecastError(
            f"Only {len(points)} h of history are stored; {FEWEST_HOURS} h are needed to know what is usual."
        )
    run = _Run(kind)
    for unix_s, value in points:
        run.take(round(unix_s / HOUR_S), value)
    return run.forecast(hours)


@dataclass(slots=True)
class _Level:
    """The recent offset of a course from the measured values, and its variation."""

    now: float = 0.0
    spread: float = 0.0

    def learn(self, off: float, hours: int, seen: int) -> float:
        """Take in how far off the newest value is, some hours after the one before; return what is new of that."""
        self.now *= _KEEPS ** min(hours, _WEEK)
        residual = off - self.now
        # An incident does not become the usual: what is learned is cut off.
        cut = _CUT * self.spread if seen > 2 * DAY else abs(residual)
        residual = max(-cut, min(cut, residual))
        self.spread += (1.2533 * abs(residual) - self.spread) / min(seen + 1, _WEEK)
        return residual


class _Run:
    """Goes along a series, hour by hour."""

    def __init__(self, kind: SeriesKind) -> None:
        self._kind = kind
        self._season = Season(DAY)
        self._seen: dict[int, float] = {}
        self._origin = 0.0
        self._levels = (_Level(), _Level())
        """Levels of the regression, and of the same hour of the last weeks."""
        self._usual = UsualDeviation()
        self._last = 0
        self._asked: dict[int, list[tuple[Asked, Asked]]] = {}
        """Forecasts by hour: of the weighed forecast, and of the week before."""
        self._weighed = {ahead: Horizon(ahead, len(self._levels) + 1) for ahead in HORIZONS}
        self._naive = {ahead: Horizon(ahead, 1) for ahead in HORIZONS}

    def take(self, hour: int, value: float) -> None:
        """Learn from a point, and forecast the hours ahead of it."""
        even = self._kind.even(value)
        if not self._seen:
            self._origin = even
        for weighed, naive in self._asked.pop(hour, ()):
            self._weighed[weighed.ahead].settle(weighed, even)
            self._naive[naive.ahead].settle(naive, even)
        self._learn(hour, even)
        self._last = hour
        if len(self._seen) >= 2 * DAY:
            for ahead in HORIZONS:
                self._ask(hour + ahead, ahead)
        if len(self._asked) > 4 * _WEEK:  # hours that never came
            self._asked = {at: said for at, said in self._asked.items() if at > hour}

    def forecast(self, hours: int) -> SeriesForecast:
        """Return the hours ahead, as far as errors are known, by the model or by the week before.

        Raises:
            ForecastError: No errors are known.
        """
        model = self._closer() > CLOSER
        horizons = self._weighed if model else self._naive
        known = [(ahead, half) for ahead, one in horizons.items() if (half := one.half()) is not None]
        if not known:
            raise ForecastError("The history has too many gaps to estimate the error of a forecast.")
        # What is further ahead is not better known: few errors of days ahead may look so.
        widest = accumulate((half for _, half in known), max)
        halves = [(ahead, half) for (ahead, _), half in zip(known, widest, strict=True)]
        found = []
        for ahead in range(1, min(hours, halves[-1][0]) + 1):
            at = self._last + ahead
            nearest = horizons[next(one for one in HORIZONS if one >= ahead)]
            expected = nearest.weigh(self._expected(at) if model else (self._before(at),))
            half = _between(halves, ahead) * self._usual.at(at)
            values = [self._kind.back(expected + off) for off in (0.0, -half, half)]
            found.append(Ahead(at * HOUR_S, values[0], min(values), max(values)))
        return SeriesForecast(tuple(found), MODEL if model else WEEK_BEFORE)

    def _ask(self, hour: int, ahead: int) -> None:
        """Forecast an hour, to see later how far off that was."""
        courses, before, usual = self._expected(hour), self._before(hour), self._usual.at(hour)
        weighed, naive = self._weighed[ahead], self._naive[ahead]
        pair = (
            Asked(ahead, courses, weighed.weigh(courses), weighed.half(), usual),
            Asked(ahead, (before,), before, naive.half(), usual),
        )
        self._asked.setdefault(hour, []).append(pair)

    def _closer(self) -> float:
        """Return the share of the last hours, over all horizons, in which the weighed forecast was closer than the week before."""
        pairs = [
            one < other
            for ahead in HORIZONS
            for one, other in zip(self._weighed[ahead].errors, self._naive[ahead].errors, strict=True)
        ]
        return sum(pairs) / len(pairs) if pairs else 0.0

    def _learn(self, hour: int, even: float) -> None:
        gone = hour - self._last if self._seen else 1
        courses = self._courses(hour) if self._seen else (even, even)
        for place, (level, course) in enumerate(zip(self._levels, courses, strict=True)):
            new = level.learn(even - course, gone, len(self._seen))
            if not place:
                self._season.learn((hour + 0.5) * HOUR_S, course + level.now + new - self._origin)
            else:
                self._usual.learn(hour, new)
            level.now += _LEVEL * new
        self._seen[hour] = even
        self._seen.pop(hour - _WEEKS * _WEEK - 1, None)

    def _courses(self, hour: int) -> tuple[float, float]:
        """Return what is usual at an hour, by the regression, and by the same hour of the last weeks, where it counts as a week."""
        season = self._season.expected((hour + 0.5) * HOUR_S) + self._origin
        weeks = [self._seen[at] for back in range(1, _WEEKS + 1) if (at := hour - back * _WEEK) in self._seen]
        return season, math.fsum([season, *weeks]) / (len(weeks) + 1)

    def _expected(self, hour: int) -> tuple[float, ...]:
        left = _KEEPS ** (hour - self._last)
        courses = zip(self._courses(hour), self._levels, strict=True)
        return *(course + level.now * left for course, level in courses), self._before(hour)

    def _before(self, hour: int) -> float:
        """Return the value of the same hour a week before, or two; until there is one, of the day before."""
        for back in (_WEEK, 2 * _WEEK, *range(DAY, 9 * DAY, DAY)):
            found = self._seen.get(hour - back)
            if found is not None and hour - back <= self._last:
                return found
        return self._seen[self._last]


def _between(halves: Sequence[tuple[int, float]], ahead: int) -> float:
    """Return a value between those of the two nearest horizons."""
    for (low, below), (high, above) in pairwise(halves):
        if low <= ahead <= high:
            return below + (above - below) * (ahead - low) / (high - low)
    return halves[0][1] if ahead < halves[0][0] else halves[-1][1]
