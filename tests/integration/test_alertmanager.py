"""Our alerts in a real Alertmanager."""

from __future__ import annotations

import time
from dataclasses import replace

from otel_fe.alerting import DEFAULT_RULES, Alertmanager, FeatureExtractionAlertingSystem, State
from otel_fe.clock import SystemClock
from otel_fe.enhanced_metrics import EnhancedMetricsCollector
from tests.real.prometheus import alertmanager, get
from tests.unit.alerting.receiving import an_alert


def _until(port, count):
    """Return the alerts that Alertmanager shows as active, once there are so many."""
    deadline = time.monotonic() + 20
    while True:
        found = get(f"http://127.0.0.1:{port}/api/v2/alerts?active=true")
        if len(found) == count or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def test_alerts_arrive_and_go(tmp_path):
    """Firing with labels, annotations and times; resolved when it is over here; repeated with one request."""
    with alertmanager(tmp_path) as port:
        collector = EnhancedMetricsCollector()
        rules = [replace(rule, clear_for_s=0.0, window_s=10.0) for rule in DEFAULT_RULES[:1]]
        system = FeatureExtractionAlertingSystem(collector, rules)
        receiver = Alertmanager(f"http://127.0.0.1:{port}/", labels={"team": "ml"})
        system.register_alert_handler(None, receiver)
        collector.add_feature_extraction_metrics([{"duration_ms": 150.0, "feature_set": "a"}] * 20)
        assert system.check_performance_alerts(5.0)
        (found,) = _until(port, 1)
        assert found["labels"]["alertname"] == "FeatureExtractionLatencyThreshold"
        assert found["labels"] | {"team": "ml", "severity": "page", "feature_set": "a"} == found["labels"]
        assert found["annotations"]["summary"] == "P95 latency of a is 150 ms"
        assert found["annotations"]["first_action"]
        assert found["status"]["state"] == "active"
        receiver.repeat(system.get_active_alerts())
        (again,) = _until(port, 1)
        assert (again["fingerprint"], again["startsAt"]) == (found["fingerprint"], found["startsAt"])
        deadline = time.monotonic() + 30
        while system.get_active_alerts() and time.monotonic() < deadline:
            collector.add_feature_extraction_metrics([{"duration_ms": 1.0, "feature_set": "a"}] * 400)
            system.check_performance_alerts(5.0)
            time.sleep(0.1)
        assert [alert.state for alert in system.get_alert_history()] == [State.RESOLVED, State.FIRING]
        assert _until(port, 0) == []
        assert system.faults() == {}
        system.close()


def test_an_alert_that_is_not_repeated_ends_by_itself(tmp_path):
    """An alert ends after four missing repetitions, as with Prometheus."""
    with alertmanager(tmp_path) as port:
        Alertmanager(f"http://127.0.0.1:{port}", repeat_s=0.5)(an_alert(start=SystemClock.time_ns() / 1e9 - 60))
        assert len(_until(port, 1)) == 1
        assert _until(port, 0) == []
