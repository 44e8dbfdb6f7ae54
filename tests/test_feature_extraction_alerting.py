"""The seed's EnhancedMetricsCollector and FeatureExtractionAlertingSystem, end to end; seed.md's sample code runs unchanged."""

from __future__ import annotations

import json
import textwrap
import time
from dataclasses import dataclass

import pytest

import otel_fe
from otel_fe.alerting import AlertType, FeatureExtractionAlertingSystem, Rule, Severity, State
from otel_fe.enhanced_metrics import EnhancedMetricsCollector
from otel_fe.model.measurements import Measurements
from otel_fe.monitoring import FeatureExtractionPerformanceMonitor
from otel_fe.testing import FakeClock, capture

COLLECTOR = """
from src.ml.feature_extraction.enhanced_metrics import EnhancedMetricsCollector

# Initialize collector
collector = EnhancedMetricsCollector()

# Add metrics
collector.add_feature_extraction_metrics(metrics)

# Get real-time metrics
real_time = collector.get_real_time_metrics()

# Get performance summary
summary = collector.get_performance_summary()
"""

ALERTING = """
from src.ml.feature_extraction.alerting import FeatureExtractionAlertingSystem

# Initialize alerting system
alerting_system = FeatureExtractionAlertingSystem(metrics_collector)

# Register alert handlers
def handle_alert(alert):
    print(f"Alert: {alert.title} - {alert.message}")

alerting_system.register_alert_handler(AlertType.LATENCY_THRESHOLD, handle_alert)

# Check for alerts
alerts = alerting_system.check_performance_alerts()
"""

DEPLOYMENT = """
from src.ml.feature_extraction.monitoring import FeatureExtractionPerformanceMonitor
from src.ml.feature_extraction.enhanced_metrics import EnhancedMetricsCollector
from src.ml.feature_extraction.alerting import FeatureExtractionAlertingSystem
monitor = FeatureExtractionPerformanceMonitor()
collector = EnhancedMetricsCollector()
alerting_system = FeatureExtractionAlertingSystem(collector)
"""


def _run(sample, **names):
    """Run sample code of seed.md's with only the import path changed."""
    exec(textwrap.dedent(sample).replace("src.ml.feature_extraction", "otel_fe"), names)
    return names


@dataclass
class FeatureExtractionMetrics:
    duration_ms: float
    used_cache: bool = True
    had_error: bool = False
    cpu_percent: float = 35.0
    memory_mb: float = 150.0
    feature_set: str = "user_profile"


def _hand_over(collector, count, **fields):
    collector.add_feature_extraction_metrics([FeatureExtractionMetrics(**fields) for _ in range(count)])


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def collector(clock):
    return EnhancedMetricsCollector(clock=clock)


def test_the_seed_s_collector_works_as_written():
    """Add, real time, summary; the results are values that also read as dictionaries."""
    names = _run(COLLECTOR, metrics=FeatureExtractionMetrics(45.0))
    real_time, summary = names["real_time"], names["summary"]
    assert real_time.total_extractions == real_time["total_extractions"] == 1
    assert real_time["avg_latency_ms"] == pytest.approx(45.0)
    assert (real_time["cache_hit_rate"], real_time["error_rate"], real_time["avg_cpu_percent"]) == (1.0, 0.0, 35.0)
    assert real_time["feature_sets"]["user_profile"]["max_memory_mb"] == 150.0
    assert real_time.resources.process_memory_mb > 1
    assert summary["requirements_met"] is True
    assert {name: one["status"] for name, one in summary["requirements"].items()} == dict.fromkeys(
        ("latency", "cache_hit_rate", "error_rate", "memory"), "met"
    )
    assert dict(**summary)["extractions_since_start"] == 1


def test_the_seed_s_alerting_works_as_written(capsys):
    """A handler is called with what has a title and a message, before the check returns."""
    collector = EnhancedMetricsCollector()
    _hand_over(collector, 30, duration_ms=150.0)
    names = _run(ALERTING, metrics_collector=collector, AlertType=AlertType)
    (alert,) = names["alerts"]
    assert alert.type is AlertType.LATENCY_THRESHOLD
    assert capsys.readouterr().out == f"Alert: {alert.title} - {alert.message}\n"
    assert alert.title == "P95 latency of user_profile is 150 ms"
    assert "has to be below 100 ms" in alert.message
    assert "30 of 30 extractions took 100 ms or more" in alert.message
    assert json.loads(json.dumps(alert.document()))["state"] == "firing"
    names["alerting_system"].close()


