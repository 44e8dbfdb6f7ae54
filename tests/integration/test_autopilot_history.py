"""The autopilot from end to end: a service under load, `otel-fe collector --store`, the marks on the charts, and both commands."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

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
CONTENDED = """
import pathlib, sys, threading, time
import sqlalchemy as sa
import otel_fe

folder, url = pathlib.Path(sys.argv[1]), sys.argv[2]
engine = sa.create_engine(url, pool_size=2, max_overflow=0)
use = sa.text("SELECT pg_sleep(0.0025 * count(*) ^ 3) FROM pg_stat_activity WHERE datname = current_database()")
with engine.connect(), engine.connect():
    pass

def call():
    while not (folder / "stop").exists():
        with otel_fe.extraction("user"), engine.connect() as connection:
            connection.execute(use)
        time.sleep(0.01)

callers = [threading.Thread(target=call) for _ in range(10)]
for one in callers:
    one.start()
for one in callers:
    one.join()
"""
"""Ten callers of a database that contends: a query takes 20 ms with two connections, and 160 ms with four."""
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


@contextmanager
def flight(tmp_path, source, *arguments, **settings):
    """Run a collector with a store and pages, and a service whose autopilot acts; yield what they can be asked."""
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
            **settings,
        )
        service = subprocess.Popen(
            command(write(tmp_path, source), str(tmp_path), *arguments, python=sys.executable),
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
def test_a_step_is_told_from_the_process_to_the_history(tmp_path):
    with flight(tmp_path, SERVICE) as (told, service, folder, sink):
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
        effect = f"predicted {kept['detail']['predicted']:+.3g} ms, measured {kept['detail']['measured']:+.3g} ms"
        assert f"    {effect}\n" in said
        changes = told.command("changes")
        assert "2 → 4 (kept)" in changes
        assert f"    {effect}\n" in changes

        page = told.text("explore?range=1h")
        assert 'class="change"' in page
        assert "2 → 4 (kept)" in page
        assert "2 → 4 (kept)" in told.text("?range=1h")

        events = until(lambda: [one for one in logged(sink) if one["outcome"] == "kept"])
        assert events[0] == {"resource": kept["subject"], "from": 2, "to": 4, "outcome": "kept"}


@pytest.mark.timeout(180)
def test_a_step_that_harms_is_told_with_what_was_predicted_and_what_came(tmp_path, postgres_url):
    with flight(tmp_path, CONTENDED, postgres_url, OTEL_FE_SLOW_THRESHOLD_S="60") as (told, service, folder, _):
        until(lambda: "reverted" in told.outcomes(), timeout_s=90, told=lambda: f"{told.steps()} {service.poll()}")
        steps = told.steps()
        (folder / "stop").touch()
        _, err = service.communicate(timeout=60)
        assert service.returncode == 0, err

        assert [one["detail"]["outcome"] for one in steps] == ["tried", "reverted"]
        tried, reverted = steps
        assert [(one["before"], one["after"]) for one in steps] == [("2", "4")] * 2
        detail = reverted["detail"]
        assert detail["predicted"] == tried["detail"]["predicted"] < 0
        assert 0 < detail["measured"] < detail["high"]
        effect = f"predicted {detail['predicted']:+.3g} ms, measured {detail['measured']:+.3g} ms"
        for said in (told.command("autopilot", "history"), told.command("changes")):
            assert "2 → 4 (reverted)\n    p95 or the mean rose\n" in said
            assert f"    {effect}\n" in said
