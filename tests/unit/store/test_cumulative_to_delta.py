"""Cumulative counts become increments, through restarts of the process, of the collector, and jumps of the clock."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2

from otel_fe.model.exponential import ExponentialHistogram
from otel_fe.model.metric import Metric, Point, ResourceMetrics
from otel_fe.store.database import FILE_NAME
from otel_fe.store.series_keys import Which
from otel_fe.testing import FakeClock
from tests.unit.store.parts import HOUR, MINUTE, NS, T0, bed, counter, histogram, pairs

DAY = 24 * HOUR


def total(store, since=0, until=T0 + 100 * DAY, name="things", **labels):
    """Return by how much a counter has risen."""
    return store.reader.series.count(Which(name, None, labels), since, until)


def test_cumulative_points_count_once(store):
    """Each adds what it has more than the one before; one that says the same again adds nothing."""
    for minute, value in ((1, 5), (2, 5), (3, 9), (3, 9)):
        store.points(counter(value, T0 + minute * MINUTE))
    assert total(store) == 9
    assert total(store, T0, T0 + 2 * MINUTE) == 5
    assert total(store, T0 + 2 * MINUTE, T0 + 3 * MINUTE) == 4


def test_a_restart_begins_at_zero_and_is_told_by_its_start(store):
    """A restart is recognised even where its first value is larger than the last of the process before."""
    store.points(counter(5, T0 + MINUTE))
    store.points(counter(7, T0 + 2 * MINUTE, start_ns=T0 + 70 * NS))
    assert total(store) == 12
    assert not store.tally


def test_a_reset_with_the_same_start_counts_from_zero(store):
    """A smaller value is a reset, even if the start time is unchanged."""
    store.points(counter(50, T0 + MINUTE), counter(3, T0 + 2 * MINUTE))
    assert (total(store), store.tally) == (53, {"reset": 1})


def test_what_was_overtaken_adds_nothing(store):
    """A point that is older, and less, is part of what is known."""
    store.points(counter(9, T0 + 3 * MINUTE), counter(7, T0 + 2 * MINUTE), counter(11, T0 + 4 * MINUTE))
    assert (total(store), store.tally) == (11, {"stale": 1})


def test_processes_add_up(store):
    """Processes are distinguished by their resources, although a series has only their service."""
    for process in "abc":
        store.points(counter(5, T0 + MINUTE, process=process))
    assert total(store) == 15
    assert len(store.reader.series.keys("things")) == 1


def test_a_gap_is_spread_over_its_minutes(store):
    """Counts after an hour without points are spread over it, not shown as a burst, and none is lost."""
    store.points(counter(10, T0 + MINUTE))
    store.points(counter(610, T0 + 61 * MINUTE))
    assert total(store) == 610
    assert total(store, T0 + 30 * MINUTE, T0 + 35 * MINUTE) == 50
    assert total(store, T0 + 60 * MINUTE, T0 + 61 * MINUTE) == 10


def test_a_clock_that_is_put_back_loses_nothing(store):
    """After the clock is set back, new counts are stored at the times that it shows."""
    store.points(counter(5, T0 + 30 * MINUTE), counter(8, T0 + 10 * MINUTE), counter(9, T0 + 11 * MINUTE))
    assert total(store) == 9
    assert total(store, T0 + 9 * MINUTE, T0 + 11 * MINUTE) == 4


def test_what_comes_from_the_future_is_of_now(store):
    """Points of a sender whose clock is ahead are not stored in the future, where no page would show them for months."""
    store.points(
        counter(5, T0 + 5 * DAY, start_ns=T0 + 5 * DAY - MINUTE),
        counter(6, T0 + 6 * DAY, start_ns=T0 + 5 * DAY - MINUTE),
    )
    assert total(store, T0 + 119 * MINUTE, T0 + 121 * MINUTE) == 6


def test_what_began_before_we_can_remember_only_sets_the_mark(store):
    """An old series may have been counted and forgotten, as may one that does not say when it began."""
    store.points(counter(1000, T0, start_ns=T0 - 3 * DAY), counter(1001, T0 + MINUTE, start_ns=T0 - 3 * DAY))
    store.points(counter(70, T0, start_ns=0, process="b"), counter(72, T0 + MINUTE, start_ns=0, process="b"))
    assert (total(store), store.tally) == (3, {"baseline": 2})


def test_what_is_known_of_a_process_survives_us(store):
    """A crash of ours neither repeats nor loses what it has counted."""
    store.points(counter(5, T0 + MINUTE))
    store.reopen()
    store.points(counter(8, T0 + 2 * MINUTE))
    assert total(store) == 8


def test_deltas_add_up_and_a_repeated_one_counts_once(store):
    """A sender repeats what it got no answer to."""
    first = counter(5, T0 + MINUTE, T0, delta=True)
    store.points(first, first, counter(4, T0 + 2 * MINUTE, T0 + MINUTE, delta=True))
    assert (total(store), store.tally) == (9, {"repeated": 1})


def test_histograms_reset_by_bucket(store):
    """One bucket that is less is enough, though there are more in all."""
    which = Which("took")
    store.points(histogram((5, 0, 0, 0), T0 + MINUTE, total=0.1), histogram((5, 2, 0, 1), T0 + 2 * MINUTE, total=0.7))
    assert store.reader.series.histogram(which, T0 + MINUTE, T0 + HOUR).count == 3
    store.points(histogram((4, 9, 0, 1), T0 + 3 * MINUTE, total=0.9))
    found = store.reader.series.histogram(which, T0, T0 + HOUR)
    assert (found.count, store.tally) == (8 + 14, {"reset": 1})
    assert found.total == pytest.approx(0.7 + 0.9, abs=1e-9)
    assert found.at_most(0.05) == 5 + 4


def test_an_exponential_histogram_may_become_coarser(store):
    """A histogram's earlier counts are still known after its scale falls."""
    made = ExponentialHistogram(20)
    for minute, values in ((1, (1.0, 1.1, 1.2)), (2, (900.0, 0.001, 0.0))):
        for value in values:
            made.record(value)
        metric = Metric("took", "s", False, (Point({}, T0, T0 + minute * MINUTE, made.state()),))
        store.points(ResourceMetrics({}, "x", (metric,)))
    found = store.reader.series.histogram(Which("took"), T0, T0 + HOUR)
    assert (found.count, store.tally) == (6, {})
    assert found.quantile(1.0) >= 900
    assert found.quantile(0.1) == 0
    assert store.reader.series.histogram(Which("took"), T0 + MINUTE, T0 + HOUR).count == 3