def test_the_seed_s_deployment_works_as_written():
    """All three are made as in the section on deployment, and nothing alerts without data."""
    names = _run(DEPLOYMENT)
    names["monitor"].end_extraction(duration_ms=45.0, used_cache=True)
    names["collector"].add_feature_extraction_metrics(names["monitor"].get_performance_stats())
    assert names["collector"].get_real_time_metrics().total_extractions == 1
    assert names["alerting_system"].check_performance_alerts() == []


def test_an_instrumented_process_is_shown_without_being_told():
    """Extractions of the live service stand in the real-time metrics at once."""
    with capture():
        collector = EnhancedMetricsCollector()
        for number in range(5):
            with otel_fe.extraction("live") as running:
                running.cache_hit() if number else running.cache_miss()
        shown = collector.get_real_time_metrics()
        assert (shown.total_extractions, shown.cache_hit_rate) == (5, 0.8)
        assert list(shown.feature_sets) == ["live"]
        collector.close()
        with otel_fe.extraction("live"):
            pass
        assert collector.get_real_time_metrics().total_extractions == 5


def test_a_live_alert_has_its_cause_and_traces_that_are_kept():
    """Slow extractions that sleep: the alert names the sleep and its line, and each exemplar is a trace that was exported."""
    with capture(baseline_ratio=0.0, slow_threshold_s=0.05) as captured:
        collector = EnhancedMetricsCollector()
        system = FeatureExtractionAlertingSystem(collector)
        for _ in range(10):
            with otel_fe.extraction("slow"):
                time.sleep(0.101)
        captured.traces.force_flush()
        (alert,) = system.check_performance_alerts()
        exported = {f"{span.context.trace_id:032x}" for span in captured.spans}
    assert alert.cause == "sleep"
    assert "test_a_live_alert_has_its_cause_and_traces_that_are_kept" in alert.cause_detail
    assert alert.first_action.startswith("Remove the sleep")
    assert len(set(alert.exemplars)) == min(3, len(alert.exemplars)) >= 1
    assert set(alert.exemplars) <= exported


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"duration_ms": 20.0}, (1, 0.0, 0.0)),
        ({"duration_ms": 20.0, "used_cache": False, "had_error": True}, (1, 1.0, 0.0)),
        ({"duration_ms": 20, "used_cache": True, "error_type": "KeyError", "unknown": object()}, (1, 1.0, 1.0)),
        ([{"duration_ms": 1.0}, FeatureExtractionMetrics(2.0)], (2, 0.0, 1.0)),
    ],
)
def test_metrics_of_many_kinds_are_taken(collector, metrics, expected):
    """Mappings, objects, several; what is not known is left out."""
    collector.add_feature_extraction_metrics(metrics)
    shown = collector.get_real_time_metrics()
    assert (shown.total_extractions, shown.error_rate, shown.cache_hit_rate) == expected


def test_figures_are_taken_as_they_are(collector):
    """The engine's own values can be handed over as well, of another service."""
    figures = Measurements()
    figures.duration_ns, figures.feature_set = 5_000_000, "a"
    collector.add_feature_extraction_metrics(figures, service="shop")
    assert list(collector.get_real_time_metrics().feature_sets) == ["shop/a"]


def test_metrics_have_the_same_names_as_in_ray(clock):
    """`RayServeIntegration` takes them too, and one reader knows all names."""
    collector = EnhancedMetricsCollector(clock=clock, include_process=False)
    collector.add_feature_extraction_metrics({"latency_ms": 5.0, "cache_hit": True, "error": True})
    found = collector.get_real_time_metrics()
    assert (found.max_latency_ms, found.cache_hit_rate, found.error_rate) == (5.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ({"duration_ms": -1.0}, ValueError, "duration_ms is -1.0"),
        ({"duration_ms": "fast"}, ValueError, "duration_ms is 'fast'"),
        ({"duration_ms": float("nan")}, ValueError, "duration_ms is nan"),
        ({"duration_ms": 1.0, "used_cache": "yes"}, ValueError, "used_cache is 'yes'"),
        ({"duration_ms": 1.0, "memory_mb": float("inf")}, ValueError, "memory_mb is inf"),
        ({"duration_ms": 1.0, "feature_set": 7}, ValueError, "feature_set is 7"),
        ({"used_cache": True}, ValueError, "duration_ms is None"),
        ({"total_extractions": 3, "error_rate": 1.5}, ValueError, "error_rate is 1.5"),
        ({"other": 1}, TypeError, "found other"),
        (object(), TypeError, "found of object"),
        ("text", TypeError, "found of str"),
    ],
)
def test_what_cannot_be_is_named(collector, metrics, error, message):
    """A wrong figure is an error that names it and its value, and nothing is counted."""
    with pytest.raises(error, match=message):
        collector.add_feature_extraction_metrics(metrics)
    assert collector.get_real_time_metrics().total_extractions == 0


