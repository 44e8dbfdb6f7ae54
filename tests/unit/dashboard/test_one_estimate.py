"""The same extractions have the same percentiles in alerts, in the live view, in its exports, on the page and in the metric."""

from __future__ import annotations

import csv
import io
import json
import random

import pytest

from otel_fe import semconv
from otel_fe.alerting import AlertType, FeatureExtractionAlertingSystem, Rule, Severity
from otel_fe.collector.graph.derived_points import metrics_of
from otel_fe.dashboard import FeatureExtractionDashboard
from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.page_context import PageContext
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.enhanced_metrics import EnhancedMetricsCollector
from otel_fe.live.feed import watch
from otel_fe.model.measurements import Measurements
from otel_fe.model.metric import ResourceMetrics
from otel_fe.model.quantile import quantile
from otel_fe.pipeline.derive import DerivedMetrics
from otel_fe.sdk.collection import Collected
from otel_fe.testing import FakeClock
from tests.unit.store.parts import MINUTE, NS, T0, bed

NOW = T0 + 10 * MINUTE
P95_RULE = Rule(AlertType.LATENCY_THRESHOLD, "p95 latency", 83.0, 41.0, "ms", Severity.PAGE)
"""Its thresholds are inside buckets, so that the percentile depends on the estimate."""


def _durations(seed):
    """Return some hundred: microseconds, round the objective, and beyond the last edge."""
    chance = random.Random(seed)
    return [round(chance.lognormvariate(18.0, 1.2 if number % 100 else 8.0)) for number in range(300)]


DURATIONS = {
    **{f"seed {seed}": _durations(seed) for seed in range(4)},
    "half at the objective": [90_000_000, 100_000_000] * 50,
    "a twentieth beyond the objective": [95_000_000] * 95 + [120_000_000] * 5,
    "all alike": [100_000_000] * 20,
}


def _extractions(durations):
    for number, duration_ns in enumerate(durations):
        figures = Measurements()
        figures.feature_set = "user_profile"
        figures.cache_lookups, figures.cache_hits = 1, number % 2
        figures.error_type = "TimeoutError" if number % 50 == 0 else ""
        figures.duration_ns = duration_ns
        yield figures


@pytest.fixture(params=DURATIONS.values(), ids=DURATIONS)
def everywhere(request, tmp_path):
    """Count the extractions once; return a collector that watched, the metric's point by point, and a store of it."""
    clock = FakeClock(NOW)
    engine, collector = DerivedMetrics(10, lambda _: 0), EnhancedMetricsCollector(include_process=False, clock=clock)
    watch(engine, collector.source.view.record)
    for figures in _extractions(request.param):
        engine.record(figures)
    collected = Collected(NOW - 30 * NS, NOW)
    for series in engine.all_series():
        collected.add_series(series)
    metrics = metrics_of(collected)
    with bed(tmp_path / "store", clock=clock) as made:
        made.points(ResourceMetrics({"service.name": "shop"}, "otel_fe", metrics))
        (duration,) = (one for one in metrics if one.name == semconv.DURATION)
        yield collector, [point.value for point in duration.points], PageContext(made.reader, made.directory, clock)


def test_percentiles_are_the_same_wherever_they_are_shown(everywhere):
    """Percentiles are equal to the last bit in seconds, to a rounding in nanoseconds, and to nine digits in a file."""
    collector, points, stored = everywhere
    counts = [sum(column) for column in zip(*(point.counts for point in points), strict=True)]
    extremes = min(point.least for point in points), max(point.most for point in points)
    exact = {share: quantile(share, points[0].edges, counts, *extremes).value for share in (0.5, 0.95, 0.99)}
    spread = stored.reader.sums.distribution(semconv.DURATION, NOW - 5 * MINUTE, NOW + MINUTE)
    assert {share: spread.quantile(share) for share in exact} == exact
    figures = overview(stored, ViewAddress(range="1h"))["figures"]
    assert [figures.p50_ns, figures.p95_ns, figures.p99_ns] == [value * 1e9 for value in exact.values()]
    in_ms = [value * 1e3 for value in exact.values()]
    live = collector.get_real_time_metrics()
    assert [live.p50_latency_ms, live.p95_latency_ms, live.p99_latency_ms] == in_ms
    assert collector.get_performance_summary().p95_latency_ms == in_ms[1]
    (alert,) = FeatureExtractionAlertingSystem(collector, [P95_RULE]).check_performance_alerts()
    assert alert.observed == in_ms[1]
    dashboard = FeatureExtractionDashboard(collector)
    data = dashboard.get_real_time_dashboard_data()
    assert data.real_time_performance.p95_latency_ms == in_ms[1]
    told = json.loads(dashboard.export_dashboard_data())["real_time_performance"]
    assert told["p95_latency_ms"] == in_ms[1]
    rows = csv.DictReader(io.StringIO(dashboard.export_dashboard_data("csv")))
    window = next(row for row in rows if row["span"] == "window" and row["feature set"] == "(all)")
    shown = [float(window[f"{name} (ms)"]) for name in ("p50", "p95", "p99")]
    assert shown == pytest.approx(in_ms, rel=1e-8)
    dashboard.close()
