"""One message an incident: when it begins, when it becomes a page, and when its last alert is resolved."""

from __future__ import annotations

from dataclasses import replace

from otel_fe.alerting import Severity, State
from otel_fe.alerting.incident_log import IncidentLog
from otel_fe.alerting.message import text_of
from tests.unit.alerting.receiving import an_alert


def alert(key, *, page=True, cause="downstream", since=1_000.0, feature_set="history", state=State.FIRING, at=0.0):
    severity = Severity.PAGE if page else Severity.TICKET
    return replace(
        an_alert(state, feature_set), key=key, title=f"{key} is high", severity=severity, cause=cause, cause_detail=f"{cause} takes all",
        service="shop", since_unix_s=since, resolved_unix_s=at,
    )  # fmt: skip


def resolved(key, at, **more):
    return alert(key, state=State.RESOLVED, at=at, **more)


def test_four_alerts_of_a_moment_are_one_message_that_names_all():
    log = IncidentLog()
    (message,) = log.take(
        [alert("slo", page=False, cause=""), alert("errors", cause="TimeoutError"), alert("p95"), alert("slo 6h")]
    )
    assert message.severity is Severity.PAGE
    assert sorted((message.title, *message.related)) == [
        "errors is high",
        "p95 is high",
        "slo 6h is high",
        "slo is high",
    ]
    assert text_of(message).count("PAGE:") == 1


def test_what_joins_later_is_not_told_but_repeated():
    log = IncidentLog()
    log.take([alert("p95")])
    assert log.take([alert("slo", since=5_000.0)]) == []
    (repeated,) = log.open({"p95"})
    assert (repeated.title, repeated.related) == ("p95 is high", ("slo is high",))


def test_a_ticket_that_becomes_a_page_wakes_somebody_and_once():
    log = IncidentLog()
    (first,) = log.take([alert("slow burn", page=False)])
    (second,) = log.take([alert("p95", since=9_000.0)])
    assert [one.severity for one in (first, second)] == [Severity.TICKET, Severity.PAGE]
    assert (second.title, second.related, second.since_unix_s) == ("p95 is high", ("slow burn is high",), 1_000.0)
    assert first.incident == second.incident
    assert log.take([alert("fast burn", since=9_010.0)]) == []


def test_a_page_that_comes_back_while_a_ticket_is_open_wakes_somebody_again():
    log = IncidentLog()
    log.take([alert("slow burn", page=False), alert("p95")])
    assert log.take([resolved("p95", 2_000.0)]) == []
    (again,) = log.take([alert("p95", since=20_000.0)])
    assert again.severity is Severity.PAGE


def test_an_incident_is_resolved_once_with_its_last_alert():
    log = IncidentLog()
    log.take([alert("p95"), alert("slo")])
    assert log.take([resolved("p95", 2_000.0)]) == []
    (message,) = log.take([resolved("slo", 3_000.0)])
    assert (message.state, message.resolved_unix_s) == (State.RESOLVED, 3_000.0)
    text = text_of(message)
    assert text.startswith("RESOLVED: ")
    assert "Since: 1970-01-01 00:16:40 UTC, until 1970-01-01 00:50:00 UTC (33 min)" in text
    assert log.open({"p95", "slo"}) == []
    assert log.take([resolved("slo", 4_000.0)]) == [], "it is over"


def test_an_incident_goes_on_where_one_alert_ends_as_another_begins():
    log = IncidentLog()
    log.take([alert("p95")])
    assert log.take([resolved("p95", 2_000.0), alert("slo", since=1_990.0)]) == []
    assert len(log.take([resolved("slo", 3_000.0)])) == 1


def test_a_page_that_knows_no_cause_is_told_with_that_of_the_others():
    log = IncidentLog()
    log.take([alert("p95", page=False)])
    (message,) = log.take([alert("budget", cause="")])
    assert (message.title, message.cause, message.cause_detail) == (
        "budget is high",
        "downstream",
        "downstream takes all",
    )


def test_alerts_that_were_told_before_are_the_same_incident():
    log = IncidentLog()
    log.take([alert("p95")])
    assert log.take([alert("p95")]) == []
