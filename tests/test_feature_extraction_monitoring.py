"""The seed's components, end to end, as its sample code uses them; only the import path differs."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading

import pytest

from otel_fe.alerting import AlertType, FeatureExtractionAlertingSystem
from otel_fe.cache_connection_integration import CacheConnectionIntegration
from otel_fe.enhanced_metrics import EnhancedMetricsCollector
from otel_fe.monitoring import FeatureExtractionPerformanceMonitor
from tests.observed import instrumented


def test_the_seed_s_sample_code_works_as_written():
    """Start, end with the five arguments, statistics and requirements."""
    monitor = FeatureExtractionPerformanceMonitor()
    monitor.start_extraction()
    monitor.end_extraction(duration_ms=45.0, used_cache=True, had_error=False, cpu_percent=35.0, memory_mb=150.0)
    stats = monitor.get_performance_stats()
    requirements = monitor.get_performance_requirements_status()
    assert stats["total_extractions"] == 1
    assert stats.p95_latency_ms == 45.0
    assert stats["cache_hit_rate"] == 1.0
    assert dict(**stats)["max_memory_mb"] == 150.0
    assert all(status["met"] for status in requirements.values())
    assert json.loads(json.dumps({name: dict(status) for name, status in requirements.items()}))


def test_it_emits_the_same_span_as_every_extraction():
    """The monitor emits an extraction span with the caller's figures and duration."""
    with instrumented() as observed:
        monitor = FeatureExtractionPerformanceMonitor("user_profile")
        monitor.start_extraction()
        monitor.end_extraction(duration_ms=45.0, used_cache=False, had_error=True, cpu_percent=50.0, memory_mb=150.0)
        (span,) = observed.spans
        count = observed.total("feature_extraction.duration")
    assert span.name == "feature_extraction user_profile"
    assert span.end_time - span.start_time == 45_000_000
    assert span.attributes["feature_extraction.cache.hit"] is False
    assert span.attributes["feature_extraction.cpu.time"] == pytest.approx(0.0225)
    assert span.attributes["feature_extraction.memory.usage"] == 150_000_000
    assert span.attributes["error.type"] == "_OTHER"
    assert not span.status.is_ok
    assert count == 1


def test_durations_are_measured_where_none_is_given():
    """The monitor measures the duration with its own clock where no duration_ms is given."""
    monitor = FeatureExtractionPerformanceMonitor()
    monitor.start_extraction()
    monitor.end_extraction()
    assert 0 < monitor.get_performance_stats().max_latency_ms < 1_000


def test_an_end_without_a_start_still_counts():
    """Code that only reports ends loses nothing."""
    with instrumented() as observed:
        FeatureExtractionPerformanceMonitor().end_extraction(duration_ms=5.0)
        assert len(observed.spans) == 1


def test_an_end_in_another_context_ends_its_start():
    """A server may run the start and the end of a request in copies of the context, and on different threads."""
    with instrumented() as observed:
        monitor = FeatureExtractionPerformanceMonitor("x")
        for _ in range(4):
            contextvars.copy_context().run(monitor.start_extraction)
        for _ in range(4):
            thread = threading.Thread(target=contextvars.copy_context().run, args=(monitor.end_extraction,))
            thread.start()
            thread.join()
        assert len(observed.extractions()) == 4
        assert observed.total("feature_extraction.duration") == 4
        assert monitor.get_performance_stats().total_extractions == 4
        assert observed.total("otel_fe.pipeline.traces.open") == 0


def test_a_start_without_an_end_is_forgotten():
    """Neither the monitor nor the context grows with starts that are never ended, and their spans are ended."""
    with instrumented() as observed:
        monitor = FeatureExtractionPerformanceMonitor("x")

        def use():
            for _ in range(1_100):
                monitor.start_extraction()
            assert len(monitor._started) == 1_000
            monitor.end_extraction()

        contextvars.copy_context().run(use)
        assert observed.total("feature_extraction.duration") == 1


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("latency", {"duration_ms": 99.999}, {"duration_ms": 100.0}),
        ("memory", {"memory_mb": 999.999}, {"memory_mb": 1000.0}),
    ],
)
def test_less_than_is_strict(name, good, bad):
    """Exactly at the limit is not below it."""
    for arguments, expected in ((good, "met"), (bad, "broken")):
        monitor = FeatureExtractionPerformanceMonitor()
        monitor.end_extraction(**{"duration_ms": 1.0, **arguments})
        assert monitor.get_performance_requirements_status()[name].status == expected


@pytest.mark.parametrize(("hits", "expected"), [(70, "broken"), (71, "met")])
def test_the_cache_requirement_is_more_than_seventy_percent(hits, expected):
    """Seventy of a hundred is not more than 70 %."""
    monitor = FeatureExtractionPerformanceMonitor()
    for number in range(100):
        monitor.end_extraction(duration_ms=1.0, used_cache=number < hits)
    assert monitor.get_performance_requirements_status()["cache_hit_rate"].status == expected