def test_a_monitor_s_statistics_count_once(collector):
    """Handed over again and again, only what is new counts; percentiles come out as they went in."""
    monitor = FeatureExtractionPerformanceMonitor()
    for number in range(1, 101):
        monitor.end_extraction(duration_ms=float(number), used_cache=number % 4 != 0, had_error=number <= 2)
    for _ in range(3):
        collector.add_feature_extraction_metrics(monitor.get_performance_stats())
    shown = collector.get_real_time_metrics()
    assert (shown.total_extractions, shown.cache_hit_rate, shown.error_rate) == (100, 0.75, 0.02)
    assert shown.avg_latency_ms == pytest.approx(50.5)
    assert shown.p95_latency_ms == pytest.approx(95, rel=0.05)
    monitor.end_extraction(duration_ms=1.0, had_error=True)
    collector.add_feature_extraction_metrics(monitor.get_performance_stats())
    shown = collector.get_real_time_metrics()
    assert (shown.total_extractions, round(shown.error_rate * 101)) == (101, 3)


def test_windows_slide(collector, clock):
    """A minute later the real-time metrics are empty, an hour later the summary; the count goes on."""
    _hand_over(collector, 10, duration_ms=20.0)
    clock.advance(70)
    assert collector.get_real_time_metrics().total_extractions == 0
    assert collector.get_performance_summary().total_extractions == 10
    clock.advance(3700)
    summary = collector.get_performance_summary()
    assert (summary.total_extractions, summary.extractions_since_start, summary.requirements_met) == (0, 10, False)


def test_trends_tell_worse_from_better(collector, clock):
    """Latency that rises over half an hour worsens; a steady hit rate is steady."""
    for minute in range(30):
        _hand_over(collector, 20, duration_ms=20.0 + minute)
        clock.advance(60)
    trends = collector.get_performance_trends(hours=0.5)
    assert trends["trends"]["p95_latency_ms"].direction == "worsening"
    assert trends["trends"]["cache_hit_rate"].direction == "steady"
    assert trends.points[0].time_unix_s < trends.points[-1].time_unix_s
    assert collector.get_performance_trends(1.0, feature_set="none").trends["error_rate"].direction == "unknown"
    with pytest.raises(ValueError, match="hours is 25"):
        collector.get_performance_trends(25)


CASES = {
    AlertType.ERROR_RATE_SPIKE: ({"duration_ms": 5.0, "had_error": True}, 0),
    AlertType.CACHE_DEGRADATION: ({"duration_ms": 5.0, "used_cache": False}, 60),
    AlertType.RESOURCE_USAGE: ({"duration_ms": 5.0, "memory_mb": 1000.0}, 0),
    AlertType.LATENCY_THRESHOLD: ({"duration_ms": 100.0}, 0),
}


