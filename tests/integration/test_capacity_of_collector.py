"""Capacity from a collector's store: processes under `OTEL_FE_PIPELINE=collector` send spans, and their size and load as metrics only."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager

import pytest

from otel_fe import semconv
from otel_fe.capacity.stored_measurements import read_measured
from otel_fe.clock import SystemClock
from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.page_context import PageContext
from otel_fe.dashboard.site import Site
from otel_fe.store import StoreReader
from otel_fe.store.series_keys import Which
from tests.integration import launched
from tests.unit.collector.running import OTEL_FE, backend, config, running, until
from tests.unit.dashboard.conftest import Asked

SERVICE = """
import random, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import sqlalchemy as sa
import otel_fe

database, seconds, rate = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
engine = sa.create_engine(
    f"sqlite:///{database}", poolclass=sa.QueuePool, pool_size=2, max_overflow=0, pool_logging_name="primary",
    connect_args={"check_same_thread": False},
)
sa.event.listen(engine, "connect", lambda raw, _: raw.create_function("nap", 1, lambda s: time.sleep(s) or 1))

held, used = [], []

@otel_fe.extraction("profile")
def extract(number):
    cpu = time.thread_time()
    draw = random.Random(number)
    with engine.connect() as connection:
        begun = time.monotonic()
        connection.execute(sa.text("SELECT nap(:s)"), {"s": draw.expovariate(1 / 0.03)}).fetchone()
    held.append(time.monotonic() - begun)
    until = time.thread_time() + draw.expovariate(1 / 0.004)
    while time.thread_time() < until:
        sum(range(200))
    used.append(time.thread_time() - cpu)

begin, chance, number = time.monotonic(), random.Random(sys.argv[4]), 0
with ThreadPoolExecutor(32) as workers:
    at = begin
    while at < begin + seconds:
        # From half of the rate to all of it and back, every eight minutes.
        now = rate * (0.75 + 0.25 * (1 - abs((at - begin) / 240 % 2 - 1)) * 2 - 0.25)
        at += chance.expovariate(now)
        time.sleep(max(0.0, at - time.monotonic()))
        number += 1
        workers.submit(extract, f"{sys.argv[4]} {number}")
print("served", number, sum(held), sum(used))
"""
CPU_S = 0.004
SECONDS = 64
"""So that half of a minute is counted at least, as a window of the model has to be."""
TOO_FEW = "intervals have at least 30 extractions; 12 are needed"
KEEP_ALL = "{name: all, type: always_sample}"


@contextmanager
def stored_by_collector(tmp_path, seconds, rate, processes=2):
    """Run processes of one service beside a collector with a store, until they end; yields the store, their extractions, and how long each held a
    connection in the mean, and the CPU time that it used by its own clock (s)."""
    store = tmp_path / "store"
    app = launched.write(tmp_path, SERVICE)
    with backend() as sink:
        text = config(f"127.0.0.1:{sink.port}", policies=KEEP_ALL, sampler="decision_wait: 1s")
        with running(tmp_path, text, "--store", str(store)) as collector:
            told = launched.environment(
                OTEL_FE_PIPELINE="collector",
                OTEL_FE_CONNECTION_METRICS="true",
                OTEL_TRACES_EXPORTER="otlp",
                OTEL_METRICS_EXPORTER="otlp",
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{collector.grpc}",
                OTEL_EXPORTER_OTLP_INSECURE="true",
                OTEL_METRIC_EXPORT_INTERVAL="1000",
                OTEL_SERVICE_NAME="shop",
            )
            run = [
                launched.command(app, str(tmp_path / "data.db"), str(seconds), str(rate), str(n))
                for n in range(processes)
            ]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            services = [subprocess.Popen(one, env=told, cwd=tmp_path, **pipes) for one in run]
            try:
                served = [one.communicate(timeout=seconds + 60)[0] for one in services]
            finally:
                for one in services:
                    one.kill()
            assert [one.returncode for one in services] == [0] * processes, served
            count, held_s, cpu_s = (
                sum(float(out.rsplit("served", 1)[1].split()[at]) for out in served) for at in (0, 1, 2)
            )
            until(lambda: extractions(store) >= count, told=lambda: f"{extractions(store)} of {count} are stored")
            time.sleep(2.0)  # the last metrics
        yield store, count, held_s / count, cpu_s / count


def extractions(store):
    """Return how many extractions are counted in a store."""
    if not (store / "store.sqlite3").exists():
        return 0
    with StoreReader(store) as reader:
        return reader.series.histogram(Which(semconv.DURATION, "shop"), 0, 1 << 62).count


def measured(store):
    """Return what is known of the service."""
    now = time.time_ns()
    with StoreReader(store) as reader:
        return read_measured(reader, "shop", (now - 3_600_000_000_000, now))


def page(store, path):
    """Return a page of the dashboard over a store."""
    with StoreReader(store) as reader:
        context = PageContext(reader, store, SystemClock())
        return Asked(Site(context, Access(Endpoint("localhost", 8899), ""))).text(path)


def asked(store, *arguments):
    """Return what `otel-fe capacity --json` says of the service."""
    command = [OTEL_FE, "capacity", "--store", store, "--json", "--traffic", "1.5x", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    (found,) = json.loads(done.stdout)["services"]
    return found


@pytest.mark.timeout(150)
def test_processes_behind_a_collector_are_known_by_their_metrics(tmp_path):
    """Two processes with an SQLite pool of two each: their number, cores, lock and limits, CPU time, pools and waits."""
    with stored_by_collector(tmp_path, SECONDS, 15) as (store, count, held_s, cpu_s):
        assert extractions(store) == count
        found = measured(store)
        setup = found.setup
        assert setup.missing == ()
        assert setup.processes == 2
        assert setup.cores is not None
        assert setup.machines == 1
        assert setup.has_gil
        assert not setup.event_loop
        assert setup.memory_limit_bytes is not None
        assert {name: one.size for name, one in setup.pools.items()} == {"primary": 2}
        windows = found.windows
        uses = sum(one.pools["primary"].uses for one in windows if "primary" in one.pools)
        used_s = sum(one.pools["primary"].use_s for one in windows if "primary" in one.pools)
        assert used_s / uses == pytest.approx(held_s, rel=0.25)  # most of the time, in whole minutes
        seen = sum(one.count for one in windows)
        assert 0.4 * count < seen <= count
        # Spans count once their trace is decided, uses at the next export: the window's edges differ by a second or two.
        assert uses == pytest.approx(seen, rel=0.15)
        assert sum(one.cpu_count for one in windows) == seen
        assert sum(one.cpu_s for one in windows) / seen == pytest.approx(cpu_s, rel=0.25)
        assert sum(one.process_cpu_s or 0.0 for one in windows) > 0.5 * CPU_S * seen
        said = asked(store)
        assert said["not_known"] == []
        assert TOO_FEW in said["refused"]
        html = page(store, "/capacity")
        assert "shop" in html
        assert TOO_FEW in html
