"""Extractions at another hit rate and another size of their pool: exact on mixes, and held against a simulated queue."""

from __future__ import annotations

import heapq
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.forecast.hit_rate import at_hit_ratio, hit_ratio
from otel_fe.forecast.pool_size import Waits, at_size, waits_at
from otel_fe.forecast.prediction import Observed, predict
from otel_fe.forecast.traffic import Traffic
from otel_fe.pipeline.causes import weighted_quantile

MS = 1_000_000
LIMIT = 100 * MS
MEMBERS = st.builds(
    Observed,
    duration_ns=st.integers(0, 10**10),
    weight=st.floats(0.5, 100),
    hit=st.sampled_from([True, False, None]),
    wait_ns=st.integers(0, 10**10),
)


def mixed(hits, misses, plain=()):
    """Return durations in ms as extractions that hit, missed, and looked nothing up."""
    kinds = ((True, hits), (False, misses), (None, plain))
    return [Observed(ms * MS, 1.0, hit, 0) for hit, values in kinds for ms in values]


def test_a_mix_is_predicted_exactly():
    """A hundred that hit in 1..100 ms and a hundred that missed in 201..300: p95 by hand at several rates."""
    group = mixed(range(1, 101), range(201, 301))
    durations = [one.duration_ns for one in group]
    for ratio, p95 in ((0.5, 290), (0.95, 100), (0.9, 250), (1.0, 95), (0.0, 295)):
        found = predict(durations, at_hit_ratio(group, ratio), LIMIT)
        assert found.quantile_ns == p95 * MS, ratio
    assert predict(durations, at_hit_ratio(group, 1.0), LIMIT).under_share == pytest.approx(
        0.99
    )  # 100 ms is not under it
    assert predict(durations, at_hit_ratio(group, 0.0), LIMIT).under_share == 0


@pytest.mark.parametrize("ratio", [0.2, 0.6, 0.85, 0.97])
def test_a_simulated_cache_at_another_rate_is_what_was_predicted(ratio):
    """Weighed by tail sampling or not: p95 of traffic that really has the rate lies in the interval that was given."""
    rng = random.Random(3)

    def traffic(rate, count):
        for _ in range(count):
            hit = rng.random() < rate
            yield hit, int(rng.lognormvariate(2 if hit else 4.4, 0.4) * MS)

    group = []
    for hit, duration in traffic(0.75, 30_000):
        if duration >= LIMIT:
            group.append(Observed(duration, 1.0, hit, 0))
        elif rng.random() < 0.05:
            group.append(Observed(duration, 20.0, hit, 0))
    assert hit_ratio(group) == pytest.approx(0.75, abs=0.03)
    found = predict([one.duration_ns for one in group], at_hit_ratio(group, ratio), LIMIT)
    real = sorted(duration for _, duration in traffic(ratio, 30_000))
    assert found.low_ns <= real[int(0.95 * len(real))] <= found.high_ns
    assert found.quantile_ns == pytest.approx(real[int(0.95 * len(real))], rel=0.05)
    assert found.under_share == pytest.approx(sum(one < LIMIT for one in real) / len(real), abs=0.02)


@given(st.lists(MEMBERS, min_size=1, max_size=60), st.floats(0, 1))
def test_weights_add_up_and_have_the_asked_rate(group, ratio):
    """Reweighting to a hit ratio keeps the sum and the extractions without look-ups; at the current ratio it changes no weight."""
    if {True, False} - {one.hit for one in group}:
        return
    weights = at_hit_ratio(group, ratio)
    assert sum(weights) == pytest.approx(sum(one.weight for one in group))
    hits = sum(weight for one, weight in zip(group, weights, strict=True) if one.hit)
    looked_up = sum(weight for one, weight in zip(group, weights, strict=True) if one.hit is not None)
    assert hits / looked_up == pytest.approx(ratio, abs=1e-9)
    assert all(weight == one.weight for one, weight in zip(group, weights, strict=True) if one.hit is None)
    assert at_hit_ratio(group, hit_ratio(group)) == pytest.approx([one.weight for one in group])


@pytest.mark.parametrize(
    ("group", "ratio", "said"),
    [
        (mixed([], [], [5]), 0.5, "looked anything up"),
        (mixed([], [5]), 0.5, "had only cache hits, so the duration of one that does"),
        (mixed([5], []), 0.5, "that misses is unknown"),
    ],
)
def test_what_was_never_seen_is_not_made_up(group, ratio, said):
    with pytest.raises(ForecastError, match=said):
        at_hit_ratio(group, ratio)


