"""A slow extraction of the example service is found by clicking, with its cause, and the same trace in a real Jaeger."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
import redis

from otel_fe.demo.service import Service
from tests.real.jaeger import built_jaeger, jaeger
from tests.unit.collector.running import running

ROOT = Path(__file__).parents[2]
CONFIG = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}
processors:
  tail_sampling:
    decision_wait: 5s
    policies:
      - {{name: slow, type: latency, latency: {{threshold_ms: 100}}}}
      - {{name: baseline, type: probabilistic, probabilistic: {{sampling_percentage: 50}}}}
exporters:
  otlp: {{endpoint: "127.0.0.1:{port}", tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [otlp]}}
    metrics: {{receivers: [otlp], exporters: [otlp]}}
"""


@pytest.fixture
def dashboard(tmp_path):
    """Return a function that starts `otel-fe dashboard`, as a person would, and says where."""
    started = []

    def start(*arguments):
        command = [
            Path(sys.executable).parent / "otel-fe",
            "dashboard",
            "--listen",
            "localhost:0",
            *map(str, arguments),
        ]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        started.append(process)
        line = process.stderr.readline()
        return re.search(r"http://\S+", line).group().rstrip("/")

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@pytest.fixture
def short():
    """Return a folder whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="fe") as name:
        yield Path(name)


def pause(folder, ms):
    """Let the service's own Redis answer no request for a while."""
    (path,) = [one for one in folder.rglob("*") if one.is_socket()]
    client = redis.Redis(unix_socket_path=str(path))
    client.execute_command("CLIENT", "PAUSE", ms, "ALL")
    client.close()


def test_a_slow_extraction_is_found_and_explained(page, tmp_path, short, dashboard, monkeypatch):
    """Redis is slow, and what is looked up is not there: the heat map leads to it, and says cache miss."""
    built_jaeger()
    monkeypatch.setenv("OTEL_FE_PIPELINE", "collector")
    monkeypatch.setenv("TMPDIR", str(short))
    store = tmp_path / "store"
    with jaeger(tmp_path / "jaeger", ROOT / "collector_config" / "jaeger.yaml") as (otlp, query):
        with running(tmp_path, CONFIG.format(port=otlp), "--store", str(store)) as collector:
            link = f"http://127.0.0.1:{query}/trace/{{trace_id}}"
            url = dashboard("--store", store, "--config", collector.file, "--trace-url", f"Jaeger={link}")
            page.goto(url)
            assert "No data yet" in page.inner_text("main")
            service = Service(f"http://{collector.grpc}")
            try:
                for user in range(1, 21):
                    assert ask(service.port, f"/features/user_profile/{user}") == 200
                pause(short, 400)
                assert ask(service.port, "/features/user_profile/77") == 200
            finally:
                service.stop()
                service._reader.join(10)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                page.goto(f"{url}/explore?range=15m&feature_set=user_profile")
                if page.locator("#heat a:has(rect[class^=s])").count():
                    break
                time.sleep(0.5)
            page.locator("#heat a:has(rect[class^=s])").first.click()
            page.locator("table.traces tbody tr th a").first.click()
            assert page.locator("#cause").get_attribute("data-cause") == "cache_miss"
            assert re.search(r"kept by `slow`: .*≥ 10[01] ms, weight 1", page.locator("#why").inner_text())
            assert "feature_extraction user_profile" in page.locator(".fall").inner_text()
            target = page.get_by_text("Open in Jaeger").get_attribute("href")
            trace_id = target.rsplit("/", 1)[1]
            assert trace_id in page.url
            with urllib.request.urlopen(f"http://127.0.0.1:{query}/api/traces/{trace_id}", timeout=20) as answer:
                spans = json.load(answer)["data"][0]["spans"]
            assert "feature_extraction user_profile" in {span["operationName"] for span in spans}
            with page.expect_popup() as opened:
                page.get_by_text("Open in Jaeger").click()
            assert opened.value.url == target
            page.goto(f"{url}/policies")
            assert "slow" in page.inner_text("main")
            assert page.complaints == []
