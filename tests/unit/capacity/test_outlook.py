"""A service's next week: a month of hours in a store, traffic that grows, and a budget that is spent too fast."""

from __future__ import annotations

import dataclasses
import math
import random
from fractions import Fraction

import pytest

from otel_fe import semconv
from otel_fe.capacity.budget_hours import Moment
from otel_fe.capacity.outlook import BudgetEnd, outlook
from otel_fe.capacity.services import ServiceCapacity
from otel_fe.capacity.text import document, in_words
from otel_fe.config.openslo import default_slos
from otel_fe.model.metric import Metric, Point, ResourceMetrics
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS
from tests.unit.capacity.simulated import _histogram
from tests.unit.store.parts import HOUR, NS, T0, bed

HOURS = 21 * 24
BAD_HOURS = 240
UNTIL = T0 + HOURS * HOUR
LABELS = {semconv.FEATURE_SET: "profile"}


def hour_of(place, draw):
    """Return what a service counted in an hour: a day's course; a share of bad ones that is above the budget of the last week."""
    begin, end = T0 + place * HOUR, T0 + (place + 1) * HOUR - NS
    count = round(1_000 * math.exp(0.4 * math.sin(2 * math.pi * place / 24) + draw.gauss(0, 0.03)))
    bad = round(count * (0.01 if place < HOURS - BAD_HOURS else 0.09))
    durations = [0.05] * (count - bad) + [0.3] * bad
    events = tuple(
        Point(LABELS | {semconv.SLO: "latency", semconv.GOOD: good}, begin, end, value)
        for good, value in ((True, count - bad), (False, bad))
    )
    return ResourceMetrics(
        {"service.name": "service", "service.instance.id": "a"},
        "otel_fe",
        (
            _histogram(semconv.DURATION, durations, DURATION_EDGES_NS, LABELS, begin, end),
            Metric(semconv.SLO_EVENTS, "{extraction}", True, events),
        ),
    )


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    draw = random.Random(3)
    with bed(tmp_path_factory.mktemp("outlook") / "store") as made:
        made.clock.advance(ns=UNTIL - T0)
        made.write("metrics", *[[hour_of(place, draw)] for place in range(HOURS)])
        yield made


@pytest.fixture(scope="module")
def ahead(month):
    return outlook(month.reader, "service", default_slos(), UNTIL, 0.38)


def test_traffic_goes_on_as_by_the_hour(ahead):
    """A day's course around 1 000 an hour, from two thirds to half as much again."""
    assert all(one.startswith("latency") for one in ahead.silent)
    for one in ahead.traffic.hours[:48]:
        place = (one.unix_s * NS - T0) / HOUR
        assert one.value == pytest.approx(1_000 / 3_600 * math.exp(0.4 * math.sin(2 * math.pi * place / 24)), rel=0.12)
        assert one.low <= one.value <= one.high


def test_headroom_is_used_up_at_the_peak_of_the_day(ahead):
    """0.38/s is reached where the course is near its top, 0.41/s, the next day."""
    assert UNTIL / NS <= ahead.headroom.earliest_unix_s <= ahead.headroom.expected_unix_s < UNTIL / NS + 26 * 3_600
    place = round((ahead.headroom.expected_unix_s * NS - T0) / HOUR) % 24
    assert 3 <= place <= 9


def test_the_budget_ends_when_it_is_spent(ahead):
    """9 % bad of which 5 % may be, after eleven days with 1 %: the hour in which the sums cross, within a day."""
    bad = 0.01 * (HOURS - BAD_HOURS) + 0.09 * BAD_HOURS
    hours = next(n for n in range(1, 400) if bad + 0.09 * n > 0.05 * (HOURS + n))
    (budget,) = ahead.budgets
    assert (budget.slo, budget.feature_set) == ("latency", "profile")
    assert budget.end.expected_unix_s == pytest.approx(UNTIL / NS + hours * 3_600, abs=24 * 3_600)
    assert budget.end.earliest_unix_s <= budget.end.expected_unix_s


@pytest.mark.thorough
def test_words_and_json_tell_when(ahead):
    one = ServiceCapacity("service", 2.0, refused="Too few.", outlook=ahead)
    text = in_words([one])
    assert "traffic ahead: up to " in text
    assert "headroom: used up " in text
    assert "error budget of latency of profile: ends " in text
    (value,) = document([one])
    (budget,) = value["outlook"]["error_budgets"]
    assert (budget["used_up"], budget["refused"]) == (False, "")
    assert budget["ends"]["expected_unix_s"] == ahead.budgets[0].end.expected_unix_s
    assert value["outlook"]["headroom_used_up"]["expected_unix_s"] == ahead.headroom.expected_unix_s


def test_a_short_history_says_so(month):
    found = outlook(month.reader, "service", default_slos(), T0 + 48 * HOUR, None)
    assert found.traffic is None
    assert "72 h are needed" in found.silent[0]


def test_a_budget_that_is_used_up_says_so(month):
    """A used-up budget (1 % bad allowed) is reported as used up."""
    (latency,) = (one for one in default_slos() if one.name == "latency")
    strict = dataclasses.replace(latency, objective=Fraction(99, 100))
    found = outlook(month.reader, "service", [strict], UNTIL, None)
    (budget,) = found.budgets
    assert budget.used_up
    assert budget.end.expected_unix_s == UNTIL / NS
    assert "error budget of latency of profile: used up" in in_words([ServiceCapacity("service", 2.0, outlook=found)])


def test_a_budget_without_a_forecast_says_why(ahead):
    refused = BudgetEnd("latency", "profile", Moment(None, None), refused="The history has too many gaps.")
    one = ServiceCapacity("service", 2.0, outlook=dataclasses.replace(ahead, budgets=(refused,)))
    assert "error budget of latency of profile: no forecast. The history has too many gaps." in in_words([one])
