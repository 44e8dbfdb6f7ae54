"""Alerts are grouped into incidents: one trouble, one message."""

from __future__ import annotations

import random

from otel_fe.alerting.incidents import Symptom, group, join
from otel_fe.semconv import CAUSE_CPU, CAUSE_DOWNSTREAM, CAUSE_POOL_WAIT


def symptom(
    key: str,
    feature_set: str = "history",
    *,
    service: str = "shop",
    page: bool = True,
    cause: str = "",
    line: str = "",
    since: float = 1_000.0,
) -> Symptom:
    return Symptom(key, service, feature_set, page, cause, line, since)


def keys(incidents) -> list[list[str]]:
    return [sorted(one.key for one in incident.symptoms) for incident in incidents]


def test_four_alerts_of_one_feature_set_and_cause_are_one_incident():
    (incident,) = group(
        [
            symptom("p95", cause=CAUSE_DOWNSTREAM, since=1_000),
            symptom("slo 1h", cause=CAUSE_DOWNSTREAM, since=1_300),
            symptom("slo 6h", page=False, cause=CAUSE_DOWNSTREAM, since=5_000),
            symptom("budget", page=False, since=9_000),  # the collector knows no cause
        ]
    )
    assert keys([incident]) == [["budget", "p95", "slo 1h", "slo 6h"]]
    assert (incident.service, incident.feature_sets, incident.cause) == ("shop", ("history",), CAUSE_DOWNSTREAM)
    assert (incident.page, incident.since_unix_s, incident.lead.key) == (True, 1_000, "p95")


def test_another_cause_that_comes_later_is_an_incident_of_its_own():
    found = group([symptom("p95", cause=CAUSE_DOWNSTREAM), symptom("errors", cause="TimeoutError", since=1_121)])
    assert keys(found) == [["p95"], ["errors"]]


def test_causes_that_began_together_are_one_incident():
    assert (
        len(group([symptom("p95", cause=CAUSE_DOWNSTREAM), symptom("errors", cause="TimeoutError", since=1_120)])) == 1
    )


def test_services_never_share_an_incident():
    assert len(group([symptom("a", cause=CAUSE_POOL_WAIT), symptom("b", service="other", cause=CAUSE_POOL_WAIT)])) == 2


def test_feature_sets_share_an_incident_by_process_wide_causes_and_by_line():
    assert len(group([symptom("a", "x", cause=CAUSE_POOL_WAIT), symptom("b", "y", cause=CAUSE_POOL_WAIT)])) == 1
    assert len(group([symptom("a", "x", cause=CAUSE_CPU), symptom("b", "y", cause=CAUSE_CPU)])) == 2
    lines = [symptom("a", "x", cause=CAUSE_CPU, line="f.py:3 f"), symptom("b", "y", cause=CAUSE_CPU, line="f.py:3 f")]
    (incident,) = group(lines)
    assert incident.feature_sets == ("x", "y")
    assert len(group([lines[0], lines[1]._replace(line="g.py:3 g")])) == 2


def test_an_alert_of_the_whole_service_joins_what_began_with_it():
    (incident,) = group([symptom("cpu", "", page=False), symptom("p95", cause="cpu_wait", since=1_060)])
    assert incident.lead.key == "p95"
    assert len(group([symptom("cpu", "", since=1), symptom("p95", cause="cpu_wait")])) == 2


def test_the_order_of_alerts_does_not_matter():
    alerts = [
        symptom("a", cause=CAUSE_DOWNSTREAM), symptom("b"), symptom("c", "x", cause=CAUSE_POOL_WAIT, since=2_000),
        symptom("d", "y", cause=CAUSE_POOL_WAIT, since=3_000), symptom("e", "", since=2_010), symptom("f", cause=CAUSE_CPU, since=9_000),
    ]  # fmt: skip
    expected = group(alerts)
    for seed in range(20):
        shuffled = random.Random(seed).sample(alerts, len(alerts))
        assert [(one.id, keys([one])) for one in group(shuffled)] == [(one.id, keys([one])) for one in expected]


def test_pages_come_first_and_ids_tell_incidents_apart():
    found = group(
        [
            symptom("t", "x", page=False, since=1),
            symptom("p", "y", since=9_000),
            symptom("p2", "y", cause="B", since=20_000),
            symptom("p3", "y", cause="C", since=30_000),
        ]
    )
    assert [one.page for one in found] == [True, True, False]
    assert len({one.id for one in found}) == 3


def test_an_id_that_is_taken_gets_a_number():
    found = []
    first = join(found, symptom("a", cause="B/C", since=1))
    first.symptoms[0] = first.symptoms[0]._replace(cause="D")
    assert first.id == "shop/history/B%2FC"
    assert join(found, symptom("b", cause="B/C", since=9_000)).id == "shop/history/B%2FC#1"
