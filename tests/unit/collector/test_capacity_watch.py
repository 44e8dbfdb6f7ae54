"""Headroom as a gauge and an alert: from a document, and from a real child over a store."""

from __future__ import annotations

import json
import logging

import pytest

from otel_fe import process_metrics, semconv
from otel_fe.collector.capacity_watch import CapacityWatch
from otel_fe.collector.slo_watch import SloWatch, read_slos
from tests.unit.store.parts import MINUTE, T0, bed


@pytest.fixture
def store(tmp_path):
    with bed(tmp_path / "store") as made:
        yield made


def document(peak, headroom=340.0, now=210.0, forecast=True):
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
    outlook = {"traffic_per_s": ahead, "headroom_used_up": used_up} if forecast else None
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
    """Where there is no forecast, it is today's traffic."""
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


def test_a_failure_leaves_what_was_known(store, caplog):
    answers = iter([document(250.0)])
    capacity = CapacityWatch(store.directory, ask=lambda: next(answers))
    capacity.refresh()
    known = capacity.gauges()
    capacity.refresh()
    assert capacity.gauges() == known
    assert len(known) == 2
    assert "could not be worked out" in caplog.text


def test_a_real_child_answers(store, caplog):
    """An empty store: the child says that nothing is stored, and nobody hears of a headroom."""
    capacity = CapacityWatch(store.directory)
    capacity.refresh()
    assert capacity.gauges() == ()
    assert "no extractions are stored yet" in caplog.text
    capacity.stop()
