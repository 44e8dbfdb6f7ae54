"""A series some days ahead, with intervals that adapt to how often they were missed.

The regression on hour and weekday of the detector (`season.py`) runs along the series, with the level of the last hours on top. At
each point it is asked about the hours ahead, and later how far off it was. Intervals are quantiles of those errors, wider where
they were missed too often and narrower where too seldom: I. Gibbs, E. Candès, "Adaptive conformal inference under distribution
shift", NeurIPS 2021. The same hour of the week before is asked as well: where that does as well, nothing is said.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from otel_fe.anomalies.season import Season
from otel_fe.forecast.forecast_error import ForecastError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.anomalies.kinds import Kind

HOUR_S: Final = 3_600
_DAY: Final = 24
_WEEK: Final = 168
HORIZONS: Final = (1, 2, 3, 6, 12, 18, 24, 36, 48, 72, 96, 120, 144, 168)
"""Hours ahead at which errors are kept; in between they are interpolated."""
FEWEST_HOURS: Final = 72
"""Of history, without which nothing is said."""
_FEWEST_ERRORS: Final = 24
"""At a horizon; without as many, it is too far ahead."""
_MOST_ERRORS: Final = 336
"""The last two weeks': older ones are of another service."""
_LEVEL: Final = 0.25
_KEEPS: Final = 0.97
"""The share of a deviation of the level that is left an hour later."""
_CUT: Final = 3.0
_INSIDE: Final = 0.8
"""The share of hours that an interval is to hold."""
_STEP: Final = 0.05
_CAUTION: Final = 0.08
_RELATED: Final = 36
"""Errors of so many hours in a row count as one: they are much the same."""
_WIDEST: Final = 1.5


@dataclass(frozen=True, slots=True)
class Ahead:
    """A forecast of one hour."""

    unix_s: float
    """When the hour begins."""
    value: float
    low: float
    """Of the 80 % interval."""
    high: float


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """The hours ahead."""

    hours: tuple[Ahead, ...]
    error: float
    """Mean absolute error so far on the kind's even scale, over all horizons up to a day."""
    naive_error: float
    """The same of the same hour of the week, or day, before."""

    def first_above(self, limit: float) -> tuple[float | None, float | None]:
        """Return when the expected value, and when the upper bound, first reach a limit (Unix s); None where they do not."""
        expected = next((one.unix_s for one in self.hours if one.value >= limit), None)
        return expected, next((one.unix_s for one in self.hours if one.high >= limit), None)


def forecast(points: Sequence[tuple[float, float]], kind: Kind, hours: int = _WEEK) -> SeriesForecast:
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
            f"{len(points)} h of history are too few to know what is usual: {FEWEST_HOURS} h are needed."
        )
    run = _Run(kind)
    for unix_s, value in points:
        run.take(round(unix_s / HOUR_S), value)
    return run.forecast(hours)


@dataclass(slots=True)
class _Asked:
    """The forecast of an hour, made some hours before."""

    ahead: int
    expected: float
    naive: float
    half: float | None
    """Of the interval; None where errors were not known yet."""


@dataclass(slots=True)
class _Horizon:
    """The record of forecasts so many hours ahead."""

    ahead: int
    errors: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_ERRORS))
    """Absolute ones."""
    naive: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_ERRORS))
    share: float = 0.0
    """Of the errors that the interval has to hold so that it holds 80 % of what comes."""
    wanted: float = _INSIDE

    def __post_init__(self) -> None:
        # What is learned of days ahead comes days late, and much the same error many times: aim a little higher.
        self.wanted += _CAUTION * min(1.0, self.ahead / (2 * _DAY))
        self.share = self.wanted

    def half(self) -> float | None:
        """Return half of the interval's width; None where too few errors are known."""
        count = len(self.errors)
        if count < _FEWEST_ERRORS:
            return None
        independent = count / max(1, min(self.ahead, _RELATED))
        share = self.share * (independent + 1) / independent
        ordered = sorted(self.errors)
        place = round(share * (count + 1)) - 1
        return ordered[max(0, min(count - 1, place))] * max(1.0, share)

    def settle(self, asked: _Asked, even: float) -> None:
        """Take in how far off a forecast was."""
        error = abs(even - asked.expected)
        self.errors.append(error)
        self.naive.append(abs(even - asked.naive))
        if asked.half is not None:
            missed = error > asked.half
            self.share = min(_WIDEST, max(0.0, self.share + _STEP * (missed - (1 - self.wanted))))


