"""Headroom and the ends of error budgets as gauges and alerts: from a document, and from a real child over a store."""

from __future__ import annotations

import json
import logging

import pytest

from otel_fe import process_metrics, semconv
from otel_fe.alerting.message import headline, parts
from otel_fe.collector.capacity_watch import CapacityWatch
from otel_fe.collector.slo_watch import SloWatch, read_slos
from tests.unit.store.parts import MINUTE, T0, bed


@pytest.fixture
def store(tmp_path):
    with bed(tmp_path / "store") as made:
        yield made


def document(peak, headroom=340.0, now=210.0, forecast=True, budgets=()):
    """Return what `otel-fe capacity --json` says of one service with one feature set."""
    ahead = [
        {"unix_s": T0 / 1e9 + hour * 3_600, "value": value, "low": value, "high": value}
        for hour, value in enumerate((now, peak))
    ]
    groups = [
        {
            "feature_set": name,
            "rate_now_per_s": now,
            "headroom_per_s": {"value": value, "low": value, "high": value},
            "gives_out_first": "primary",
        }
        for name, value in ((None, headroom), ("user", 2 * headroom))
    ]
    used_up = {"expected_unix_s": T0 / 1e9 + 3_600 if peak >= headroom else None, "earliest_unix_s": None}
    outlook = {"traffic_per_s": ahead, "headroom_used_up": used_up, "error_budgets": list(budgets)}
    outlook = outlook if forecast else None
    return {"services": [{"service": "shop", "groups": groups, "outlook": outlook}]}


def test_headroom_is_a_gauge_of_each_group(store):
    capacity = CapacityWatch(store.directory, ask=lambda: document(250.0))
    watch = SloWatch(store.directory, read_slos(None, {}), store.clock, capacity=capacity)
    capacity.refresh()
    found = {
        dict(one.labels).get(semconv.FEATURE_SET): one.value
        for one in watch.samples()
        if one.name == process_metrics.HEADROOM
    }
    watch.stop()
    assert found == {None: 340.0, "user": 680.0}


@pytest.mark.parametrize(
    ("said", "fires"),
    [
        (document(350.0), True),
        (document(330.0), False),
        (document(0.0, now=350.0, forecast=False), True),
        (document(0.0, now=339.0, forecast=False), False),
    ],
)
def test_the_alert_fires_where_the_forecast_of_traffic_reaches_headroom(store, caplog, said, fires):
    """The alert compares the current traffic with the headroom if there is no forecast."""
    caplog.set_level(logging.INFO, "otel_fe")
    capacity = CapacityWatch(store.directory, ask=lambda: json.loads(json.dumps(said)))
    watch = SloWatch(store.directory, read_slos(None, {}), store.clock, capacity=capacity)
    capacity.refresh()
    watch.evaluate()
    store.clock.advance(ns=2 * MINUTE)
    watch.evaluate()
    active = [one for one in watch.samples() if dict(one.labels).get(semconv.ALERT) == "capacity"]
    watch._alerts.check_performance_alerts(wait_s=5)
    watch.stop()
    assert [one.value for one in active] == ([1.0] if fires else [])
    texts = [record.getMessage() for record in caplog.records if "raffic ahead" in record.getMessage()]
    assert bool(texts) is fires
    assert all("primary gives out first" in text for text in texts)


def budget(hours=None, earliest=None, used_up=False, refused="", feature_set="user", latest=None):
    """Return what the document says of the budget of the SLO `latency`: in how many hours it ends, and at the earliest."""
    ends = {
        name: None if one is None else T0 / 1e9 + one * 3_600
        for name, one in (("expected_unix_s", hours), ("earliest_unix_s", earliest), ("latest_unix_s", latest))
    }
    return {"slo": "latency", "feature_set": feature_set, "used_up": used_up, "ends": ends, "refused": refused}


@pytest.fixture
def told(store):
    """Return a function that has a document said and evaluated, and returns the gauges of budgets, and the alert on them."""
    said = []
    capacity = CapacityWatch(store.directory, ask=lambda: json.loads(json.dumps(said[-1])), clock=store.clock)
    watch = SloWatch(store.directory, read_slos(None, {}), store.clock, capacity=capacity)

    def tell(*budgets, forecast=True, **outlook):
        said.append(document(0.0, budgets=budgets, forecast=forecast))
        if outlook:
            said[-1]["services"][0]["outlook"].update(outlook)
        capacity.refresh()
        return look()

    def look():
        watch.evaluate()
        samples = watch.samples()
        gauges = [(dict(one.labels), one.value) for one in samples if one.name == process_metrics.BUDGET_EXHAUSTED_IN]
        alerts = [one.value for one in samples if one.value and dict(one.labels).get(semconv.ALERT) == "slo_burn"]
        return gauges, alerts

    tell.look, tell.watch = look, watch
    store.clock.advance(ns=T0 - store.clock.time_ns())
    yield tell
    watch.stop()


