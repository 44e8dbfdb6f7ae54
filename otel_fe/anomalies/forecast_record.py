"""The record of forecasts some hours ahead: which of several courses came closer, and how wide an interval has to be.

Courses are weighed by their errors so far. Intervals are quantiles of the errors of the weighed forecast, wider where they were
missed too often and narrower where too seldom: I. Gibbs, E. Candès, "Adaptive conformal inference under distribution shift",
NeurIPS 2021. Errors are counted over what is usual at that hour of the day, so that a quiet night and a busy noon each have
their own width.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY: Final = 24
_FEWEST_ERRORS: Final = 24
"""Errors that a horizon needs; with fewer, it is too far ahead."""
_MOST_ERRORS: Final = 336
"""The last two weeks': older ones are of another service."""
_MOST_COMPARED: Final = 672
"""The last four weeks': a holiday, and the week after it, must not decide which forecast is shown."""
_INSIDE: Final = 0.8
"""The share of hours that an interval is to hold."""
_STEP: Final = 0.05
_CAUTION: Final = 0.025
_RELATED: Final = 36
"""Errors of so many hours in a row count as one: they are much the same."""
_WIDEST: Final = 1.5
_FORGETS: Final = 0.01
"""The weight of the newest error among all that courses are weighed by."""
_SHARPNESS: Final = 6
"""A course with errors twice as large counts 2^6 times less."""
_HOURLY: Final = 0.7
"""Of what is usual at an hour of the day, the part of that hour itself; the rest is that of all."""
_FEWEST_OF_HOUR: Final = 3
_LAST_OF_HOUR: Final = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """The forecast of an hour, made some hours before."""

    ahead: int
    courses: Sequence[float]
    expected: float
    half: float | None
    """Half of the interval, in usual deviations; None where errors were not known yet."""
    usual: float
    """The deviation that is usual at that hour of the day."""


class UsualDeviation:
    """The usual error of forecasts by hour of the day, relative to that of all hours."""

    def __init__(self) -> None:
        self._all = 0.0
        self._count = 0
        self._by_hour = [0.0] * DAY
        self._counts = [0] * DAY

    def learn(self, hour: int, off: float) -> None:
        """Take in how far off a value was."""
        place = hour % DAY
        self._count += 1
        self._counts[place] += 1
        self._all += (abs(off) - self._all) / min(self._count, _MOST_ERRORS)
        self._by_hour[place] += (abs(off) - self._by_hour[place]) / min(self._counts[place], _LAST_OF_HOUR)

    def at(self, hour: int) -> float:
        """Return what is usual at an hour, above 0; 1 is what is usual for all."""
        place = hour % DAY
        if not self._all or self._counts[place] < _FEWEST_OF_HOUR:
            return 1.0
        return 1.0 + _HOURLY * (self._by_hour[place] / self._all - 1.0)


@dataclass(slots=True)
class Horizon:
    """The record of forecasts so many hours ahead, of so many courses."""

    ahead: int
    courses: int
    errors: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_COMPARED))
    """Absolute ones."""
    _scores: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_ERRORS))
    """Errors in usual deviations."""
    _share: float = 0.0
    """Share of the scores that the interval must hold in order to hold 80 % of what comes."""
    _wanted: float = _INSIDE
    _sums: list[float] = field(default_factory=list)
    """Sums of each course's errors, older ones forgotten."""

    def __post_init__(self) -> None:
        # What is learned of days ahead comes days late, and much the same error many times: aim a little higher.
        self._wanted += _CAUTION * min(1.0, self.ahead / (2 * DAY))
        self._share = self._wanted
        self._sums = [0.0] * self.courses

    def weigh(self, values: Sequence[float]) -> float:
        """Return the forecast: the courses' values, each by its errors so far."""
        total = math.fsum(self._sums)
        if not total:
            return math.fsum(values) / len(values)
        weights = [(one / total + 1e-9) ** -_SHARPNESS for one in self._sums]
        return math.fsum(w * value for w, value in zip(weights, values, strict=True)) / math.fsum(weights)

    def half(self) -> float | None:
        """Return half of the interval's width in usual deviations; None where too few errors are known."""
        count = len(self._scores)
        if count < _FEWEST_ERRORS:
            return None
        independent = count / self._related
        share = self._share * (independent + 1) / independent
        place = round(share * (count + 1)) - 1
        return sorted(self._scores)[max(0, min(count - 1, place))] * max(1.0, self._share)

    def settle(self, asked: Asked, even: float) -> None:
        """Take in how far off a forecast was."""
        error = abs(even - asked.expected)
        self.errors.append(error)
        self._scores.append(error / asked.usual)
        for place, value in enumerate(asked.courses):
            self._sums[place] += _FORGETS * (abs(even - value) - self._sums[place])
        if asked.half is not None:
            missed = error > asked.half * asked.usual
            # A day of misses is one miss where each hour of it was forecast days before.
            step = _STEP / self._related
            self._share = min(_WIDEST, max(0.0, self._share + step * (missed - (1 - self._wanted))))

    @property
    def _related(self) -> int:
        return max(1, min(self.ahead, _RELATED))
