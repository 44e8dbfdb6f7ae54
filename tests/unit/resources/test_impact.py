"""The cost of misses and waits, from extractions of known durations."""

from __future__ import annotations

import random

import pytest

from otel_fe.instrument.libraries.pool_use import WatchedPools
from otel_fe.model.measurements import Measurements
from otel_fe.monitoring import FeatureExtractionPerformanceMonitor
from otel_fe.pipeline.derive import DerivedMetrics
from otel_fe.resources.impact import impact, impact_of
from tests.observed import instrumented

MS = 1_000_000


def extraction(metrics, ms, *, hit=None, feature_set="x", wait_ms=0.0, error=""):
    figures = Measurements()
    figures.feature_set, figures.error_type = feature_set, error
    figures.duration_ns = int(ms * MS)
    if hit is not None:
        figures.cache_lookups, figures.cache_hits = 1, int(hit)
    if wait_ms:
        figures.pool_waits, figures.pool_wait_ns = 1, int(wait_ms * MS)
    metrics.record(figures)


@pytest.fixture
def metrics():
    return DerivedMetrics(100, lambda _: 0)


def test_a_miss_costs_what_it_takes_longer(metrics):
    """30 ms with, 5 ms without: 25 ms, and 250 ms of ten in all."""
    for _ in range(90):
        extraction(metrics, 5, hit=True)
    for _ in range(10):
        extraction(metrics, 30, hit=False, wait_ms=4)
    found = impact_of(metrics.all_series())
    assert (found.extractions, found.missed) == (100, 10)
    assert found.miss_ms == 25.0
    assert found.misses_total_ms == 250.0
    assert found.misses_per_extraction_ms == 2.5
    assert (found.wait_total_ms, found.wait_per_extraction_ms) == (40.0, 0.4)
    assert 25 < found.p95_ms <= 30
    assert found.p95_all_hits_ms <= 5


def test_feature_sets_are_compared_with_themselves(metrics):
    """A slow one that always misses does not make the misses of a fast one expensive; failures do not count."""
    for _ in range(50):
        extraction(metrics, 5, hit=True, feature_set="fast")
        extraction(metrics, 7, hit=False, feature_set="fast")
        extraction(metrics, 500, hit=False, feature_set="slow")
        extraction(metrics, 900, hit=False, feature_set="fast", error="ValueError")
        extraction(metrics, 900)
    found = impact_of(metrics.all_series())
    assert found.miss_ms == pytest.approx(2.0)
    assert found.missed == 100
    assert found.misses_total_ms == pytest.approx(100.0)


def test_the_interval_holds_the_truth(metrics):
    """Nineteen times in twenty, about."""
    rng, held = random.Random(7), 0
    for _ in range(60):
        metrics = DerivedMetrics(100, lambda _: 0)
        for _ in range(80):
            extraction(metrics, rng.gauss(20, 4), hit=True)
            extraction(metrics, rng.gauss(50, 8), hit=False)
        found = impact_of(metrics.all_series())
        held += abs(found.miss_ms - 30) <= found.miss_error_ms
    assert held >= 52


def test_nothing_is_known_without_extractions(metrics):
    """All of it is 0, and where otel_fe is off it says so."""
    assert dict(impact_of(metrics.all_series())) | {"available": True} == dict(impact_of([]))
    assert not impact().available


def test_it_reads_the_process_s_own_counts():
    """Every extraction is included, also those not yet counted."""
    with instrumented():
        monitor = FeatureExtractionPerformanceMonitor("x")
        for duration, hit in ((5.0, True), (45.0, False)):
            monitor.end_extraction(duration_ms=duration, used_cache=hit)
        found = impact()
    assert (found.available, found.extractions, found.miss_ms) == (True, 2, 40.0)


def test_pools_beyond_the_bound_are_counted_together():
    """The 257th name is that of all others."""

    class Pool:
        pass

    pools = WatchedPools()
    made = [Pool() for _ in range(300)]
    uses = [pools.adopt(pool, "redis", lambda pool: (str(id(pool)), None)) for pool in made]
    assert len(pools.uses()) == 257
    assert uses[-1] is uses[256] is pools.uses()["others"]
