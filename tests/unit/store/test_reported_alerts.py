"""Alerts that processes tell of by log events stay beside the store until they are resolved."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from otel_fe.alerting import LogEvents, State
from otel_fe.store import reported_alerts
from otel_fe.store.reported_alerts import ReportedAlerts
from tests.unit.alerting.test_message import made

NOW = 1_700_000_700 * 10**9


def exported(*alerts, service="shop"):
    """Return alerts as a process exports them: by the SDK's own encoder."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    for alert in alerts:
        LogEvents(provider)(alert)
    payload = encode_logs(exporter.get_finished_logs()).SerializeToString()
    provider.shutdown()
    return payload


def test_an_alert_is_kept_with_its_cause_traces_and_action(tmp_path):
    assert ReportedAlerts(tmp_path).take(exported(made()), NOW) == 1
    (found,) = ReportedAlerts(tmp_path).firing()
    assert (found.service, found.feature_set, found.type) == ("shop", "transaction_history", "latency_threshold")
    assert (found.cause, found.line) == ("downstream", "features.py:86 transaction_history")
    assert found.exemplars == ("a" * 32, "b" * 32)
    assert found.text.startswith("PAGE: P95 latency of transaction_history is 156 ms, service shop\n")
    assert found.since_unix_s == 1_700_000_000.0


def test_a_resolved_one_is_gone_and_another_service_s_stays(tmp_path):
    told = ReportedAlerts(tmp_path)
    told.take(exported(made()), NOW)
    told.take(exported(made(), service="other"), NOW)
    told.take(exported(made(State.RESOLVED)), NOW)
    assert [one.service for one in told.firing()] == ["other"]


def test_other_logs_make_no_file_and_rubbish_harms_nothing(tmp_path):
    told = ReportedAlerts(tmp_path)
    assert told.take(b"\xff feature_extraction.alert \xff", NOW) == 0
    assert told.take(b"any", NOW) == 0
    assert list(tmp_path.iterdir()) == []
    assert told.firing() == ()
    (tmp_path / reported_alerts.FILE_NAME).write_bytes(b"no database")
    assert told.firing() == ()


def test_alerts_are_bounded_in_number_and_in_age(tmp_path, monkeypatch):
    monkeypatch.setattr(reported_alerts, "MOST", 2)
    told = ReportedAlerts(tmp_path)
    for name in "abc":
        told.take(exported(made(), service=name), NOW)
    assert len(told.firing()) == 2
    told.take(exported(made(), service="d"), NOW + 8 * 86_400 * 10**9)
    assert told.firing() == ()


@pytest.mark.parametrize("events", [False, True])
def test_the_page_says_why_an_alert_of_a_process_fires(tmp_path, events):
    """The log event has the reason; the gauge alone only says that an alert fires."""
    from otel_fe.dashboard.alert_list import ShownAlert, _event_of
    from otel_fe.dashboard.shown_incidents import incidents_of

    told = ReportedAlerts(tmp_path)
    if events:
        told.take(exported(made()), NOW)
    event = _event_of(told.firing(), "shop", "transaction_history", "latency_threshold")
    alert = ShownAlert("latency threshold", "page", "shop", "transaction_history", "1 firing", "", report=event)
    (incident,) = incidents_of([alert], {})
    assert incident.cause == ("81 % of slow time in SELECT … transactions" if events else "")
    assert incident.traces == (("a" * 32, "b" * 32) if events else ())
    assert incident.since == ("2023-11-14 22:13:20 UTC" if events else "")
    assert incident.action.startswith("Open one of the traces") == events