@pytest.mark.parametrize(("errors", "expected"), [(1, "broken"), (0, "met")])
def test_the_error_requirement_is_less_than_one_percent(errors, expected):
    """One error of a hundred is not less than 1 %."""
    monitor = FeatureExtractionPerformanceMonitor()
    for number in range(100):
        monitor.end_extraction(duration_ms=1.0, had_error=number < errors)
    assert monitor.get_performance_requirements_status()["error_rate"].status == expected


def test_without_data_nothing_is_met():
    """A requirement that nothing has been measured for is neither met nor broken."""
    statuses = FeatureExtractionPerformanceMonitor().get_performance_requirements_status()
    assert {status.status for status in statuses.values()} == {"no data"}
    assert not any(status.met for status in statuses.values())


def test_the_history_is_bounded_and_the_counts_are_not():
    """Percentiles are over the newest, counts over all."""
    monitor = FeatureExtractionPerformanceMonitor(history_size=10)
    for number in range(100):
        monitor.end_extraction(duration_ms=float(number))
    stats = monitor.get_performance_stats()
    assert (stats.total_extractions, stats.history_size) == (100, 10)
    assert stats.p50_latency_ms == 94.0


def test_threads_each_have_their_own_extraction():
    """Starts and ends pair within a thread, and no count is lost."""
    with instrumented() as observed:
        monitor = FeatureExtractionPerformanceMonitor()

        def work() -> None:
            for _ in range(200):
                monitor.start_extraction()
                monitor.end_extraction(duration_ms=1.0, used_cache=True)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(observed.spans) == 1_600
        assert all(span.parent is None for span in observed.spans)
        assert observed.total("feature_extraction.duration") == 1_600
    assert monitor.get_performance_stats().total_extractions == 1_600


def test_tasks_each_have_their_own_extraction_and_nested_ones_are_children():
    """Extractions of interleaved tasks do not mix, and a start within a start is its child."""
    with instrumented() as observed:
        monitor = FeatureExtractionPerformanceMonitor()

        async def work() -> None:
            monitor.start_extraction()
            await asyncio.sleep(0)
            monitor.start_extraction()
            await asyncio.sleep(0)
            monitor.end_extraction(duration_ms=1.0)
            await asyncio.sleep(0)
            monitor.end_extraction(duration_ms=2.0)

        async def main() -> None:
            await asyncio.gather(*(work() for _ in range(20)))

        asyncio.run(main())
        spans = observed.spans
    assert len(spans) == 40
    roots = {span.context.span_id for span in spans if span.parent is None}
    assert len(roots) == 20
    assert {span.parent.span_id for span in spans if span.parent is not None} == roots


@pytest.mark.parametrize(
    "arguments", [{"duration_ms": -1.0}, {"cpu_percent": float("nan")}, {"memory_mb": float("inf")}]
)
def test_impossible_figures_are_named(arguments):
    """A negative or infinite figure is an error that names it."""
    (name,) = arguments
    with pytest.raises(ValueError, match=name):
        FeatureExtractionPerformanceMonitor().end_extraction(**arguments)


def test_the_metrics_collector_s_sample_code():
    """Metrics go in as the monitor gives them, and come out for now and for the last hour."""
    monitor = FeatureExtractionPerformanceMonitor()
    for duration_ms in (20.0, 30.0, 250.0):
        monitor.start_extraction()
        monitor.end_extraction(duration_ms=duration_ms, used_cache=True)
    metrics = monitor.get_performance_stats()
    collector = EnhancedMetricsCollector()
    collector.add_feature_extraction_metrics(metrics)
    real_time = collector.get_real_time_metrics()
    summary = collector.get_performance_summary()
    collector.close()
    assert real_time["total_extractions"] == 3
    assert summary["extractions_since_start"] == 3
    assert not summary["requirements_met"], "one of three took longer than 100 ms"
    assert json.loads(json.dumps(dict(summary), default=dict))


def test_the_alerting_system_s_sample_code():
    """A handler is called for what it was registered for, with a title and a message."""
    collector = EnhancedMetricsCollector()
    collector.add_feature_extraction_metrics([{"duration_ms": 400.0, "feature_set": "slow"}] * 200)
    alerting_system = FeatureExtractionAlertingSystem(collector)
    told = []

    def handle_alert(alert):
        told.append(f"Alert: {alert.title} - {alert.message}")

    alerting_system.register_alert_handler(AlertType.LATENCY_THRESHOLD, handle_alert)
    alerts = alerting_system.check_performance_alerts()
    alerting_system.close()
    collector.close()
    assert AlertType.LATENCY_THRESHOLD in {alert.type for alert in alerts}
    (line,) = told
    assert line.startswith("Alert: P95 latency of slow is 400 ms - ")


def test_the_cache_integration_s_sample_code():
    """Any object that counts its hits and misses is a cached extractor."""

    class CachedExtractor:
        def get_cache_stats(self):
            return {"hits": 60, "misses": 40}

    with CacheConnectionIntegration() as cache_integration:
        cache_integration.sync_cache_metrics(CachedExtractor())
        stats = cache_integration.get_unified_resource_stats()
    (cache,) = stats["caches"].values() if hasattr(stats["caches"], "values") else stats["caches"]
    assert cache["hit_ratio"] == pytest.approx(0.6)
