"""Errors and cache hits by load: what falls with traffic limits it, what does not is said not to."""

from __future__ import annotations

import random

import pytest

from otel_fe import semconv
from otel_fe.capacity.other_objectives import ObjectiveEvents, load_effect
from otel_fe.capacity.services import capacity_of
from otel_fe.capacity.text import document, in_words
from otel_fe.config.openslo import default_slos
from otel_fe.model.metric import Metric, Point, ResourceMetrics
from tests.unit.capacity.conftest import RATES, SERVICE, UNTIL
from tests.unit.capacity.simulated import fill
from tests.unit.store.parts import MINUTE, T0, bed

LOADS = [20.0, 25.0, 30.0, 35.0, 40.0] * 6


def events(good, seed=1, total=1_000):
    """Return events of which a share, by the rate, is good; each stands for itself."""
    rng = random.Random(seed)
    return [ObjectiveEvents(rate, sum(rng.random() < good(rate) for _ in range(total)), total) for rate in LOADS]


def test_errors_that_grow_with_load_limit_it():
    """99.5 % at 20/s, 0.05 % less for each more: 98 % at 50/s, and at 60/s 97.5 %."""
    effect = load_effect("error_rate", 0.98, events(lambda rate: 0.995 - 0.0005 * (rate - 20), total=8_000), 60)
    assert effect.falls
    assert effect.broken_at == pytest.approx(50, rel=0.1)
    value, low, high = effect.then
    assert value == pytest.approx(0.975, abs=0.003)
    assert low < 0.975 < high
    assert low < value < high


@pytest.mark.parametrize("seed", range(10))
def test_errors_that_come_as_they_like_do_not_limit(seed):
    """Bad stretches that have nothing to do with load: three times as many errors in some of them."""
    rng = random.Random(seed)
    found = events(lambda _: 1 - rng.choice((0.01, 0.01, 0.03)), seed)
    assert not load_effect("error_rate", 0.9, found, 60).falls


def test_a_hit_rate_that_rises_with_load_does_not_limit():
    """Busy hours ask for the same keys more often."""
    effect = load_effect("cache_hit_rate", 0.8, events(lambda rate: 0.5 + 0.01 * rate), 60)
    assert not effect.falls
    assert effect.broken_at is None


def test_no_line_is_drawn_far_from_what_was_seen():
    effect = load_effect("error_rate", 0.5, events(lambda rate: 0.995 - 0.0005 * rate), 300)
    assert effect.falls
    assert effect.then is None
    assert effect.broken_at is None


def test_few_stretches_of_time_say_nothing():
    assert load_effect("error_rate", 0.99, events(lambda _: 0.9)[:8], 60) is None


def test_an_objective_that_never_failed_does_not_limit():
    assert not load_effect("error_rate", 0.99, events(lambda _: 1.0), 60).falls


def slo_events(place, rate, bad_share):
    """Return what a process sends of a minute for the objective of errors."""
    begin, end = T0 + place * MINUTE, T0 + (place + 1) * MINUTE - 1_000_000_000
    bad = round(60 * rate * bad_share)
    points = tuple(
        Point({semconv.FEATURE_SET: "profile", semconv.SLO: "error_rate", semconv.GOOD: good}, begin, end, count)
        for good, count in ((True, round(60 * rate) - bad), (False, bad))
    )
    events = Metric(semconv.SLO_EVENTS, "{extraction}", True, points)
    return ResourceMetrics({"service.name": "service", "service.instance.id": "b"}, "otel_fe", (events,))


def test_errors_of_a_store_end_the_headroom_before_the_pool_does(tmp_path):
    """0.04 % more errors for each extraction a second more: above 1 % from about 45 a second on."""
    with bed(tmp_path / "store") as made:
        made.clock.advance(ns=UNTIL - T0)
        fill(made.write, SERVICE, RATES, T0)
        made.write("metrics", *([slo_events(at, rate, 0.0004 * max(0.0, rate - 20))] for at, rate in enumerate(RATES)))
        (found,) = capacity_of(made.reader, default_slos(), (T0, UNTIL), 2.0)
    (errors,) = [one for one in found.effects if one.name == "error_rate"]
    assert errors.falls
    assert errors.broken_at == pytest.approx(45, rel=0.15)
    assert found.whole.headroom.value == errors.broken_at
    assert (found.whole.broken_by, found.whole.first) == ("error_rate", "")
    text = in_words([found])
    assert "error_rate: " in text
    assert "it falls as traffic grows" in text
    assert document([found])[0]["other_objectives"][0]["falls_with_traffic"] is True