def test_series_past_the_bound_are_folded_into_one(tmp_path):
    """Counts of series past the limit are kept in one series that is marked as overflow."""
    from otel_fe.store.limits import StoreLimits
    from tests.unit.store.parts import bed

    with bed(tmp_path / "s", StoreLimits(max_series=2)) as store:
        for user in range(5):
            store.points(counter(1, T0 + MINUTE, user=user))
        assert total(store) == 5
        assert total(store, **{"otel.metric.overflow": True}) == 3
        assert store.tally["folded"] >= 3
        # The number of known processes is limited, too; points of further ones are refused and counted.
        for process in range(30):
            store.points(counter(1, T0 + MINUTE, process=str(process), user=0))
        assert total(store) == 20
        assert store.tally["refused"] == 15


def test_otlp_of_an_sdk(store):
    """Sums, gauges, histograms of both kinds; what cannot be added up, or says nothing, is left out."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend(pairs({"service.name": "shop", "process.pid": 7}))
    scoped = group.scope_metrics.add()
    frame = {"start_time_unix_nano": T0, "time_unix_nano": T0 + MINUTE}
    cumulative = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
    for name, value in (("ints", {"as_int": 4}), ("doubles", {"as_double": 2.5})):
        metric = scoped.metrics.add(name=name)
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = cumulative
        metric.sum.data_points.add(**value, **frame, attributes=pairs({"good": True}))
        metric.sum.data_points.add(**value, **frame, flags=1)
    scoped.metrics.add(name="open").sum.data_points.add(as_int=3, **frame)
    scoped.metrics.add(name="heat").gauge.data_points.add(as_double=36.6, **frame)
    scoped.metrics.add(name="heat").gauge.data_points.add(as_double=float("nan"), **frame)
    scoped.metrics.add(name="old").summary.data_points.add(count=3, **frame)
    took = scoped.metrics.add(name="took", unit="s").histogram
    took.aggregation_temporality = cumulative
    took.data_points.add(count=3, sum=0.3, bucket_counts=[1, 2], explicit_bounds=[0.1], **frame)
    took.data_points.add(count=2, sum=0.2, attributes=pairs({"plain": True}), **frame)
    store.write("metrics", request.SerializeToString())
    reader = store.reader.series
    assert reader.count(Which("ints", "shop", {"good": True}), T0, T0 + HOUR) == 4
    assert reader.count(Which("doubles"), T0, T0 + HOUR) == 2.5
    assert [gauge.last for gauge in reader.gauge_by_step(Which("heat"), T0, T0 + HOUR, MINUTE)] == [36.6]
    assert [gauge.most for gauge in reader.gauge_by_step(Which("open"), T0, T0 + HOUR, HOUR)] == [3.0]
    found = reader.histogram(Which("took", "shop"), T0, T0 + HOUR)
    assert (found.count, found.total) == (5, pytest.approx(0.5))
    assert reader.keys("old") == []
    assert store.write("metrics", b"\xff\xff\xff") == {"invalid": 1}


def test_a_stream_is_dated_once_a_minute_and_its_state_is_always_written(tmp_path):
    """A writer that begins anew continues from the last point; one whose row was removed meanwhile writes it again."""
    clock = FakeClock(T0)
    with (
        bed(tmp_path, clock=clock) as store,
        contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as file,
    ):

        def stored():
            return file.execute("SELECT seen_s - ?, count FROM stream", (T0 // NS,)).fetchall()

        for second, dated in ((0, 0), (59, 0), (60, 60), (61, 60)):
            clock.advance(ns=T0 + second * NS - clock.time_ns())
            store.points(counter(10 + second, T0 + second * NS))
            assert stored() == [(dated, 10 + second)]
        store.reopen()
        store.points(counter(80, T0 + 62 * NS))
        assert total(store) == 80
        file.execute("DELETE FROM stream")
        store.points(counter(90, T0 + 63 * NS))
        assert stored() == [(61, 90)]
