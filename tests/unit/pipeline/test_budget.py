from __future__ import annotations

import random
from datetime import datetime, timezone
from fractions import Fraction

import pytest

from otel_fe.model.slo import EventCounts
from otel_fe.model.time_windows import Calendar
from otel_fe.pipeline.budget import Projection, project, remaining
from otel_fe.units import MINUTE_NS
from tests.simulation.minutes import GROUP, START_NS, Minutes, slo, steady

DAY = 1440
ERRORS = slo(Fraction("0.99"))


def projected(slo, bad, total):
    """Return the projection at the end of the events, in minutes from then."""
    now = START_NS + len(total) * MINUTE_NS
    found = project(slo, Minutes(bad, total), now)[GROUP]
    return [
        None if one is None else (one - now) / MINUTE_NS for one in (found.ends_ns, found.earliest_ns, found.latest_ns)
    ]


@pytest.mark.parametrize(
    ("objective", "bad", "total", "left"),
    [
        ("0.99", 0, 1000, 1),
        ("0.99", 5, 1000, Fraction(1, 2)),
        ("0.99", 10, 1000, 0),
        ("0.99", 25, 1000, Fraction(-3, 2)),
        ("0.99", 0, 0, None),
        ("1", 0, 1000, 1),
        ("1", 3, 1000, 0),
    ],
)
def test_what_is_left(objective, bad, total, left):
    """Exact, and negative where overspent."""
    assert remaining(slo(Fraction(objective)), EventCounts(bad, total)) == left


def test_nothing_ends_while_all_is_well():
    """No bad events at all, and as many as may be."""
    assert projected(ERRORS, [0] * 40 * DAY, [100] * 40 * DAY)[0] is None
    assert projected(ERRORS, steady(0.005, 100, 40 * DAY), [100] * 40 * DAY)[0] is None


def test_without_recent_events_nothing_is_known():
    """A gap is no forecast."""
    bad, total = [1] * DAY + [0] * 400, [100] * DAY + [0] * 400
    assert project(ERRORS, Minutes(bad, total), START_NS + len(total) * MINUTE_NS)[GROUP] == Projection(
        None, None, None
    )


def test_a_spent_budget_ends_now():
    """A spent budget ends now, without a forecast."""
    assert projected(ERRORS, [5] * DAY, [100] * DAY) == [0, 0, 0]


def test_steady_burning_ends_when_arithmetic_says():
    """30 good days, then 6x for six hours: 1 % of 30 days' events at 6 % a minute are spent after 5 days in all."""
    total = [100] * (30 * DAY + 360)
    ends, earliest, latest = projected(ERRORS, [0] * 30 * DAY + [6] * 360, total)
    assert ends == pytest.approx(5 * DAY - 360, rel=1e-6)
    assert earliest < ends < latest


def test_what_leaves_a_rolling_window_is_known():
    """A bad day 29 days ago leaves soon: the budget that it took comes back, and the end is later than without that."""
    recent = [2] * 360
    quiet = [0] * (29 * DAY)
    total = [100] * (DAY + 29 * DAY + 360)
    after_a_bad_day = projected(ERRORS, [20] * DAY + quiet + recent, total)[0]
    never_leaving = (0.01 * 30 * DAY * 100 - 20 * (DAY - 360) - 2 * 360) / 2
    assert after_a_bad_day > never_leaving


def test_bad_events_of_a_calendar_s_month_stay():
    """Events of a calendar window do not expire, and new ones add to the budget: (b N - bad) / (rate (p - b))."""
    month = slo(Fraction("0.99"), Calendar(datetime.fromisoformat("2023-11-01"), timezone.utc, 1, "M"))
    total = [100] * 2 * DAY
    bad = [0] * (2 * DAY - 360) + [3] * 360
    end = (0.01 * 100 * 2 * DAY - 3 * 360) / (3 - 1)
    assert projected(month, bad, total)[0] == pytest.approx(end, rel=1e-6)


@pytest.mark.parametrize("burst", [1, 20])
def test_the_interval_holds_the_end(burst):
    """19 of 20 times, also where bad events come in bursts; seeded."""
    chance, rate, budget = 0.03, 200, 0.01
    month = slo(Fraction("0.99"), Calendar(datetime.fromisoformat("2023-11-14T22:13"), timezone.utc, 1, "M"))
    held = 0
    for seed in range(100):
        draw = random.Random(seed)
        total = [rate] * 10 * DAY
        # Bursts of `burst` bad events at once.
        bad = [0] * (10 * DAY - 360) + [
            burst * sum(draw.random() < chance for _ in range(rate // burst)) for _ in range(360)
        ]
        _, earliest, latest = projected(month, bad, total)
        truth = (budget * rate * 10 * DAY - sum(bad)) / (rate * (chance - budget))
        held += earliest <= truth <= latest
    assert held >= 88