def test_no_change_of_the_rate_needs_nothing_more():
    assert at_hit_ratio(mixed([], [5]), 0.0) == [1.0]
    assert at_hit_ratio(mixed([5], []), 1.0) == [1.0]


def queue(size, rng, load, count=20_000, use_s=0.02):
    """Return each caller's wait in seconds, and the mean use: callers come at random, the first first."""
    free = [0.0] * size
    now, waits, uses = 0.0, [], []
    for _ in range(count):
        now += rng.expovariate(load / use_s)
        start = max(now, heapq.heappop(free))
        uses.append(rng.expovariate(1 / use_s))
        heapq.heappush(free, start + uses[-1])
        waits.append(start - now)
    return waits, statistics.fmean(uses)


@pytest.mark.thorough
@pytest.mark.parametrize(("size", "other"), [(2, 3), (5, 6), (5, 7), (20, 22), (6, 5), (8, 6)])
def test_a_simulated_pool_at_another_size_is_what_was_predicted(size, other):
    """The mean wait to 25 %, p95 of whole extractions likewise: larger and smaller pools."""
    load = 0.82 * min(size, other)
    base = random.Random(1)
    waits, use_s = queue(size, random.Random(size), load)
    rest = [int(base.lognormvariate(3, 0.3) * MS) for _ in waits]
    # Asking takes a little, so that who asked is known.
    group = [
        Observed(ns + int(wait * 1e9) + 5_000, 1.0, None, int(wait * 1e9) + 5_000)
        for wait, ns in zip(waits, rest, strict=True)
    ]
    traffic = Traffic(size, load / use_s, use_s, statistics.fmean(waits))
    durations, weights = at_size(group, waits_at(traffic, size), waits_at(traffic, other))
    real, _ = queue(other, random.Random(size), load)
    whole = sorted(ns + wait * 1e9 for wait, ns in zip(real, rest, strict=True))
    mean = sum(d * w for d, w in zip(durations, weights, strict=True)) / sum(weights) - statistics.fmean(rest)
    assert sum(weights) == pytest.approx(len(group))
    assert mean / 1e9 == pytest.approx(statistics.fmean(real), rel=0.25, abs=2e-4)
    assert predict(durations, weights, LIMIT).quantile_ns == pytest.approx(whole[int(0.95 * len(whole))], rel=0.25)


@given(st.lists(MEMBERS, min_size=1, max_size=60), st.integers(1, 30), st.integers(1, 30), st.floats(0.05, 0.9))
def test_a_larger_pool_never_makes_anything_slower(group, size, other, busy):
    """A larger pool makes nothing slower, a smaller one nothing faster; no duration falls below what is left without the wait; weights add up."""
    traffic = Traffic(size, busy * min(size, other) / 0.01, 0.01, 0.001)
    durations, weights = at_size(group, waits_at(traffic, size), waits_at(traffic, other))
    assert sum(weights) == pytest.approx(sum(one.weight for one in group))
    before = [one.duration_ns for one in group]
    least = min(one.duration_ns - min(one.wait_ns, one.duration_ns) for one in group)
    assert min(durations) >= least >= 0
    for share in (0.05, 0.5, 0.95):
        now = weighted_quantile(before, [one.weight for one in group], share)
        then = weighted_quantile(durations, weights, share)
        if other > size:
            assert then <= now
        elif other == size:
            assert then == pytest.approx(now, abs=1)


def test_waits_for_other_pools_stay():
    """At least half of the wait is left where only half of it was for this pool."""
    group = [Observed(100 * MS, 1.0, None, 80 * MS)]
    durations, weights = at_size(group, Waits(0.5, 0.04), Waits(0.25, 0.02), part=0.5)
    assert list(zip(durations, weights, strict=True)) == [(80 * MS, 0.5), (60 * MS, 0.5)]


@pytest.mark.parametrize(
    ("busy", "size", "said"),
    [(4.9, 6, "saturated"), (5.5, 6, "saturated"), (3.2, 3, "At 3 the pool would be overloaded.*Ask for 4 or more")],
)
def test_an_overloaded_pool_has_no_answer(busy, size, said):
    with pytest.raises(ForecastError, match=said):
        waits_at(Traffic(5, busy / 0.01, 0.01, 0.001), size)


def test_the_mean_wait_is_that_of_the_formula():
    """The mean wait is that of M/G/c, as `Traffic` has it: the share that waits times what each of those waits."""
    traffic = Traffic(5, 400.0, 0.01, 0.0, 1.0, 0.5)
    assert waits_at(traffic, 6).mean_s == pytest.approx(traffic._by("open", 6))
