"""Hit ratios by size and lifetime, against caches that are played through."""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict

import pytest

from otel_fe.forecast.lifetimes import Lifetimes
from otel_fe.forecast.recency import Recency
from otel_fe.forecast.reuse import HASHES, ReuseCurve

SECOND = 1_000_000_000


def zipf(keys, count, exponent=0.9, seed=1):
    rng = random.Random(seed)
    shares = list(itertools.accumulate(1 / (rank + 1) ** exponent for rank in range(keys)))
    return rng.choices(range(keys), cum_weights=shares, k=count)


def lru(references, entries):
    """Play a least-recently-used cache through; return its hit ratio."""
    cache, hits = OrderedDict(), 0
    for key in references:
        if key in cache:
            hits += 1
            cache.move_to_end(key)
        else:
            cache[key] = True
            if len(cache) > entries:
                cache.popitem(last=False)
    return hits / len(references)


def curve_of(references, sample, **more):
    curve = ReuseCurve(sample, **more)
    hashes = {key: random.Random(key).randrange(HASHES) for key in set(references)}
    for time, key in enumerate(references):
        curve.references += 1
        curve.reference(hashes[key], time)
    return curve


def test_distances_are_exact():
    """Reuse distances equal those counted by hand, also across many renumberings."""
    recency, last = Recency(), {}
    rng = random.Random(3)
    for moment in range(20_000):
        key = int(rng.paretovariate(0.6)) % 500
        before = last.get(key)
        expected = None if before is None else sum(seen > before for seen in last.values())
        assert recency.reference(key) == expected
        last[key] = moment
        if moment % 97 == 0:
            recency.forget(key)
            del last[key]
    assert len(recency) == len(last)


@pytest.mark.parametrize("entries", [10, 100, 1_000, 5_000])
def test_a_full_sample_is_a_least_recently_used_cache(entries):
    """The curve is exact to the width of a bucket if nothing is sampled."""
    references = zipf(20_000, 60_000)
    assert curve_of(references, 1 << 20).hit_ratio(entries) == pytest.approx(lru(references, entries), abs=0.002)


@pytest.mark.thorough
def test_a_bounded_sample_is_right_to_some_points():
    """A tenth of the keys, by hash, for sizes that the sample can resolve."""
    references = zipf(50_000, 300_000)
    curve = curve_of(references, 4_096)
    assert len(curve._recency) <= 4_096
    assert curve.ratio < 0.15
    assert curve.keys == pytest.approx(len(set(references)), rel=0.05)
    for entries in (2_000, 5_000, 20_000):
        assert curve.hit_ratio(entries) == pytest.approx(lru(references, entries), abs=0.03)


def test_what_a_larger_cache_answers_never_shrinks():
    """The curve rises from nothing to all but the first look-ups."""
    curve = curve_of(zipf(3_000, 30_000), 500)
    ratios = [curve.hit_ratio(entries) for entries in range(0, 5_000, 50)]
    assert ratios == sorted(ratios)
    assert ratios[0] == 0.0
    assert curve.hit_ratio(1e9) == pytest.approx(1 - curve.first_ratio, abs=0.02)


def test_counts_begin_anew_and_keys_stay_known():
    """After a restart nothing is a first look-up that was not one."""
    references = zipf(1_000, 10_000)
    curve = curve_of(references, 1 << 20)
    assert curve.first_ratio > 0
    curve.restart()
    assert (curve.references, curve.hit_ratio(100), curve.first_ratio) == (0, 0.0, 0.0)
    for key in references[:100]:
        curve.references += 1
        curve.reference(random.Random(key).randrange(HASHES), 0)
    assert curve.first_ratio == 0.0


def test_lifetimes_are_exact():
    """The hit ratio for each time to live equals that of a cache that ran with it."""
    lifetimes_s = (0.5, 2.0, 8.0)
    lived = Lifetimes(lifetimes_s)
    rng = random.Random(5)
    events, now = [], 0.0
    for _ in range(20_000):
        now += rng.expovariate(50)
        events.append((now, int(rng.paretovariate(0.7)) % 200))
    for time, key in events:
        lived.reference(key, int(time * SECOND))
    for lifetime, ratio in lived.hit_ratios().items():
        stored, hits = {}, 0
        for time, key in events:
            if key in stored and time - stored[key] < lifetime:
                hits += 1
            else:
                stored[key] = time
        assert ratio == pytest.approx(hits / len(events), abs=1e-3)


@pytest.mark.parametrize("lifetimes_s", [(2.0, 1.0), (0.0,)])
def test_lifetimes_that_cannot_be(lifetimes_s):
    """Descending ones and none at all are named."""
    with pytest.raises(ValueError, match="lifetimes_s"):
        Lifetimes(lifetimes_s)
    with pytest.raises(ValueError, match="sample"):
        ReuseCurve(0)
