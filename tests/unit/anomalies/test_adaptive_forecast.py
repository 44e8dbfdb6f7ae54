"""Forecasts some days ahead, backtested on labelled series and on public load traces."""

from __future__ import annotations

import math
import random

import pytest

from otel_fe.anomalies.adaptive_forecast import MODEL, WEEK_BEFORE, SeriesForecast, forecast
from otel_fe.anomalies.kinds import KINDS, THROUGHPUT
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.units import HOUR_S
from tests.real.load_traces import BICYCLES, OCCUPANCY, ROAD
from tests.unit.anomalies.backtest import Score, backtest, hourly
from tests.unit.anomalies.labelled import make

DAY = 24
SEEDS = range(200, 205)
"""Of the twenty that `make bench ARGS=forecast` shows, with longer stretches of the traces."""


def water_flow():
    """Return the load of a pipeline branch over two months, hourly: river's `WaterFlow`, which its wheel contains."""
    from river import datasets

    return hourly((x["Time"].timestamp(), y) for x, y in datasets.WaterFlow())


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_labelled_series_are_forecast_better_than_by_the_week_before(kind):
    """Incidents, drifts and gaps included, of seeds that the method was not made with. The 80 % interval holds 70 to 90 %."""
    found = Score()
    for seed in SEEDS:
        found.add(backtest(kind, hourly(make(kind.name, seed).points)))
    assert found.modelled == found.asked
    assert 0.7 <= found.coverage <= 0.9
    assert min(found.coverages()) > 0.7
    assert found.relative_error < 0.95


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("trace", "since", "until"),
    [(ROAD, "2018-03-01", "2018-05-01"), (BICYCLES, "2018-09-01", "2018-11-01")],
    ids=lambda value: getattr(value, "name", value),
)
def test_public_load_traces_are_forecast_better_than_by_the_week_before(trace, since, until):
    """Forecasts beat the week before on parts of the traces that were not used for tuning; on some days they equal it."""
    found = backtest(THROUGHPUT, trace.between(since, until))
    assert found.made == found.asked
    assert found.modelled > found.asked / 4
    assert 0.7 <= found.coverage <= 0.9
    assert found.relative_error < 0.95


@pytest.mark.thorough
def test_a_trace_of_much_the_same_weeks_is_forecast_no_worse_than_by_the_week_before():
    """Occupancy of roads. A mean of errors would choose the model in the weeks after holidays, which is 15 % worse there."""
    found = backtest(THROUGHPUT, OCCUPANCY.between("2016-02-01", "2016-05-01"))
    assert found.made == found.asked
    assert 0 < found.modelled < found.asked
    assert 0.7 <= found.coverage <= 0.9
    assert found.relative_error < 1


def test_a_trace_of_water_is_forecast_better_than_by_the_week_before():
    found = backtest(THROUGHPUT, water_flow())
    assert found.modelled > 30
    assert 0.7 <= found.coverage <= 0.9
    assert found.relative_error < 0.65


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
    assert found.course == MODEL
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


def test_a_series_that_is_no_better_known_than_by_its_week_before_is_forecast_by_that():
    """A course of the week that the regression cannot follow, repeated with a little noise: each hour jumps to a level of its own."""
    draw = random.Random(6)
    levels = [(hour * 7919) % 97 + 10.0 for hour in range(168)]
    points = [
        (hour * float(HOUR_S), levels[hour % 168] * math.exp(draw.gauss(0, 0.01)))
        for hour in range(480_000, 480_000 + 28 * DAY)
    ]
    before = dict(points[-168:])
    found = forecast(points, THROUGHPUT)
    assert found.course == WEEK_BEFORE
    assert all(one.value == pytest.approx(before[one.unix_s - 168 * HOUR_S]) for one in found.hours)
    inside = [one.low <= levels[round(one.unix_s / HOUR_S) % 168] <= one.high for one in found.hours]
    assert sum(inside) > 0.8 * 168  # the level itself is nearer than another noisy week
    assert all(one.high < 1.2 * one.low for one in found.hours)


def test_missing_hours_are_left_out():
    points = [one for place, one in enumerate(daily(20 * DAY)) if place % 7 and not 200 <= place < 230]
    assert isinstance(forecast(points, THROUGHPUT, 48), SeriesForecast)
