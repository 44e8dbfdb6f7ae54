"""Forecasts some days ahead, backtested on labelled series and on a public load trace."""

from __future__ import annotations

import math
import random
from collections import defaultdict

import pytest

from otel_fe.anomalies.ahead import HOUR_S, SeriesForecast, _Run, forecast
from otel_fe.anomalies.kinds import KINDS, THROUGHPUT
from otel_fe.forecast.forecast_error import ForecastError
from tests.unit.anomalies.labelled import make

DAY = 24
SEEDS = range(6)
"""Of twenty for each kind; all sixty give the same to a point, and take a minute."""


def hourly(points):
    """Return the mean of each hour that has any."""
    hours = defaultdict(list)
    for unix_s, value in points:
        if value is not None:
            hours[int(unix_s // HOUR_S)].append(value)
    return [(hour * float(HOUR_S), sum(values) / len(values)) for hour, values in sorted(hours.items())]


def water_flow():
    """Return the load of a pipeline branch over two months, hourly: river's `WaterFlow`, which its wheel contains."""
    from river import datasets

    return hourly((x["Time"].timestamp(), y) for x, y in datasets.WaterFlow())


def backtest(kind, points):
    """Forecast a week once a day from the third week on; return hours inside the interval, hours, and both sums of errors."""
    actual, run = dict(points), _Run(kind)
    inside = hours = 0
    error = naive = 0.0
    for place, (unix_s, value) in enumerate(points):
        run.take(round(unix_s / HOUR_S), value)
        if place < 14 * DAY or place % DAY:
            continue
        try:
            found = run.forecast(168)
        except ForecastError:
            continue
        for one in found.hours:
            if one.unix_s in actual:
                even = kind.even(actual[one.unix_s])
                hours += 1
                inside += one.low <= actual[one.unix_s] <= one.high
                error += abs(even - kind.even(one.value))
                naive += abs(even - run._before(round(one.unix_s / HOUR_S)))
    return inside, hours, error, naive


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_labelled_series_are_forecast_better_than_by_the_week_before(kind):
    """Incidents, drifts and gaps included. The 80 % interval holds 70 to 90 %."""
    found = [backtest(kind, hourly(make(kind.name, seed).points)) for seed in SEEDS]
    inside, hours, error, naive = (sum(one[place] for one in found) for place in range(4))
    assert 0.7 <= inside / hours <= 0.9
    assert error < 0.95 * naive


def test_a_public_load_trace_is_forecast_better_than_by_the_week_before():
    inside, hours, error, naive = backtest(THROUGHPUT, water_flow())
    assert hours > 4_000
    assert 0.7 <= inside / hours <= 0.9
    assert error < 0.6 * naive


def daily(hours):
    """Return a day's course with a little noise."""
    draw = random.Random(5)
    return [
        (hour * float(HOUR_S), 100 * math.exp(0.3 * math.sin(2 * math.pi * hour / DAY) + draw.gauss(0, 0.02)))
        for hour in range(480_000, 480_000 + hours)
    ]


def test_a_regular_course_goes_on():
    """A week ahead within 10 %, in narrow intervals, and it says when a limit is reached."""
    points = daily(35 * DAY)
    found = forecast(points[:-168], THROUGHPUT)
    assert len(found.hours) == 168
    for one, (unix_s, value) in zip(found.hours, points[-168:], strict=True):
        assert one.unix_s == unix_s
        assert one.value == pytest.approx(value, rel=0.1)
        assert one.low <= one.value <= one.high < 1.3 * one.low
    expected, earliest = found.first_above(130)
    assert expected is not None
    assert earliest is not None
    assert earliest <= expected
    assert found.first_above(1_000) == (None, None)


def test_a_short_history_is_no_forecast():
    with pytest.raises(ForecastError, match="72 h are needed"):
        forecast(daily(71), THROUGHPUT)


def test_a_series_that_is_no_better_known_than_by_its_week_before_is_not_forecast():
    """A course of the week that the regression cannot follow, exactly repeated: each hour jumps to a level of its own."""
    levels = [(hour * 7919) % 97 + 10.0 for hour in range(168)]
    points = [(hour * float(HOUR_S), levels[hour % 168]) for hour in range(480_000, 480_000 + 28 * DAY)]
    with pytest.raises(ForecastError, match="week before"):
        forecast(points, THROUGHPUT)


def test_missing_hours_are_left_out():
    points = [one for place, one in enumerate(daily(20 * DAY)) if place % 7 and not 200 <= place < 230]
    assert isinstance(forecast(points, THROUGHPUT, 48), SeriesForecast)
