"""The demo, as a new user runs it: a real service, a real load, real sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from otel_fe.demo.received import ReceivedTelemetry
from otel_fe.demo.receiver import Receiver
from otel_fe.store import Selection, StoreReader
from tests.unit.collector.running import until

OTEL_FE = Path(sys.executable).parent / "otel-fe"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def demo(store, *arguments, **more):
    """Run `otel-fe demo`."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    return subprocess.run(
        [OTEL_FE, "demo", "--store", store, *arguments],
        env={**clean, **more},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_report_is_whole_and_its_sums_agree(store):
    """The report's sums of requests, extractions, sampled spans and time per stage agree with each other."""
    user = ReceivedTelemetry()
    backend = Receiver(user.receive)
    backend.start()
    done = demo(store, "--seconds", "4", "--json", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    backend.stop()
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["targeted"] == report["clients"]["requests"] > 100
    # The service also fits two pipelines of scikit-learn when it starts.
    assert report["extractions"] == report["targeted"] + 2
    assert report["errors"] == report["clients"]["errors"]
    assert report["latencies"][0]["count"] == report["extractions"]
    spans = report["spans"]
    assert (
        spans["received"]
        == spans["sampled"] + spans["not_sampled"] + spans["dropped"] + spans["queued"] + spans["pending"]
    )
    assert spans["queued"] == spans["pending"] == spans["dropped"] == 0
    assert report["traces_kept"] == sum(n for reason, n in report["traces"].items() if reason != "none")
    assert report["exemplars_resolved"][0] == report["exemplars_resolved"][1] > 0
    slowest = report["slowest"]
    assert sum(slowest["split_ms"].values()) == pytest.approx(slowest["duration_ms"])
    assert {r["name"] for r in report["requirements"]} == {"latency", "cache_hit_rate", "error_rate", "memory"}
    # The user's own backend got everything too.
    assert report["forwarded"]["failed"] == 0
    assert len(user.spans) == spans["sampled"]
    # So did the store, which a dashboard opens.
    reader = StoreReader(store)
    kept = reader.traces.find(Selection(0, time.time_ns(), whole_traces=True), limit=10_000)
    reader.close()
    assert len(kept) == len({span.trace_id for span in user.spans})


def test_the_text_says_it_in_words(store):
    """The demo prints, unless --json is given, a report as text, and a hint at the next step."""
    done = demo(store, "--seconds", "2")
    assert done.returncode == 0, done.stderr
    for word in ("Latency of", "The four requirements", "Kept", "Slowest:", "together", "Cross-check:", "\n  all "):
        assert word in done.stdout
    assert "\033[" not in done.stdout


def test_its_last_lines_can_be_copied(store):
    """The report ends with a command that can be pasted into a shell, and with links to the slowest traces on the page that it serves."""
    store = store.with_name("a store's")
    done = demo(store, "--seconds", "2")
    assert done.returncode == 0, done.stderr
    *_, command, slowest, trace = done.stdout.splitlines()
    assert command.startswith("Look closer: ")
    assert command.endswith(" --open")
    copied = f"exec {command.removeprefix('Look closer: ')} --listen localhost:0"
    process = subprocess.Popen(copied, shell=True, stderr=subprocess.PIPE, text=True)
    try:
        base = re.search(r"http://\S+", process.stderr.readline())[0].rstrip("/")
        _look(slowest, trace, base)
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


def _look(slowest, trace, base):
    """Follow the two links, at another address."""
    name = slowest.split(",")[0].strip()
    assert f"feature_set={name}" in slowest
    page = _page(base + slowest.split("http://localhost:8899")[1])
    assert "<table" in page
    assert "No data yet" not in page
    assert "kept by" in _page(base + trace.split("http://localhost:8899")[1])


def _page(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def test_it_serves_the_page_while_it_runs_and_until_ctrl_c(store, tmp_path):
    """`--dashboard`: its URL at once, the report in between, the page goes on, and Ctrl-C is no failure."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    command = [OTEL_FE, "demo", "--store", store, "--seconds", "2", "--dashboard", "localhost:0"]
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("w") as stdout, err.open("w") as stderr:
        # A shell that runs the tests in the background may have its children ignore Ctrl-C.
        heed = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=clean, preexec_fn=heed)  # noqa: PLW1509
        try:
            until(lambda: "the dashboard is on http://" in err.read_text(), 60)
            base = re.search(r"http://\S+?(?=/;)", err.read_text())[0]
            assert "otel_fe" in _page(base)
            until(lambda: "until Ctrl-C" in err.read_text(), 90, err.read_text)
            *_, here, slowest, trace = out.read_text().splitlines()
            assert here == f"Look closer, until Ctrl-C: {base}/"
            assert "kept by" in _page(trace.split()[-1])
            assert "<table" in _page(slowest.split()[-1])
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in err.read_text()


def test_a_dashboard_that_cannot_be_is_said_before_the_load(store):
    """A dashboard address that cannot be used is reported before the example service starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = demo(store, "--dashboard", f"localhost:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert "choose another port, or 0 for a free one" in done.stderr
    assert "starting the example service" not in done.stderr
    assert "set a token (--dashboard-token-file" in demo(store, "--dashboard", "0.0.0.0:0").stderr


def test_a_backend_that_is_away_is_said_and_holds_nobody_up(store):
    """The user's endpoint refuses: the report says so."""
    done = demo(store, "--seconds", "2", "--json", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["forwarded"]["failed"] > 0


def test_a_taken_port_is_named(store):
    """The message says which port and what to do."""
    backend = Receiver(lambda *_: None)
    backend.start()
    done = demo(store, "--port", str(backend.port))
    backend.stop()
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{backend.port}: the port is taken" in done.stderr


def test_the_service_knows_nothing_of_us(store):
    """The service's modules import neither otel_fe nor OpenTelemetry (redis-py looks for the latter by itself)."""
    examples = Path(__file__).parents[2] / "examples"
    for path in (examples / "feature_service").glob("*.py"):
        assert not re.search(r"^\s*(import|from) (otel_fe|opentelemetry)", path.read_text(), re.MULTILINE), path
    source = "import sys, feature_service.__main__\nassert not [m for m in sys.modules if m.startswith('otel_fe')]\n"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    subprocess.run([sys.executable, "-c", source], cwd=examples, env=clean, check=True)
