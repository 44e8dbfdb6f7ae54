"""Forecasts of what is known already: how many hours lie inside their intervals, and how far off they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from otel_fe.anomalies.adaptive_forecast import MODEL, _Run
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.units import HOUR_S

DAY = 24
WARM_UP_HOURS = 14 * DAY
FURTHEST = (6, 24, 72, 168)
"""Hours ahead, by which intervals are also looked at."""


@dataclass
class Score:
    """The score of week-long forecasts, one per day."""

    asked: int = 0
    made: int = 0
    modelled: int = 0
    """Those made by the model; the others are the week before."""
    error: float = 0.0
    """Sum of absolute errors on the kind's even scale, of the forecasts by the model."""
    naive: float = 0.0
    """The same of the week before, for the same hours."""
    other: float = 0.0
    """The same of the forecasts that are the week before."""
    inside: dict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    """Whether each hour lies inside its interval, by how far ahead it was."""

    @property
    def coverage(self) -> float:
        """Share of the hours that lie inside their interval."""
        hours = [one for part in self.inside.values() for one in part]
        return sum(hours) / len(hours)

    @property
    def relative_error(self) -> float:
        """Error of the forecasts by the model over that of the seasonal naive forecast; 1 without any."""
        return self.error / self.naive if self.naive else 1.0

    @property
    def shown_error(self) -> float:
        """Error of all that is shown over that of the seasonal naive forecast."""
        return (self.error + self.other) / (self.naive + self.other)

    def coverages(self) -> list[float]:
        """Return the coverage by how far ahead."""
        return [sum(self.inside[until]) / len(self.inside[until]) for until in FURTHEST]

    def add(self, other: Score) -> None:
        """Take in another series'."""
        self.asked, self.made = self.asked + other.asked, self.made + other.made
        self.modelled += other.modelled
        self.error, self.naive = self.error + other.error, self.naive + other.naive
        self.other += other.other
        for until, hours in other.inside.items():
            self.inside[until] += hours


def hourly(points):
    """Return the mean of each hour that has any."""
    hours = defaultdict(list)
    for unix_s, value in points:
        if value is not None:
            hours[int(unix_s // HOUR_S)].append(value)
    return [(hour * float(HOUR_S), sum(values) / len(values)) for hour, values in sorted(hours.items())]


def backtest(kind, points):
    """Forecast a week once a day from the third week on, each time knowing only what was before."""
    actual, run, found = dict(points), _Run(kind), Score()
    for place, (unix_s, value) in enumerate(points):
        run.take(round(unix_s / HOUR_S), value)
        if place < WARM_UP_HOURS or place % DAY:
            continue
        found.asked += 1
        try:
            said = run.forecast(168)
        except ForecastError:
            continue
        found.made += 1
        found.modelled += said.course == MODEL
        for ahead, one in enumerate(said.hours, 1):
            if one.unix_s in actual:
                even = kind.even(actual[one.unix_s])
                until = next(most for most in FURTHEST if ahead <= most)
                found.inside[until].append(one.low <= actual[one.unix_s] <= one.high)
                naive = abs(even - run._before(round(one.unix_s / HOUR_S)))
                if said.course == MODEL:
                    found.error += abs(even - kind.even(one.value))
                    found.naive += naive
                else:
                    found.other += naive
    return found
