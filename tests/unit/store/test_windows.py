"""Sums over windows: equal to a plain reference, at every resolution."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_fe import semconv
from otel_fe.store.counts import Counts, pack_buckets
from otel_fe.store.distribution import Distribution
from otel_fe.store.limits import StoreLimits, Tier
from otel_fe.store.points import COUNTER, MetricPoint
from otel_fe.store.series_keys import Which
from otel_fe.testing import FakeClock
from tests.effort import examples
from tests.unit.store.parts import HOUR, MINUTE, NS, T0, bed, counter, histogram

SMALL = StoreLimits(tiers=(Tier(60, 2 * 3600), Tier(600, 5 * 3600), Tier(3600, 90 * 86400)))
"""Kept so short that a test crosses every bound."""

steps = st.lists(
    st.tuples(
        st.sampled_from(("a", "b")),
        # Between an export every 20 s and a gap of four hours.
        st.integers(20, 120) | st.integers(121, 4 * 3600),
        st.integers(0, 1000),
        st.sampled_from(("", "", "", "", "restart", "reset", "us")),
    ),
    max_size=25,
)


def spread(since_ns, until_ns, value):
    """Return which minute (s) has how much, plainly: whole where the interval is ordinary, else evenly."""
    if until_ns - since_ns <= 120 * NS:
        return {(until_ns - 1) // MINUTE * 60: value}
    width = MINUTE if until_ns - since_ns <= 90 * MINUTE else 10 * MINUTE
    found = Counter()
    edges = [since_ns, *range((since_ns // width + 1) * width, until_ns, width), until_ns]
    for low, high in pairwise(edges):
        upto, before = ((edge - since_ns) * value // (until_ns - since_ns) for edge in (high, low))
        found[low // MINUTE * 60] += upto - before
    return found


class Process:
    """One that counts, and says so."""

    def __init__(self, name, now_ns):
        self.name = name
        self.restart(now_ns)

    def restart(self, now_ns):
        self.start_ns = self.told_ns = now_ns
        self.value = 0

    def count(self, now_ns, value, expected):
        self.value += value
        expected.update(spread(self.told_ns, now_ns, value))
        self.told_ns = now_ns
        return counter(self.value, now_ns, self.start_ns, process=self.name)


@settings(deadline=None, max_examples=examples(80))
@given(steps, st.data())
def test_windows_hold_what_was_counted_in_them(tmp_path_factory, made, data):
    """Whatever restarts, resets, is silent for hours or rolled up; adjacent windows add up to both together."""
    expected = Counter()
    with bed(tmp_path_factory.mktemp("store"), SMALL) as store:
        processes = {name: Process(name, T0) for name in "ab"}
        for name, seconds, value, happens in made:
            process = processes[name]
            store.clock.advance(seconds)
            now_ns = store.clock.time_ns()
            if happens == "restart":
                process.restart(now_ns - 10 * NS)
            elif happens == "reset" and process.value > value:
                process.value = 0
            elif happens == "us":
                store.reopen()
            store.points(process.count(now_ns, value, expected))
            store.tidy()
        # What retention goes by: after a restart that follows hours of silence, the clock is not trusted at once.
        now_s = store.settled.now_s()
        whole = store.reader.series.count(Which("things"), 0, 1 << 62)
        assert whole == sum(expected.values())
        moments = st.integers(T0 - HOUR, store.clock.time_ns() + HOUR)
        bounds = sorted(data.draw(st.lists(moments, min_size=2, max_size=6)))
        sums = [store.reader.series.count(Which("things"), low, high) for low, high in pairwise(bounds)]
        for (low, high), found in zip(pairwise(bounds), sums, strict=True):
            low_s, high_s = snapped(low, now_s), snapped(high, now_s)
            assert found == sum(value for time_s, value in expected.items() if low_s <= time_s < high_s)
        assert sum(sums) == store.reader.series.count(Which("things"), bounds[0], bounds[-1])


def snapped(time_ns, now_s):
    """Return where a bound lies, in s: at the next row that is still kept."""
    time_s = -(-time_ns // NS)
    alive = [tier.width_s for tier in SMALL.tiers if max(0, now_s - tier.keep_s) // 3600 * 3600 <= time_s]
    width = min(alive)
    return -(-time_s // width) * width


@settings(deadline=None, max_examples=examples(25))
@example([[0, 0, 0, 0]] * 7 + [[0, 0, 0, 2], [38, 0, 0, 10], [0, 9, 2, 6], [0, 20, 0, 25]], 256)
@given(st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=1, max_size=40), st.integers(1, 300))
def test_rolled_up_histograms_are_exact(tmp_path_factory, made, apart):
    """Buckets and sums are the same to the last one before and after, at any age."""
    with bed(tmp_path_factory.mktemp("store"), SMALL) as store:
        held, total = [0] * 4, 0
        for counts in made:
            store.clock.advance(apart)
            held = [a + b for a, b in zip(held, counts, strict=True)]
            total += sum(counts) * 123_456_789
            store.points(histogram(held, store.clock.time_ns(), total=total / NS))
        for _ in range(4):
            found = store.reader.series.histogram(Which("took"), 0, 1 << 62)
            assert found.count == sum(held)
            assert found.total == total / NS
            assert [found.at_most(edge) for edge in (0.05, 0.1, 0.2)] == [sum(held[: i + 1]) for i in range(3)]
            store.clock.advance(3 * 3600)
            store.tidy()


@settings(deadline=None, max_examples=examples(25))
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40), st.integers(1, 300))
def test_rolled_up_fractions_are_exact(tmp_path_factory, made, apart):
    """A counter of seconds is kept in nanoseconds, and its sum is that of all of them, in however many rows."""
    with bed(tmp_path_factory.mktemp("store"), SMALL) as store:
        for value in made:
            store.clock.advance(apart)
            now = store.clock.time_ns()
            point = MetricPoint("busy", "s", COUNTER, "shop", {}, "a", now - NS, now, True, Counts(value), NS)
            store.points(point)
        for _ in range(4):
            assert store.reader.series.count(Which("busy"), 0, 1 << 62) == sum(made) / NS
            store.clock.advance(3 * 3600)
            store.tidy()


def test_rows_that_are_too_fine_for_their_age_are_removed(tmp_path):
    """Only the coarsest are left in the end, and then none; the series goes with them."""
    with bed(tmp_path / "s", SMALL, FakeClock(T0 + MINUTE)) as store:
        store.points(counter(5, T0 + MINUTE))
        rows = lambda: [  # noqa: E731
            row[0] for row in store.session._connection.execute("SELECT width_s FROM counter ORDER BY 1")
        ]
        assert rows() == [60, 600, 3600]
        for hours, left in ((4, [600, 3600]), (4, [3600]), (24 * 91, [])):
            store.clock.advance(hours * 3600)
            store.tidy()
            assert rows() == left
        assert store.reader.series.keys() == []
        store.points(counter(9, store.clock.time_ns(), start_ns=store.clock.time_ns() - MINUTE))
        assert store.reader.series.count(Which("things"), 0, 1 << 62) == 9


def test_a_clock_of_ours_that_was_years_ahead_does_not_keep_everything_out(tmp_path):
    """After the clock was years ahead, the rows removed meanwhile stay removed, and new ones are stored."""
    with bed(tmp_path / "s", SMALL) as store:
        store.clock._time_ns += 1000 * 24 * HOUR
        store.tidy()
        store.clock._time_ns = T0 + HOUR
        store.tidy()
        store.points(counter(5, T0 + HOUR, start_ns=T0 + 59 * MINUTE))
        assert store.reader.series.count(Which("things"), T0, T0 + 2 * HOUR) == 5


def test_steps_add_up_to_the_window(store):
    """Over minutes, ten minutes, hours; a step begins at a multiple of its width."""
    for minute in range(1, 121):
        store.points(counter(minute * 3, T0 + minute * MINUTE), histogram((minute, 0, 0, 0), T0 + minute * MINUTE))
    for step in (MINUTE, 7 * MINUTE, 10 * MINUTE, HOUR):
        found = store.reader.series.count_by_step(Which("things"), T0, T0 + 2 * HOUR, step)
        assert sum(value for _, value in found) == 360
        assert all(time_ns % step == 0 for time_ns, _ in found)
        by_step = store.reader.series.histogram_by_step(Which("took"), T0, T0 + 2 * HOUR, step)
        assert sum(distribution.count for _, distribution in by_step) == 120
    assert store.reader.series.count_by_step(Which("things"), T0, T0 + 2 * HOUR, HOUR)[1] == (T0 + HOUR, 180)


def test_slo_sums(store):
    """Good and all, by service and feature set; an empty feature set asks for those without."""
    name = semconv.SLO_EVENTS
    for feature_set, good, bad in (("user", 90, 10), ("", 5, 5)):
        for told, value in ((True, good), (False, bad)):
            labels = {semconv.SLO: "latency", semconv.GOOD: told} | (
                {semconv.FEATURE_SET: feature_set} if feature_set else {}
            )
            store.points(counter(value, T0 + 5 * MINUTE, T0 + 4 * MINUTE, name=name, **labels))
    sums = store.reader.sums
    window = ("latency", T0, T0 + HOUR)
    assert sums.good_and_total(*window) == (95, 110)
    assert sums.good_and_total(*window, "shop", "user") == (90, 100)
    assert sums.good_and_total(*window, feature_set="") == (5, 10)
    assert sums.good_and_total("memory", T0, T0 + HOUR) == sums.good_and_total(*window, "nobody") == (0, 0)
    assert sums.groups("latency") == [("shop", ""), ("shop", "user")]
    assert sums.first_ns() == T0 + 4 * MINUTE
    assert sums.count(name, T0, T0 + HOUR, slo="latency", good=False) == 15


@pytest.mark.parametrize(("share", "value"), [(0.0, 0.0), (0.5, 0.1), (0.25, 0.05), (0.95, 0.4), (1.0, 0.4)])
def test_quantiles_lie_evenly_within_a_bucket(share, value):
    """A quantile is interpolated within its bucket; above the last edge it is that edge, as with Prometheus."""
    found = Distribution()
    found.add((0.1, 0.2, 0.4), pack_buckets({0: 50, 2: 40, 3: 10}), 100, 0, 0)
    expected = {0.95: 0.4}.get(share, value)
    assert found.quantile(share) == pytest.approx(expected)
    assert Distribution().quantile(0.5) is None


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_series_with_different_edges_are_one_distribution(values, share):
    """The quantile lies in the bucket that the true one lies in, whichever series counted it."""
    from bisect import bisect_left

    shapes = ((1.0, 2.0, 4.0, 8.0, 16.0), (0.5, 3.0, 10.0, 16.0))
    found = Distribution()
    for index, value in enumerate(values):
        shape = shapes[index % 2]
        found.add(shape, pack_buckets({bisect_left(shape, value): 1}), 1, 0, 0)
    estimate = found.quantile(share)
    for edge in (16.0,):
        assert found.at_most(edge) == pytest.approx(len(values))
    assert 0.0 <= estimate <= 16.0
    assert found.at_most(estimate) == pytest.approx(share * len(values), abs=1e-6) or estimate == 0.0