def test_the_end_of_a_budget_is_a_gauge_that_counts_down(told, store):
    """The gauge has no feature set label if the extractions have none, and is absent if no end is expected."""
    gauges, _ = told(budget(10.0, 8.0), budget(1.0, feature_set=""), budget(None, 1.5, feature_set="other"))
    labels = {semconv.SERVICE_NAME: "shop", semconv.SLO: "latency"}
    assert gauges == [({**labels, semconv.FEATURE_SET: "user"}, 36_000.0), (labels, 3_600.0)]
    store.clock.advance(ns=120 * MINUTE)
    assert [value for _, value in told.look()[0]] == [28_800.0, 0.0]


def test_the_alert_fires_while_a_budget_is_expected_to_end(told, store, caplog):
    """The alert recovers after an hour in which even the worse bound of the forecast has no end."""
    caplog.set_level(logging.INFO, "otel_fe")
    assert told(budget(1.5, 0.5))[1] == [1.0]
    told.watch._alerts.check_performance_alerts(wait_s=5)
    (text,) = (record.getMessage() for record in caplog.records if "SLO latency" in record.getMessage())
    assert "Error budget of SLO latency of user in shop is expected to end Wed 2023-11-15 00:30 UTC" in text
    assert "the objective is missed in 1 h 30 min (not before" in text
    assert told(budget(None, 1.5))[1] == [1.0]
    assert told()[1] == [1.0]
    for _ in range(70):
        store.clock.advance(ns=MINUTE)
        found = told.look()
    assert found == ([], [])
    told.watch._alerts.check_performance_alerts(wait_s=5)
    assert "is no longer expected to end within 2 h" in caplog.text


def test_a_budget_that_is_used_up_raises_no_alert_ahead_but_keeps_one(told):
    """A used-up budget is reported by the burn-rate alerts, or by the forecast alert that fires already and stays."""
    gauges, alerts = told(budget(0.0, 0.0, used_up=True))
    assert ([value for _, value in gauges], alerts) == ([0.0], [])
    assert told(budget(1.5, 0.5))[1] == [1.0]
    assert told(budget(0.0, 0.0, used_up=True))[1] == [1.0]


@pytest.mark.parametrize("forecast", [True, False])
def test_without_a_forecast_a_budget_has_neither(told, store, caplog, forecast):
    """Refused for the budget, or for all of the service: an alert that fires ends for want of data."""
    caplog.set_level(logging.INFO, "otel_fe")
    refused = budget(refused="The history has too many gaps to estimate the error of a forecast.")
    assert told(refused, forecast=forecast) == ([], [])
    assert told(budget(1.5, 0.5))[1] == [1.0]
    assert told(refused, forecast=forecast)[0] == []
    for _ in range(7):
        store.clock.advance(ns=MINUTE)
        found = told.look()
    assert found == ([], [])
    told.watch._alerts.check_performance_alerts(wait_s=5)
    assert "RESOLVED: Error budget of SLO latency of user in shop is not forecast any more" in caplog.text
    reason = "The history has too many gaps" if forecast else "traffic, which it depends on, has no forecast"
    assert reason in caplog.text
    assert "That is no recovery" in caplog.text
    assert "nothing is measured any more" not in caplog.text


def hours_pass(told, store, hours, *budgets, **outlook):
    """Have as many hourly forecasts say the same, and evaluations each minute."""
    for _ in range(hours):
        told(*budgets, **outlook)
        for _ in range(60):
            store.clock.advance(ns=MINUTE)
            told.look()


def messages(told, caplog):
    """Return what was sent of the budget, each as its lines."""
    told.watch._alerts.check_performance_alerts(wait_s=5)
    return [record.getMessage() for record in caplog.records if "rror budget of SLO latency" in record.getMessage()]


def lines(alert):
    return dict(parts(alert))


