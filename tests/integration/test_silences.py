"""A silence made on the page, honoured by the collector: real processes, and a real Alertmanager."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otel_fe import semconv
from tests.real.prometheus import alertmanager, get
from tests.unit.collector.running import METRICS, config, export, running, until

MINUTE = 60 * 1_000_000_000
WANTED = {
    "action": "silence",
    "slo": "latency",
    "service": "=shop",
    "feature_set": "=user",
    "duration": "1h",
    "author": "Ada",
    "comment": "the database moves",
}


def bad_events():
    """Return what a service counts of two minutes ago: nine of ten extractions of a feature set were slow."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    metric = resource.scope_metrics.add().metrics.add(name=semconv.SLO_EVENTS, unit="{extraction}")
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 1
    end = time.time_ns() - 2 * MINUTE
    for good, value in ((True, 100), (False, 900)):
        point = metric.sum.data_points.add(as_int=value, start_time_unix_nano=end - MINUTE, time_unix_nano=end)
        point.attributes.add(key=semconv.SLO).value.string_value = "latency"
        point.attributes.add(key=semconv.GOOD).value.bool_value = good
        point.attributes.add(key=semconv.FEATURE_SET).value.string_value = "user"
    return request.SerializeToString()


@contextmanager
def dashboard(store):
    """Run `otel-fe dashboard`, as a person would; yields where."""
    command = [Path(sys.executable).parent / "otel-fe", "dashboard", "--store", store, "--listen", "localhost:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield re.search(r"http://\S+", process.stderr.readline()).group().rstrip("/")
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def read(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def post(url, **form):
    """Send a form of the page about alerts, with the token that the page has; return the page that comes of it."""
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', read(f"{url}/alerts")).group(1)
    body = urllib.parse.urlencode({"form_token": token} | form).encode()
    return read(urllib.request.Request(f"{url}/alerts", body, {"Origin": url}))


def firing(collector):
    """Return how many alerts the collector holds to be firing, silenced or not."""
    return sum(
        value for name, _, _, value in json.loads(collector.get("/state"))["samples"] if name == semconv.ALERT_ACTIVE
    )


def test_an_alert_is_silenced_over_http_and_told_once_that_is_lifted(tmp_path):
    """A silenced alert fires without a notification; lifting the silence notifies Alertmanager, and a new one shows on the page."""
    store = tmp_path / "store"
    with (
        alertmanager(tmp_path) as port,
        running(tmp_path, config(), "--store", str(store), "--alertmanager", f"http://127.0.0.1:{port}") as collector,
        dashboard(store) as url,
    ):
        delivered = f"http://127.0.0.1:{port}/api/v2/alerts"
        export(collector.grpc, bad_events(), METRICS)
        until(lambda: (store / "store.sqlite3").exists() and json.loads(read(f"{url}/overview.json")).get("alerts"))
        assert "by Ada: the database moves" in post(url, **WANTED)
        collector.until("are silenced until")
        until(lambda: firing(collector) > 0)
        assert get(delivered) == []
        assert "alert firing" not in collector.log
        (silence,) = json.loads(read(f"{url}/alerts.json"))["silences"]
        assert silence["fires"] > 0
        assert "None: every firing alert is sent." in post(url, action="lift", id=silence["silence"]["id"])
        collector.until("are no longer silenced")
        (found, *_) = until(lambda: get(delivered))
        assert {"service": "shop", "feature_set": "user", "subject": "SLO latency"}.items() <= found["labels"].items()
        collector.until("alert firing")
        assert "silenced" in post(url, **WANTED | {"comment": "again"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(url, **WANTED | {"duration": "a while"})
        assert refused.value.code == 400
        assert b"use 1m to 30d" in refused.value.read()
        refused.value.close()
