"""Rates are over the time in which extractions were counted, however long the window is."""

from __future__ import annotations

import pytest

from otel_fe import semconv
from otel_fe.model.metric import Metric, Point, ResourceMetrics
from otel_fe.store.counted_time import seconds_of
from otel_fe.store.limits import StoreLimits
from tests.unit.store.parts import HOUR, MINUTE, NS, T0, bed


def events(start_ns, time_ns, count, service="shop"):
    """Return a process's cumulative count since its start."""
    point = Point({"slo": "latency", "good": True}, start_ns, time_ns, count)
    metric = Metric(semconv.SLO_EVENTS, "{extraction}", False, (point,))
    return ResourceMetrics({"service.name": service, "service.instance.id": f"{start_ns}"}, "x", (metric,))


def seconds(store, since_ns, until_ns, service=None):
    return seconds_of(store.reader.sums.counted(since_ns, until_ns, service), since_ns, until_ns)


@pytest.fixture
def store(tmp_path):
    with bed(tmp_path) as made:
        made.clock.advance(3 * 3600.0)
        yield made


@pytest.mark.parametrize("window_s", [120, 900, 3_600])
def test_half_a_minute_of_load_is_half_a_minute_in_every_window(store, window_s):
    """277 a second are 277 a second, also where the window reaches past the data at both ends."""
    began = T0 + 2 * HOUR
    for passed in (10, 20, 30):
        store.points(events(began, began + passed * NS, 277 * passed))
    window = (began - 30 * NS, began + (window_s - 30) * NS)
    assert seconds(store, *window) == 30
    total = store.reader.sums.good_and_total("latency", *window)[1]
    assert total / seconds(store, *window) == 277


def test_a_process_that_idles_still_counts(store):
    """An idle process's points count as time without events, so its rate falls."""
    for passed in range(1, 11):
        store.points(events(T0, T0 + passed * MINUTE, 600))
    assert seconds(store, T0, T0 + HOUR) == 600


def test_processes_of_a_service_count_at_once_and_downtime_does_not(store):
    """Two replicas for the same ten minutes are ten minutes; the hour in which none ran is no time."""
    for start in (T0, T0 + 30 * NS, T0 + 2 * HOUR):
        store.points(events(start, start + 10 * MINUTE, 5))
    assert seconds(store, T0, T0 + 3 * HOUR) == 630 + 600
    assert seconds(store, T0, T0 + 3 * HOUR, "other") == 0


def test_services_apart_and_together(store):
    store.points(events(T0, T0 + MINUTE, 5), events(T0 + HOUR, T0 + HOUR + MINUTE, 5, "other"))
    assert [seconds(store, T0, T0 + 2 * HOUR, service) for service in ("shop", "other", None)] == [60, 60, 120]


def test_what_began_before_it_was_known_counts_from_when_it_was_heard_of(tmp_path):
    """A cumulative count of a process that is two days old is a baseline, and its two days are no counted time."""
    with bed(tmp_path) as store:
        store.points(events(T0 - 48 * HOUR, T0 - MINUTE, 100))
        store.points(events(T0 - 48 * HOUR, T0, 160))
        assert seconds(store, T0 - 72 * HOUR, T0 + HOUR) == 60


def test_a_process_that_is_older_than_a_day_counts_all_the_time_however_rarely_it_exports(tmp_path):
    """A process exists between two points of one start, also if it exports only every five minutes."""
    with bed(tmp_path) as store:
        for exported in range(13):
            store.points(events(T0 - 48 * HOUR, T0 + exported * 5 * MINUTE, 100 + 60 * exported))
            store.clock.advance(300.0)
        assert seconds(store, T0 - HOUR, T0 + HOUR) == 3600


def test_the_time_between_two_starts_is_not_counted(tmp_path):
    """Each is older than a day, and was heard of once: nothing says for how long it was there."""
    with bed(tmp_path) as store:
        store.points(events(T0 - 48 * HOUR, T0 - 3 * HOUR, 100))
        store.points(events(T0 - 47 * HOUR, T0, 5))
        assert seconds(store, T0 - 72 * HOUR, T0 + HOUR) == 0


def test_what_is_too_old_is_forgotten(tmp_path):
    """Counted time is removed when it is older than the coarsest rows."""
    limits = StoreLimits()
    with bed(tmp_path, limits) as store:
        store.points(events(T0 - HOUR, T0, 5))
        store.clock.advance(limits.tiers[-1].keep_s + 7200.0)
        store.points(events(store.clock.time_ns() - HOUR, store.clock.time_ns(), 5))
        store.tidy()
        assert seconds(store, 0, store.clock.time_ns()) == 3600
