"""The autopilot from end to end: a service under load, `otel-fe collector --store`, the marks on the charts, and both commands."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest

from otel_fe import autopilot_event
from otel_fe.changes.mark import AUTOPILOT
from tests.integration.launched import command, environment, write
from tests.unit.collector.running import OTEL_FE, backend, config, running, until

SERVICE = """
import logging, pathlib, sys, threading, time
import sqlalchemy as sa
import otel_fe

logging.basicConfig(level=logging.INFO)
folder = pathlib.Path(sys.argv[1])
engine = sa.create_engine(
    f"sqlite:///{folder}/shop.db", poolclass=sa.QueuePool, pool_size=2, max_overflow=0,
    connect_args={"check_same_thread": False},
)

def call():
    while not (folder / "stop").exists():
        with otel_fe.extraction("user"), engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
            time.sleep(0.01)
        time.sleep(0.01)

callers = [threading.Thread(target=call) for _ in range(10)]
for one in callers:
    one.start()
for one in callers:
    one.join()
print("pool of", engine.pool.size())
"""
"""Ten callers that want a connection half of the time, and a pool of two."""
AUTOPILOT_ON = {
    "OTEL_FE_AUTOPILOT": "pools",
    "OTEL_FE_AUTOPILOT_LIMITS": "pools=2..12",
    "OTEL_FE_AUTOPILOT_MODE": "act",
    "OTEL_FE_AUTOPILOT_WINDOW_S": "2",
}


class Told:
    """Asks a store, and the pages over it."""

    def __init__(self, store, page):
        self.store, self.page = store, page

    def command(self, *arguments):
        """Return what a command prints."""
        done = subprocess.run(
            [OTEL_FE, *arguments, "--store", self.store], capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout if done.returncode == 0 else ""

    def steps(self):
        """Return the autopilot's steps in the store, the first one first."""
        text = self.command("autopilot", "history", "--json")
        return list(reversed(json.loads(text)["changes"])) if text else []

    def outcomes(self):
        """Return their outcomes."""
        return [step["detail"]["outcome"] for step in self.steps()]

    def text(self, path):
        """Return a page."""
        with urllib.request.urlopen(self.page + path, timeout=30) as answer:
            return answer.read().decode()


@pytest.fixture
def flight(tmp_path):
    """Run a collector with a store and pages, and a service whose autopilot acts; return what they can be asked."""
    store = tmp_path / "store"
    with (
        backend() as sink,
        running(
            tmp_path, config(f"127.0.0.1:{sink.port}"), "--store", str(store), "--dashboard", "localhost:0"
        ) as collector,
    ):
        page = collector._found(r"dashboard on (http://\S+?/)[,;]", collector.log)
        told = environment(
            OTEL_TRACES_EXPORTER="otlp",
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_LOGS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{collector.grpc}",
            OTEL_METRIC_EXPORT_INTERVAL="1000",
            OTEL_SERVICE_NAME="shop",
            **AUTOPILOT_ON,
        )
        service = subprocess.Popen(
            command(write(tmp_path, SERVICE), str(tmp_path), python=sys.executable),
            env=told,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Told(store, page), service, tmp_path, sink
        finally:
            service.kill()
            service.wait()


def logged(sink):
    """Return the log events of steps that a backend behind the collector has received."""
    records = [
        record
        for request in sink.logs()
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
        if record.event_name == autopilot_event.EVENT
    ]
    names = ("resource", "from", "to", "outcome")
    return [
        {
            key: one.value.int_value or one.value.string_value
            for one in record.attributes
            if (key := one.key.removeprefix(f"{autopilot_event.EVENT}.")) in names
        }
        for record in records
    ]


@pytest.mark.timeout(180)
def test_a_step_is_told_from_the_process_to_the_history(flight):
    told, service, folder, sink = flight
    until(lambda: "kept" in told.outcomes(), timeout_s=90, told=lambda: f"{told.steps()} {service.poll()}")
    (folder / "stop").touch()
    out, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    size = int(out.removeprefix("pool of"))
    assert 2 < size <= 12

    steps = told.steps()
    tried, kept = (next(one for one in steps if one["detail"]["outcome"] == name) for name in ("tried", "kept"))
    assert {one["service"] for one in steps} == {"shop"}
    assert {one["kind"] for one in steps} == {AUTOPILOT}
    assert tried["subject"] == kept["subject"] == f"sqlite:///{folder}/shop.db"
    assert (kept["before"], kept["after"]) == (tried["before"], tried["after"]) == ("2", "4")
    assert kept["detail"]["predicted"] < 0
    assert kept["detail"]["low"] < kept["detail"]["measured"] < kept["detail"]["high"] < 0
    assert "2 → 4, kept: faster with 95 % confidence (predicted -" in err

    said = told.command("autopilot", "history")
    assert f"autopilot: {kept['subject']} 2 → 4 (kept)" in said
    assert f"predicted {kept['detail']['predicted']:+.3g} ms, measured {kept['detail']['measured']:+.3g} ms" in said
    assert "2 → 4 (kept)" in told.command("changes")

    page = told.text("explore?range=1h")
    assert 'class="change"' in page
    assert "2 → 4 (kept)" in page
    assert "2 → 4 (kept)" in told.text("?range=1h")

    events = until(lambda: [one for one in logged(sink) if one["outcome"] == "kept"])
    assert events[0] == {"resource": kept["subject"], "from": 2, "to": 4, "outcome": "kept"}
