"""Alerts of a real process: its pipeline, its metrics, its log events, its forked children."""

from __future__ import annotations

import os

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

import otel_fe
from otel_fe.alerting import LogEvents, attach
from otel_fe.alerting.gauges import sdk_metrics
from otel_fe.instrument import resources, runtime
from otel_fe.testing import FakeClock, capture


def _fail(number):
    for _ in range(number):
        with otel_fe.extraction("fails") as running:
            running.fail(KeyError("x"))


def test_a_process_alerts_by_itself():
    """Extractions alone, ten seconds, and there is a log event, a gauge, an error's type and traces that are kept."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    with capture(baseline_ratio=0.0) as captured:
        clock = FakeClock()
        attached = attach(runtime.current, gpu=resources.gpu, clock=clock, log_events=False)
        attached.system.register_alert_handler(None, LogEvents(provider))
        _fail(30)
        captured.traces.force_flush()
        clock.advance(10)
        attached.tick()
        (alert,) = attached.system.get_active_alerts()
        (metric,) = sdk_metrics(attached.system.gauges(), clock.time_ns())
        attached.close()
    (event,) = exporter.get_finished_logs()
    assert event.log_record.event_name == "feature_extraction.alert"
    assert event.log_record.attributes["feature_extraction.alert.cause"] == alert.cause == "KeyError"
    assert metric.name == "feature_extraction.alert.active"
    assert [(point.value, point.attributes["alert"]) for point in metric.data.data_points] == [
        (1.0, "error_rate_spike")
    ]
    provider.shutdown()


def test_a_forked_child_starts_over():
    """A forked child neither counts nor alerts on its parent's extractions, and follows its own engine."""
    with capture():
        clock = FakeClock()
        attached = attach(runtime.current, clock=clock, log_events=False)
        _fail(30)
        clock.advance(10)
        attached.tick()
        assert attached.system.get_active_alerts()
        pid = os.fork()
        if pid == 0:
            ok = attached.system.get_active_alerts() == []
            clock.advance(10)
            attached.tick()
            ok = ok and attached.system.get_active_alerts() == []
            _fail(30)
            clock.advance(10)
            attached.tick()
            found = attached.system.get_active_alerts()
            os._exit(0 if ok and [alert.samples for alert in found] == [30] else 1)
        assert os.waitpid(pid, 0)[1] == 0
        attached.close()


def test_it_is_light_to_import():
    """Importing `otel_fe.alerting` loads no package that only delivery or anomaly detection needs."""
    import subprocess
    import sys

    source = "import sys, otel_fe.alerting; assert not {'urllib3', 'river', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", source], check=True)