def test_what_a_person_reads_while_a_budget_comes_to_its_end(told, store):
    """Appears, moves, is uncertain, is used up: each time what is wrong, when, how sure that is, and what it means."""

    def alert():
        (found,) = told.watch._alerts.get_active_alerts()
        return found

    told(budget(1.5, 0.5, latest=30.0))
    first = alert()
    assert first.title == "Error budget of SLO latency of user in shop is expected to end Wed 2023-11-15 00:30 UTC"
    assert headline(first) == f"TICKET: {first.title}"
    assert lines(first)["How bad"] == (
        "at the pace of the last two days the objective is missed in 1 h 30 min (not before Tue 2023-11-14 23:30 UTC and not "
        "after Thu 2023-11-16 05:00 UTC with 80 %); until then it holds"
    )
    assert lines(first)["First"].startswith("Open one of the traces of bad extractions")
    told(budget(1.0, 0.5))
    assert alert().title.endswith("is expected to end Wed 2023-11-15 00:00 UTC")
    assert "(not before Tue 2023-11-14 23:30 UTC with 80 %)" in lines(alert())["How bad"]
    store.clock.advance(ns=70 * MINUTE)
    told.look()
    assert alert().title.endswith("is expected to have ended by Wed 2023-11-15 00:00 UTC")
    told(budget(None, 1.5))
    assert alert().title.endswith("in shop is no longer expected to end within 2 h")
    assert "it may still end, at the earliest Wed 2023-11-15 00:30 UTC" in lines(alert())["How bad"]
    told(budget(0.0, 0.0, used_up=True))
    assert alert().title.endswith("in shop is used up")
    assert "missed until enough bad extractions have left its window" in lines(alert())["How bad"]


@pytest.mark.parametrize(
    ("then", "title", "ended"),
    [
        (
            {},
            "is no longer expected to end within 2 h",
            "the forecast has turned: by its 80 % interval there is no end",
        ),
        (
            {
                "budgets": [
                    budget(refused="There were events in 40 of the last 240 hours: 72 are needed to know the pace.")
                ]
            },
            "is not forecast any more",
            "There were events in 40 of the last 240 hours: 72 are needed to know the pace. That is no recovery",
        ),
        (
            {"traffic_per_s": None, "silent": ["traffic: 40 h of history are too few."]},
            "is not forecast any more",
            "traffic, which it depends on, has no forecast: 40 h of history are too few. That is no recovery",
        ),
    ],
    ids=["the course turned", "data too thin", "no forecast of traffic"],
)
def test_what_a_person_reads_when_the_forecast_is_gone(told, store, caplog, then, title, ended):
    caplog.set_level(logging.INFO, "otel_fe")
    told(budget(1.5, 0.5))
    hours_pass(told, store, 2, *then.get("budgets", ()), **{k: v for k, v in then.items() if k != "budgets"})
    text = messages(told, caplog)[-1]
    assert f"RESOLVED: Error budget of SLO latency of user in shop {title}" in text
    assert ended in text
    assert told.look() == ([], [])


def test_what_a_person_reads_when_a_used_up_budget_recovers(told, store, caplog):
    caplog.set_level(logging.INFO, "otel_fe")
    told(budget(1.5, 0.5))
    told(budget(0.0, 0.0, used_up=True))
    hours_pass(told, store, 2)
    text = messages(told, caplog)[-1]
    assert "RESOLVED: Error budget of SLO latency of user in shop is no longer used up" in text
    assert "enough bad extractions have left its window" in text


def test_a_service_that_is_gone_ends_the_alert_with_that_reason(store, caplog):
    caplog.set_level(logging.INFO, "otel_fe")
    answers = iter([document(0.0, budgets=[budget(1.5, 0.5)]), {"services": []}])
    capacity = CapacityWatch(store.directory, ask=lambda: next(answers), clock=store.clock)
    watch = SloWatch(store.directory, read_slos(None, {}), store.clock, capacity=capacity)
    store.clock.advance(ns=T0 - store.clock.time_ns())
    for _ in range(2):
        capacity.refresh()
        for _ in range(10):
            watch.evaluate()
            store.clock.advance(ns=MINUTE)
    watch._alerts.check_performance_alerts(wait_s=5)
    watch.stop()
    assert "no extractions of shop are stored any more. That is no recovery" in caplog.text


def test_a_failure_leaves_what_was_known(store, caplog):
    answers = iter([document(250.0)])
    capacity = CapacityWatch(store.directory, ask=lambda: next(answers))
    capacity.refresh()
    known = capacity.gauges()
    capacity.refresh()
    assert capacity.gauges() == known
    assert len(known) == 2
    assert "could not be computed" in caplog.text


def test_a_real_child_answers(store, caplog):
    """An empty store: the child reports that nothing is stored, and no headroom is published."""
    capacity = CapacityWatch(store.directory)
    capacity.refresh()
    assert capacity.gauges() == ()
    assert "no extractions are stored yet" in caplog.text
    capacity.stop()