@pytest.mark.parametrize("alert_type", CASES, ids=lambda one: one.value)
def test_each_kind_fires_and_is_resolved_once(collector, clock, alert_type):
    """Pending for as long as the rule says, then firing once, then resolved once."""
    fields, for_s = CASES[alert_type]
    system = FeatureExtractionAlertingSystem(collector)
    told = []
    system.register_alert_handler(alert_type, told.append)
    for _ in range(for_s // 10):
        _hand_over(collector, 30, **fields)
        system.check_performance_alerts()
        assert not told
        clock.advance(10)
    for _ in range(3):
        _hand_over(collector, 30, **fields)
        assert [alert.type for alert in system.check_performance_alerts()] == [alert_type]
        clock.advance(10)
    for _ in range(60):
        _hand_over(collector, 30, duration_ms=5.0, memory_mb=1.0)
        system.check_performance_alerts()
        clock.advance(10)
    assert [alert.state for alert in told] == [State.FIRING, State.RESOLVED]
    firing, resolved = told
    assert firing.feature_set == "user_profile"
    assert firing.since_unix_s <= firing.fired_unix_s < resolved.resolved_unix_s
    assert firing.first_action
    assert resolved.title.startswith("Resolved: ")
    assert system.get_active_alerts() == []
    assert [alert.state for alert in system.get_alert_history()] == [State.RESOLVED, State.FIRING]
    assert system.faults() == {}
    system.close()


def test_a_drop_of_throughput_fires_also_when_nothing_comes_at_all(collector, clock):
    """Half of the hour before, for a minute; the hour before does not move while it lasts."""
    system = FeatureExtractionAlertingSystem(collector, [r for r in _rules() if r.type is AlertType.THROUGHPUT_DROP])
    for _ in range(180):
        _hand_over(collector, 10, duration_ms=5.0)
        clock.advance(10)
        assert system.check_performance_alerts(0) == []
    fired = []
    for _ in range(720):
        clock.advance(10)
        fired.append(bool(system.check_performance_alerts(0)))
    assert 6 <= fired.index(True) <= 18
    assert all(fired[fired.index(True) :])
    (alert,) = system.get_active_alerts()
    assert (alert.observed, alert.unit, alert.threshold) == (0.0, "per s", pytest.approx(0.5, rel=0.1))
    for _ in range(30):
        _hand_over(collector, 10, duration_ms=5.0)
        clock.advance(10)
        system.check_performance_alerts(0)
    assert system.get_active_alerts() == []


def test_a_few_slow_extractions_are_no_alert(collector):
    """Fewer than ten slow extractions, or a share that chance explains, raise no alert."""
    system = FeatureExtractionAlertingSystem(collector)
    _hand_over(collector, 9, duration_ms=500.0)
    assert system.check_performance_alerts() == []
    _hand_over(collector, 111, duration_ms=5.0)
    assert system.check_performance_alerts() == []  # 9 of 120 are more than 5 %, and may be chance


def test_a_value_at_the_threshold_fires_and_one_between_does_not_clear(collector, clock):
    """Hysteresis: 95 ms neither fires nor resolves."""
    system = FeatureExtractionAlertingSystem(collector)
    _hand_over(collector, 30, duration_ms=95.0)
    assert system.check_performance_alerts() == []
    clock.advance(70)
    _hand_over(collector, 30, duration_ms=100.0)
    assert system.check_performance_alerts()
    for _ in range(30):
        clock.advance(10)
        _hand_over(collector, 30, duration_ms=95.0)
        assert system.check_performance_alerts(0)


def test_a_silenced_alert_is_told_when_the_silence_ends(collector, clock):
    """A silenced alert fires and is shown as silenced; if it still fires when the silence ends, it is sent then."""
    system = FeatureExtractionAlertingSystem(collector)
    told = []
    system.register_alert_handler(None, told.append)
    made = system.silence(60, AlertType.LATENCY_THRESHOLD, feature_set="user_profile", comment="deployment")
    _hand_over(collector, 30, duration_ms=150.0)
    (alert,) = system.check_performance_alerts()
    assert alert.silenced
    assert not told
    assert [one.id for one in system.get_silences()] == [made]
    clock.advance(60)
    _hand_over(collector, 30, duration_ms=150.0)
    system.check_performance_alerts()
    assert [(one.state, one.silenced) for one in told] == [(State.FIRING, False)]
    assert system.get_silences() == []
    assert not system.unsilence(system.silence(1) + "x")
    with pytest.raises(ValueError, match="duration_s is 0"):
        system.silence(0)


def test_the_gauge_goes_back_to_zero(collector, clock):
    """The gauge of firing alerts returns to 0, by type, severity and feature set."""
    system = FeatureExtractionAlertingSystem(collector)
    _hand_over(collector, 30, duration_ms=150.0)
    system.check_performance_alerts()
    (gauge,) = system.gauges()
    assert gauge.name == "feature_extraction.alert.active"
    assert gauge.attributes["alert"] == "latency_threshold"
    assert gauge.value == 1.0
    for _ in range(40):
        clock.advance(10)
        system.check_performance_alerts(0)
    assert [one.value for one in system.gauges()] == [0.0]
    assert system.get_alert_history()[0].resolution == "no data"


def test_wrong_arguments_are_named(collector):
    """An invalid collector, alert type, handler or rule raises an error that names the argument and its value."""
    with pytest.raises(TypeError, match="metrics_collector is None"):
        FeatureExtractionAlertingSystem(None)
    system = FeatureExtractionAlertingSystem(collector)
    with pytest.raises(TypeError, match="alert_type is 'latency'"):
        system.register_alert_handler("latency", print)
    with pytest.raises(TypeError, match="handler is 3"):
        system.register_alert_handler(AlertType.ANOMALY, 3)
    with pytest.raises(ValueError, match="clear is 110"):
        Rule(AlertType.LATENCY_THRESHOLD, "p95 latency", 100.0, 110.0, "ms", Severity.PAGE)
    with pytest.raises(ValueError, match="window_s is 0"):
        Rule(AlertType.LATENCY_THRESHOLD, "p95 latency", 100.0, 90.0, "ms", Severity.PAGE, window_s=0)


def _rules():
    from otel_fe.alerting import DEFAULT_RULES

    return DEFAULT_RULES