class _Run:
    """Goes along a series, hour by hour."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._season = Season(_DAY)
        self._seen: dict[int, float] = {}
        self._level = self._spread = self._origin = 0.0
        self._last = 0
        self._asked: dict[int, list[_Asked]] = {}
        """By hour."""
        self._horizons = {ahead: _Horizon(ahead) for ahead in HORIZONS}

    def take(self, hour: int, value: float) -> None:
        """Learn from a point, and ask about what lies ahead of it."""
        even = self._kind.even(value)
        if not self._seen:
            self._origin = even
        for asked in self._asked.pop(hour, ()):
            self._horizons[asked.ahead].settle(asked, even)
        self._learn(hour, even)
        self._last = hour
        if len(self._seen) >= 2 * _DAY:
            for ahead, horizon in self._horizons.items():
                said = _Asked(ahead, self._expected(hour + ahead), self._before(hour + ahead), horizon.half())
                self._asked.setdefault(hour + ahead, []).append(said)
        if len(self._asked) > 4 * _WEEK:  # hours that never came
            self._asked = {at: said for at, said in self._asked.items() if at > hour}

    def forecast(self, hours: int) -> SeriesForecast:
        """Return the hours ahead, as far as errors are known."""
        halves = [(ahead, half) for ahead, one in self._horizons.items() if (half := one.half()) is not None]
        if not halves:
            raise ForecastError("The history has too many gaps to know how far off forecasts are.")
        error, naive = (self._mean_error(name) for name in ("errors", "naive"))
        if error >= naive:
            raise ForecastError(
                "So far the same hour of the week before would have been as good a forecast: none is made."
            )
        found = []
        for ahead in range(1, min(hours, halves[-1][0]) + 1):
            expected, half = self._expected(self._last + ahead), _between(halves, ahead)
            values = [self._kind.back(expected + off) for off in (0.0, -half, half)]
            found.append(Ahead((self._last + ahead) * HOUR_S, values[0], min(values), max(values)))
        return SeriesForecast(tuple(found), error, naive)

    def _learn(self, hour: int, even: float) -> None:
        unix_s = (hour + 0.5) * HOUR_S
        season = self._season.expected(unix_s) + self._origin if self._seen else even
        gone = hour - self._last if self._seen else 1
        self._level *= _KEEPS ** min(gone, _WEEK)
        residual = even - season - self._level
        # An incident does not become the usual: what is learned is cut off.
        cut = _CUT * self._spread if len(self._seen) > 2 * _DAY else abs(residual)
        residual = max(-cut, min(cut, residual))
        self._spread += (1.2533 * abs(residual) - self._spread) / min(len(self._seen) + 1, _WEEK)
        self._season.learn(unix_s, season + self._level + residual - self._origin)
        self._level += _LEVEL * residual
        self._seen[hour] = even
        self._seen.pop(hour - 3 * _WEEK, None)

    def _expected(self, hour: int) -> float:
        level = self._level * _KEEPS ** (hour - self._last)
        return self._season.expected((hour + 0.5) * HOUR_S) + self._origin + level

    def _before(self, hour: int) -> float:
        """Return the value of the same hour a week before, or two; until there is one, of the day before."""
        for back in (_WEEK, 2 * _WEEK, *range(_DAY, 9 * _DAY, _DAY)):
            found = self._seen.get(hour - back)
            if found is not None and hour - back <= self._last:
                return found
        return self._seen[self._last]

    def _mean_error(self, name: str) -> float:
        errors = [one for ahead in HORIZONS if ahead <= _DAY for one in getattr(self._horizons[ahead], name)]
        return math.fsum(errors) / len(errors)


def _between(halves: Sequence[tuple[int, float]], ahead: int) -> float:
    """Return a value between those of the two nearest horizons."""
    for (low, below), (high, above) in pairwise(halves):
        if low <= ahead <= high:
            return below + (above - below) * (ahead - low) / (high - low)
    return halves[0][1] if ahead < halves[0][0] else halves[-1][1]
