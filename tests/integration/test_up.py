"""`otel-fe up` as a person runs it: from an empty folder to a line about the service and its cause."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

OTEL_FE = str(Path(sys.executable).parent / "otel-fe")
_MS = 1_000_000


def span(number, name, start_ns, duration_ns, parent="", **attributes):
    """Return a span as OTLP's JSON has it."""
    values = {int: "intValue", float: "doubleValue", bool: "boolValue", str: "stringValue"}
    return {
        "traceId": f"{number:032x}", "spanId": f"{number * 2 + bool(parent):016x}", "parentSpanId": parent, "name": name,
        "kind": 3 if parent else 1, "startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(start_ns + duration_ns),
        "attributes": [{"key": key.replace("__", "."), "value": {values[type(value)]: value}} for key, value in attributes.items()],
    }  # fmt: skip


def slow_trace(number):
    """Return the spans of a slow extraction that waits for a query."""
    start = time.time_ns() - 200 * _MS
    extraction = span(number, "feature_extraction history", start, 150 * _MS, feature_extraction__feature_set="history")
    query = span(
        number, "SELECT", start + 10 * _MS, 120 * _MS, extraction["spanId"], db__statement="SELECT a FROM t WHERE b = ?"
    )
    return [extraction, query]


def send(address, spans):
    """Send spans over HTTP as JSON."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode()
    request = urllib.request.Request(f"http://{address}/v1/traces", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200


def test_service_is_seen_and_explained(tmp_path):
    """No YAML: receivers, store, dashboard, a line for the service, and the cause from the store afterwards."""
    store = tmp_path / "store"
    ports = [f"--{name}-port=0" for name in ("grpc", "http", "dashboard")]
    command = [OTEL_FE, "up", "--store", str(store), *ports]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        killer = threading.Timer(100, process.kill)
        killer.start()
        try:
            shown = ""
            for line in process.stdout:
                shown += line
                if line.startswith("Waiting for spans"):
                    http = re.search(r"and (\S+) \(OTLP/HTTP\)", shown).group(1)
                    page = re.search(r"Dashboard +(\S+)", shown).group(1)
                    for number in range(1, 21):
                        send(http, slow_trace(number))
                    with urllib.request.urlopen(page, timeout=20) as answer:
                        assert answer.status == 200
                if line.startswith("shop: 1 feature set, "):
                    break
            assert f"Store         {store}" in shown
            process.send_signal(signal.SIGINT)
            rest, err = process.communicate(timeout=60)
        finally:
            killer.cancel()
            process.kill()
    assert process.returncode == 0, err
    assert f"It is kept in {store}" in rest
    assert "40 spans received = 40 sampled + 0 not sampled + 0 dropped" in err
    explained = subprocess.run(
        [OTEL_FE, "explain", "--store", store], capture_output=True, text=True, timeout=100, check=True
    )
    assert re.match(r"history: p95 1\d\d ms, 8\d % of slow time in SELECT … t\n", explained.stdout), explained.stdout
