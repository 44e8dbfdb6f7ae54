"""Invariants of the live view for every input: it counts like a list of all events."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_fe.live.extraction_totals import ExtractionTotals
from otel_fe.live.timeline import LONGEST_NS, TIERS
from otel_fe.live.view import ExtractionGroup, LiveView
from otel_fe.model.edges import EDGES
from otel_fe.model.measurements import Measurements
from otel_fe.model.quantile import quantile
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS, ExtractionSeries
from otel_fe.semconv import DURATION, OVERFLOW
from otel_fe.store.counts import pack_buckets
from otel_fe.store.distribution import Distribution
from otel_fe.testing import FakeClock

LIMIT = 100_000_000


def _figures(duration_ns, kind):
    figures = Measurements()
    figures.duration_ns = duration_ns
    figures.feature_set = "ab"[kind & 1]
    figures.error_type = "KeyError" if kind & 2 else ""
    figures.cache_lookups = int(kind & 4 > 0) * 2
    figures.cache_hits = 2 if kind & 8 else 1
    figures.memory_growth_bytes = 2 * 10**9 if kind & 16 else -5
    figures.pool_waits, figures.pool_wait_ns = (1, 7) if kind & 32 else (0, 0)
    return figures


EVENTS = st.lists(
    st.tuples(st.integers(0, 4_000), st.integers(0, 10**10) | st.just(LIMIT), st.integers(0, 63)), max_size=60
)


@settings(deadline=None)
@given(EVENTS, st.sampled_from([10, 60, 300, 3600, 7200, 86_400]))
def test_windows_count_like_a_list(events, length_s):
    """Whatever the window: exactly the events since its beginning, at the edge of a slice."""
    clock = FakeClock()
    view = LiveView(clock, (50_000_000,))
    seen = []
    for seconds, duration, kind in events:
        clock.advance(seconds)
        figures = _figures(duration, kind)
        seen.append((clock.monotonic_ns(), figures))
        view.record(figures)
    window = view.overall(list(view.windows(length_s).values()), length_s)
    now = clock.monotonic_ns()
    width = next((t.width_ns for t in TIERS if t.reach_ns > length_s * 10**9), TIERS[-1].width_ns)
    begin = -(-(now - length_s * 10**9) // width) * width
    inside = [figures for at, figures in seen if at // TIERS[0].width_ns * TIERS[0].width_ns >= begin]
    tally = window.tally
    assert tally.count == len(inside)
    assert tally.errors == sum(bool(f.error_type) for f in inside)
    assert tally.looked_up == sum(f.cache_lookups > 0 for f in inside)
    assert tally.all_hit == sum(bool(f.all_hit) for f in inside)
    assert tally.reached == [sum(f.duration_ns >= limit for f in inside) for limit in (50_000_000, LIMIT)]
    assert tally.large == sum(f.memory_growth_bytes > 0 for f in inside)
    assert tally.pool_wait_ns == sum(f.pool_wait_ns for f in inside)
    assert tally.duration.total == sum(f.duration_ns for f in inside)
    assert view.total == len(seen)
    if inside:
        assert 0 <= window.seconds <= length_s
        ordered = sorted(f.duration_ns / 1e6 for f in inside)
        (p50,) = tally.quantiles_ms(0.5)
        assert ordered[0] - 1e-9 <= p50 <= ordered[-1] * (1 + 1e-9) + 1e-9


DURATIONS = st.lists(
    st.integers(0, 10**12) | st.integers(50 * 10**6, 150 * 10**6) | st.sampled_from(DURATION_EDGES_NS),
    min_size=1,
    max_size=200,
)


@settings(deadline=None)
@given(DURATIONS)
def test_percentiles_lie_in_the_bucket_of_the_nearest_rank(durations):
    """The estimate and the exact percentile are between the same two edges, and between the extremes of all."""
    tally = ExtractionTotals((LIMIT,))
    for duration in durations:
        tally.record(_figures(duration, 0))
    for percent in (50, 95, 99):
        exact = sorted(durations)[-(-len(durations) * percent // 100) - 1] / 1e9
        found = tally.quantile_s(percent / 100)
        assert found.low <= exact <= found.high
        assert found.low <= found.value <= found.high
        assert min(durations) / 1e9 <= found.value <= max(durations) / 1e9
        place = bisect_left(DURATION_EDGES_NS, round(exact * 1e9))
        assert bisect_left(DURATION_EDGES_NS, round(found.high * 1e9)) == place


@settings(deadline=None)
@given(DURATIONS, st.integers(1, 7))
def test_percentiles_are_those_of_the_metric_and_of_the_store(durations, parts):
    """The live view, the metric and the store estimate the same percentile to the last bit, in any slices and series."""
    tally, stored = ExtractionTotals((LIMIT,)), Distribution()
    edges = tuple(float(edge) for edge in EDGES[DURATION])
    counts = [0] * (len(DURATION_EDGES_NS) + 1)
    for part in range(parts):
        slice_, series = ExtractionTotals((LIMIT,)), ExtractionSeries(None)
        for duration in durations[part::parts]:
            slice_.record(_figures(duration, 0))
            series.record(_figures(duration, 0))
        tally.merge(slice_)
        if slice_.count:
            state = series.duration.state()
            counts = [a + b for a, b in zip(counts, state.buckets, strict=True)]
            buckets = {index: count for index, count in enumerate(state.buckets) if count}
            extremes = state.least / 1e9, state.most / 1e9
            stored.add(edges, pack_buckets(buckets), state.count, 0, 0, extremes=extremes)
    for share in (0.0, 0.5, 0.95, 0.99, 1.0):
        expected = quantile(share, edges, counts, min(durations) / 1e9, max(durations) / 1e9)
        assert tally.quantile_s(share) == expected
        assert tally.quantiles_ms(share) == [expected.value * 1e3]
        assert stored.estimate(share) == expected


def test_it_is_bounded_in_groups_and_in_time():
    """Groups beyond the bound are counted together, and nothing is lost; what is older than a day goes."""
    clock = FakeClock()
    view = LiveView(clock, max_groups=3)
    for number in range(10):
        figures = _figures(1, 0)
        figures.feature_set = f"set-{number}"
        view.record(figures)
    windows = view.windows(60)
    assert sum(window.tally.count for window in windows.values()) == 10
    assert windows[ExtractionGroup("", OVERFLOW)].tally.count == 7
    assert len(view.groups()) == 4
    clock.advance(LONGEST_NS / 1e9 + 2 * 900)
    view.record(_figures(1, 0))
    assert view.groups() == [ExtractionGroup("", "a")]


def test_years_hold_no_more_than_a_day():
    """A group never has more slices than its tiers keep."""
    clock = FakeClock()
    view = LiveView(clock)
    for _ in range(20_000):
        clock.advance(30)
        view.record(_figures(5_000_000, 0))
    for tier, length_s in zip(TIERS, (60, 3600, 86_400), strict=True):
        assert len(view.slices(ExtractionGroup("", "a"), length_s)) <= tier.keep + 1
