"""`--store` with `--workers`: one process writes what all of them keep and count, and nothing is there twice."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager

import grpc
import psutil

from otel_fe.store import Selection, StoreReader
from otel_fe.store.series_keys import Which
from tests.unit.collector.running import EXPORT, OTEL_FE, backend, config, request, running, send, until

EVENTS = Which("feature_extraction.slo.events", labels={"slo": "latency"})
CALLS = Which("traces.span.metrics.calls")


@contextmanager
def crew(tmp_path, sink, *arguments, policies="{name: slow, type: latency, latency: {threshold_ms: 100}}"):
    """Run a collector of two workers with a store."""
    text = config(f"127.0.0.1:{sink.port}", policies=policies, sampler="decision_wait: 2s")
    with running(tmp_path, text, "--workers", "2", "--store", str(tmp_path / "store"), *arguments) as collector:
        yield collector


def spread(address, traces, **kinds):
    """Send each trace over a connection of its own, so that the kernel gives them to either worker."""
    for number in traces:
        send(address, number, name="feature_extraction shop", **kinds)


def workers(collector):
    return psutil.Process(collector.process.pid).children()


def kept_in(store):
    """Return the ids of kept traces, once for each of their two extractions, in order."""
    if not (store / "store.sqlite3").exists():
        return []
    with StoreReader(store) as reader:
        return sorted(found.trace_id for found in reader.traces.find(Selection(0, 1 << 62), limit=10_000))


def twice(*traces):
    return sorted([*traces, *traces])


def counted_in(store, which):
    with StoreReader(store) as reader:
        return reader.series.count(which, 0, 1 << 62)


def test_all_that_workers_keep_and_count_is_there_once(tmp_path):
    """Kept traces, decisions of the others, exact counts; `why` answers from the running one and from the store."""
    store = tmp_path / "store"
    slow, quick = range(0x100, 0x140), range(0x200, 0x240)
    with backend() as sink, crew(tmp_path, sink) as collector:
        spread(collector.grpc, slow, slow=True)
        spread(collector.grpc, quick)
        until(lambda: len(sink.spans()) == 2 * len(slow), told=lambda: str(collector.sums()))
        sums = until(lambda: (s := collector.sums()).get("otel_fe.collector.store.written", 0) >= len(slow) and s)
        assert sums["otel_fe.collector.spans.handed_over"] > 0
        assert sums.get("otel_fe.collector.store.lost", 0) == 0
        assert "kept by slow" in collector.why(slow[3])[1]
        until(lambda: "not sampled" in collector.why(quick[3])[1])
        last = collector.stop()
        assert f"{2 * (len(slow) + len(quick))} spans received = {2 * len(slow)} sampled" in last
    assert kept_in(store) == twice(*slow)
    # Every span has the name of an extraction here; those that a worker handed over are counted where their trace is decided.
    assert counted_in(store, EVENTS) == counted_in(store, CALLS) == 2 * (len(slow) + len(quick))
    # Of decisions on what was not kept, only so many a second are stored: the last is.
    for trace, said in ((slow[5], b"kept by slow"), (quick[-1], b"not sampled")):
        command = [OTEL_FE, "why", f"{trace:032x}", "--admin-endpoint", "localhost:1", "--store", store]
        assert said in subprocess.run(command, capture_output=True, check=True).stdout


def test_a_dead_worker_doubles_nothing(tmp_path):
    """The store keeps the counts that a dead worker handed over; its replacement starts at zero, and its counts are added."""
    store = tmp_path / "store"
    with backend() as sink, crew(tmp_path, sink) as collector:
        spread(collector.grpc, range(0x400, 0x420), slow=True)
        until(lambda: len(kept_in(store)) == 64)
        until(lambda: counted_in(store, CALLS) == 64)  # by the connector, three times a second
        workers(collector)[0].kill()
        collector.until("restarting it")
        until(lambda: len(workers(collector)) == 2)
        until(lambda: collector.sums()["otel_fe.collector.workers.restarted"] == 1)
        sent = 0
        deadline = time.monotonic() + 30
        while sent < 32:
            try:
                spread(collector.grpc, [0x500 + sent], slow=True)
                sent += 1
            except grpc.RpcError:  # the connection went to the port of the dead one
                assert time.monotonic() < deadline
        until(lambda: len(sink.spans()) >= 128)
        assert "kept by slow" in collector.why(0x401)[1], "the store knows what the new worker does not"
        collector.stop()
    assert kept_in(store) == twice(*range(0x400, 0x420), *range(0x500, 0x520))
    assert counted_in(store, CALLS) == 128


def test_the_store_survives_the_end_of_the_supervisor(tmp_path):
    """Killed: its workers end, nothing that was committed is lost, and the next one has the store."""
    store = tmp_path / "store"
    with backend() as sink, crew(tmp_path, sink) as collector:
        spread(collector.grpc, range(0x600, 0x610), slow=True)
        until(lambda: len(kept_in(store)) == 32)
        left = workers(collector)
        collector.kill()
        _, alive = psutil.wait_procs(left, 30)
        assert not alive
        with crew(tmp_path, sink) as again:
            spread(again.grpc, range(0x610, 0x620), slow=True)
            until(lambda: len(kept_in(store)) == 64)
            again.stop()
    assert kept_in(store) == twice(*range(0x600, 0x620))


def test_a_store_of_somebody_else_is_refused(tmp_path):
    """Only one process writes to a store: the second refuses, and leaves no worker behind."""
    with backend() as sink, crew(tmp_path, sink) as collector:
        command = [OTEL_FE, "collector", "--config", collector.file, "--admin-endpoint", "none", "--workers", "2"]
        done = subprocess.run(
            [*command, "--store", tmp_path / "store"], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1
        assert "another process writes to it" in done.stderr
        collector.stop()


def test_workers_find_their_modules_wherever_they_are_started(tmp_path, monkeypatch):
    """A file of the user's that has the name of a module of Python's is not run."""
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')\n")
    monkeypatch.chdir(tmp_path)
    with backend() as sink, crew(tmp_path, sink) as collector, grpc.insecure_channel(collector.grpc) as channel:
        channel.unary_unary(EXPORT)(request(1).SerializeToString())
        assert "shadowed" not in collector.log
        assert os.getcwd() == str(tmp_path)
        collector.stop()
