"""The store of several workers: what each hands over, over a socket, and what becomes of it."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from otel_fe.clock import SystemClock
from otel_fe.collector.slo_watch import SloWatch, read_slos
from otel_fe.collector.workers import remote_store
from otel_fe.collector.workers.frames import frame
from otel_fe.collector.workers.remote_store import SOCKET, RemoteStore
from otel_fe.collector.workers.shared_store import SharedStore
from otel_fe.model.metric import Metric, Point, ResourceMetrics
from otel_fe.store import KeptBatch, Selection, Store, StoreReader
from otel_fe.store.series_keys import Which
from tests.unit.collector.running import until
from tests.unit.store.parts import trace


@pytest.fixture
def shared(tmp_path):
    """Return a store that two workers share, and what each has of it."""
    store = Store(tmp_path / "kept")
    watch = SloWatch(store.directory, read_slos(None, {}), SystemClock())
    made = SharedStore(store, watch)
    made.start(tmp_path)
    workers = [RemoteStore(store.directory, tmp_path / SOCKET, f"worker {index}") for index in (0, 1)]
    yield SimpleNamespace(shared=made, store=store, watch=watch, workers=workers, reader=StoreReader(store.directory))
    for worker in workers:
        worker.close(5)
    made.stop(5)


def counter(value, start_ns, time_ns):
    """Return what a connector of one process has counted: nothing in it says which process."""
    points = (Point({"span.name": "op"}, start_ns, time_ns, value),)
    metric = Metric("calls", "", False, points)
    return [ResourceMetrics({"service.name": "shop"}, "", (metric,))]


def test_what_workers_hand_over_is_stored_once(shared):
    """Traces, decisions, metrics of connectors and of processes: each goes where the store's own face puts it."""
    first, second = shared.workers
    assert first.add_batch(KeptBatch((trace(1),)))
    assert second.add_batch(KeptBatch((trace(2),)))
    assert first.add_batch(KeptBatch(records=({"trace_id": f"{3:032x}", "outcome": "not sampled"},)))
    for worker in shared.workers:
        assert worker.close(10)
    until(lambda: shared.store.counters.written == {"trace": 2, "record": 1})
    found = shared.reader.traces.find(Selection(0, 1 << 62, whole_traces=True))
    assert sorted(one.trace_id for one in found) == [1, 2]
    assert shared.shared.explained(3)["record"]["outcome"] == "not sampled"
    assert shared.shared.explained(4) == {}


def test_two_workers_that_count_the_same_add_up(shared):
    """Two workers with equal labels and start times add up; neither is taken for the other's past."""
    now = time.time_ns()
    for worker, value in zip(shared.workers, (5, 7), strict=True):
        worker.add_metrics(counter(value, now - 1_000_000_000, now))
    until(lambda: shared.store.counters.written == {"metrics": 2})
    assert shared.reader.series.count(Which("calls"), 0, 1 << 62) == 12


def test_slos_are_watched_where_all_is_counted(shared):
    """SLOs and the store's figures cover all workers."""
    worker = shared.workers[0]
    worker.add_batch(KeptBatch((trace(1),)))
    until(lambda: shared.store.counters.written.get("trace"))
    shared.watch.evaluate()
    names = {sample.name: sample.value for sample in shared.shared.samples()}
    assert names["otel_fe.collector.store.written"] == 1


def test_what_the_store_cannot_read_is_said_and_the_rest_goes_on(shared, caplog):
    """An unreadable item, as of a newer worker, is counted and logged; the others are stored."""
    worker = shared.workers[0]
    worker._link.put(frame("trace", b"rubbish"), 1)
    worker._link.put(frame("unheard of", b""), 1)
    worker.add_batch(KeptBatch((trace(9),)))
    until(lambda: shared.store.counters.written.get("trace") == 1)
    assert shared.store.counters.lost == {"invalid": 2}
    assert caplog.text.count("cannot be read") == 1


def test_a_store_that_stays_away_holds_nobody_up(tmp_path, monkeypatch):
    """While the store is unreachable, a full queue refuses batches; accepted batches that never arrive are counted by reason."""
    monkeypatch.setattr(remote_store, "_MOST_BYTES", 10)
    worker = RemoteStore(tmp_path / "store", tmp_path / "nobody", "worker 0")
    assert worker.add_batch(KeptBatch((trace(1),)))
    assert not worker.add_batch(KeptBatch((trace(2),)))
    assert not worker.close(0.2)
    assert "queue_full" not in worker.lost
    until(lambda: worker.lost.get("not_handed_over") == 1)
