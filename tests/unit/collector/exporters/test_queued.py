"""The sending queue: its bounds, its batches, its threads, and that every payload is settled once."""

from __future__ import annotations

import random
import threading
import time

import pytest

from otel_fe.clock import SystemClock
from otel_fe.collector.exporters.outcome import Delivered, Failed
from otel_fe.collector.exporters.payload import (
    EXPORT_FAILED,
    QUEUE_FULL,
    RETRY_EXHAUSTED,
    SENT,
    SHUTDOWN,
    STORAGE_CORRUPT,
    STORAGE_FULL,
    STORED,
    Payload,
)
from otel_fe.collector.exporters.payload_queue import PayloadQueue
from otel_fe.collector.exporters.queued import Queued
from otel_fe.collector.exporters.storage import Storage
from otel_fe.collector.exporters.storage_errors import StorageFullError
from otel_fe.config.sending import QueueBatch, Retry, SendingQueue
from tests.unit.collector.exporters.fakes import Ledger, Scripted, logs, span_names, traces

AGAIN = Failed("UNAVAILABLE", may_pass=True)
SOON = Retry(initial_interval_ns=1_000_000, max_interval_ns=1_000_000, max_elapsed_time_ns=0)


@pytest.fixture
def made():
    exporters = []

    def make(
        transport,
        ledger=None,
        retry=SOON,
        signals=("traces", "logs"),
        start=True,
        storage=None,
        name="otlp_grpc",
        **queue,
    ):
        exporter = Queued(
            name,
            transport,
            SendingQueue(**{"num_consumers": 2, **queue}),
            retry,
            signals,
            ledger or Ledger(),
            SystemClock(),
            random.random,
            storage,
        )
        if start:
            exporter.start()
        exporters.append((exporter, transport))
        return exporter

    yield make
    for exporter, transport in exporters:
        transport.gate.set()
        exporter.shutdown(2)


def eventually(check, timeout_s=5):
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.002)


def test_what_is_offered_is_sent_in_order(made):
    transport, ledger = Scripted(), Ledger()
    exporter = made(transport, ledger, num_consumers=1)
    offered = [traces(3, first=number, tally=number) for number in range(20)]
    assert all(exporter.offer(payload) for payload in offered)
    assert exporter.flush(5)
    assert transport.sent == [payload.data for payload in offered]
    assert ledger.entries == [(payload, SENT) for payload in offered]
    counts = exporter.counts()
    assert (counts.sent, counts.waiting, counts.queue_size, counts.lost) == (60, 0, 0, {})


@pytest.mark.parametrize(("sizer", "size", "taken"), [("requests", 3, 3), ("items", 10, 2), ("bytes", 1_000, 1)])
def test_the_queue_is_bounded_by_its_sizer(made, sizer, size, taken):
    """Requests being sent count towards the queue's size, as in the Collector."""
    transport, ledger = Scripted(), Ledger()
    transport.gate.clear()
    exporter = made(transport, ledger, sizer=sizer, queue_size=size, num_consumers=1)
    payload = traces(5)
    if sizer == "bytes":
        payload = Payload("traces", b"x" * 600, 5)
    assert [exporter.offer(payload) for _ in range(taken + 1)] == [True] * taken + [False]
    assert ledger.items == {QUEUE_FULL: 5}
    assert exporter.counts().queue_size == {"requests": 3, "items": 10, "bytes": 600}[sizer]
    transport.gate.set()
    assert exporter.flush(5)
    assert exporter.offer(payload)


def test_threads_come_as_they_are_needed(made):
    """A second thread starts while one sends, as long as there are fewer than `num_consumers`."""
    transport, ledger = Scripted(), Ledger()
    transport.gate.clear()
    before = set(threading.enumerate())
    exporter = made(transport, ledger, signals=("traces",), num_consumers=3)
    for number, there in enumerate((1, 2, 3, 3, 3)):
        eventually(lambda number=number: len(transport.sent) == min(number, 3))
        eventually(lambda there=there: len(set(threading.enumerate()) - before) == there)
        exporter.offer(traces(1, first=number))
    assert len(transport.sent) == 3
    transport.gate.set()
    assert exporter.flush(5)
    assert ledger.items == {SENT: 5}
    assert len(set(threading.enumerate()) - before) == 3


def test_where_the_system_has_no_more_threads_those_that_are_there_send(made, monkeypatch):
    transport, ledger = Scripted(), Ledger()
    exporter = made(transport, ledger, signals=("traces",), num_consumers=3)

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for number in range(5):
        assert exporter.offer(traces(1, first=number))
    assert exporter.flush(5)
    assert ledger.items == {SENT: 5}
    with pytest.raises(RuntimeError):
        made(transport)


def test_what_is_larger_than_the_queue_is_refused_even_where_offers_wait(made):
    exporter = made(Scripted(), sizer="items", queue_size=5, block_on_overflow=True)
    assert not exporter.offer(traces(6))


def test_an_offer_waits_where_it_is_asked_to(made):
    transport, ledger = Scripted(), Ledger()
    transport.gate.clear()
    exporter = made(transport, ledger, queue_size=1, block_on_overflow=True, num_consumers=1)
    exporter.offer(traces(1))
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(exporter.offer(traces(1))))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    transport.gate.set()
    waiting.join(5)
    assert answers == [True]


def test_a_waiting_offer_ends_with_the_shutdown(made):
    transport, ledger = Scripted(), Ledger()
    transport.gate.clear()
    exporter = made(transport, ledger, queue_size=1, block_on_overflow=True, num_consumers=1)
    exporter.offer(traces(1))
    waiting = threading.Thread(target=lambda: exporter.offer(traces(2)))
    waiting.start()
    exporter.shutdown(0.1)
    waiting.join(5)
    assert not waiting.is_alive()
    assert ledger.items == {SHUTDOWN: 3}


def test_signals_do_not_wait_for_each_other(made):
    transport, ledger = Scripted(), Ledger()
    transport.gate.clear()
    exporter = made(transport, ledger, queue_size=1)
    assert exporter.offer(traces(1))
    assert not exporter.offer(traces(1))
    assert exporter.offer(logs())


def test_every_payload_is_settled_once_with_its_reason(made):
    outcomes = [Delivered(), Failed("no", may_pass=False), AGAIN, Delivered(2, "two too many")]
    transport, ledger = Scripted(*outcomes), Ledger()
    exporter = made(transport, ledger, retry=None, num_consumers=1)
    for number in range(4):
        exporter.offer(traces(10, tally=number))
    assert exporter.flush(5)
    assert ledger.tallies == [(0, SENT), (1, EXPORT_FAILED), (2, RETRY_EXHAUSTED), (3, SENT)]
    counts = exporter.counts()
    assert (counts.sent, counts.rejected, counts.failed_tries) == (20, 2, 2)
    assert counts.lost == {EXPORT_FAILED: 10, RETRY_EXHAUSTED: 10}


def test_an_empty_request_is_done_at_once(made):
    transport, ledger = Scripted(), Ledger()
    assert made(transport, ledger).offer(Payload("traces", b"", 0))
    assert ledger.tallies == [(None, SENT)]
    assert not transport.sent


def test_an_owner_that_raises_ends_nothing(made, caplog):
    def settled(payload, reason):
        raise RuntimeError("the owner's")

    exporter = made(Scripted(), settled)
    for _ in range(5):
        exporter.offer(traces(1))
    assert exporter.flush(5)
    assert exporter.counts().sent == 5


def test_flush_says_whether_it_came_to_an_end(made):
    transport = Scripted()
    transport.gate.clear()
    exporter = made(transport)
    assert exporter.flush(0)
    exporter.offer(traces(1))
    assert not exporter.flush(0.05)


class TestShutdown:
    def test_what_waits_is_sent(self, made):
        transport, ledger = Scripted(*[AGAIN] * 2), Ledger()
        exporter = made(transport, ledger, retry=Retry(), num_consumers=2)
        for _ in range(10):
            exporter.offer(traces(1))
        eventually(lambda: len(transport.sent) == 2)
        exporter.shutdown(5)
        assert ledger.items == {SENT: 10}
        assert transport.closed

    def test_a_dead_backend_gets_one_more_try_of_each(self, made, caplog):
        transport, ledger = Scripted(*[AGAIN] * 100), Ledger()
        exporter = made(transport, ledger, retry=Retry(max_elapsed_time_ns=0))
        for _ in range(10):
            exporter.offer(traces(1))
        eventually(lambda: len(transport.sent) == 2)
        exporter.shutdown(5)
        assert ledger.items == {SHUTDOWN: 10}
        assert len(transport.sent) == 12
        assert not exporter.offer(traces(1))
        assert exporter.counts().lost == {SHUTDOWN: 11}
        exporter.shutdown(5)

    def test_requests_that_it_cuts_off_say_nothing_about_the_backend(self, made, caplog):
        """Requests cut off at shutdown log no failure of the backend after the process's last line."""

        class Silent(Scripted):
            def close(self):
                super().close()
                self.gate.set()

        transport = Silent(AGAIN, Failed("the channel was closed", may_pass=False))
        transport.gate.clear()
        exporter = made(transport, name="cut_off")
        exporter.offer(traces(1))
        exporter.offer(traces(1))
        eventually(lambda: len(transport.sent) == 2)
        exporter.shutdown(0.05)
        eventually(lambda: not [one for one in threading.enumerate() if one.name.startswith("otel-fe-cut_off")])
        assert caplog.messages == ["exporter cut_off: items are being dropped (shutdown)"]
        assert exporter.counts().failed_tries == 0

    def test_the_rest_is_settled_when_the_time_is_up_and_only_once(self, made):
        transport, ledger = Scripted(), Ledger()
        transport.gate.clear()
        exporter = made(transport, ledger)
        for number in range(10):
            exporter.offer(traces(1, tally=number))
        began = time.monotonic()
        exporter.shutdown(0.1)
        assert time.monotonic() - began < 5  # the gate never opens
        assert ledger.items == {SHUTDOWN: 10}
        transport.gate.set()
        time.sleep(0.05)
        assert ledger.items == {SHUTDOWN: 10}


class TestBatches:
    def test_are_joined_until_they_are_large_enough(self, made):
        transport, ledger = Scripted(), Ledger()
        exporter = made(transport, ledger, batch=QueueBatch(min_size=10, flush_timeout_ns=60 * 10**9))
        for number in range(5):
            exporter.offer(traces(4, first=4 * number, tally=number))
        eventually(lambda: len(ledger.entries) == 3)
        assert span_names(*transport.sent) == [f"span-{number}" for number in range(12)]
        assert exporter.counts().waiting == 2
        assert exporter.flush(5)
        assert span_names(*transport.sent) == [f"span-{number}" for number in range(20)]
        assert len(transport.sent) == 2
        assert ledger.tallies == [(number, SENT) for number in range(5)]

    def test_go_when_they_have_waited_long_enough(self, made):
        transport, ledger = Scripted(), Ledger()
        exporter = made(transport, ledger, batch=QueueBatch(min_size=1_000, flush_timeout_ns=30_000_000))
        exporter.offer(traces(1))
        exporter.offer(traces(1))
        eventually(lambda: len(ledger.entries) == 2)
        assert len(transport.sent) == 1

    def test_are_split_beyond_their_bound_and_settled_in_parts(self, made):
        transport, ledger = Scripted(Delivered(), Failed("no", may_pass=False)), Ledger()
        batch = QueueBatch(min_size=10, max_size=10, flush_timeout_ns=30_000_000)
        exporter = made(transport, ledger, num_consumers=1, batch=batch)
        exporter.offer(traces(25, tally="a"))
        exporter.offer(traces(3, first=25, tally="b"))
        assert exporter.flush(5)
        assert [len(span_names(data)) for data in transport.sent] == [10, 10, 8]
        assert span_names(*transport.sent) == [f"span-{number}" for number in range(28)]
        assert ledger.items == {SENT: 18, EXPORT_FAILED: 10}
        assert exporter.counts().waiting == 0

    def test_by_bytes(self, made):
        transport, ledger = Scripted(), Ledger()
        exporter = made(transport, ledger, batch=QueueBatch(sizer="bytes", min_size=600, max_size=600))
        exporter.offer(traces(40, scopes=3))
        assert exporter.flush(5)
        assert max(map(len, transport.sent)) <= 600
        assert len(transport.sent) > 3
        assert sorted(span_names(*transport.sent)) == sorted(f"span-{number}" for number in range(40))

    def test_an_item_beyond_the_bound_goes_alone(self, made):
        """The Collector drops it, and what is behind it in the same request."""
        transport, ledger = Scripted(), Ledger()
        exporter = made(transport, ledger, num_consumers=1, batch=QueueBatch(sizer="bytes", min_size=1, max_size=50))
        exporter.offer(traces(3))
        assert exporter.flush(5)
        assert [len(span_names(data)) for data in transport.sent] == [1, 1, 1]

    def test_what_cannot_be_read_goes_as_it_is(self, made):
        transport, ledger = Scripted(), Ledger()
        exporter = made(transport, ledger, batch=QueueBatch(min_size=1, max_size=2))
        exporter.offer(Payload("traces", b"\xff\xff\xff", 5))
        assert exporter.flush(5)
        assert transport.sent == [b"\xff\xff\xff"]

    def test_a_shutdown_sends_what_is_gathered(self, made):
        transport, ledger = Scripted(), Ledger()
        exporter = made(transport, ledger, batch=QueueBatch(min_size=1_000, flush_timeout_ns=60 * 10**9))
        exporter.offer(traces(5))
        exporter.shutdown(5)
        assert ledger.items == {SENT: 5}

    def test_a_split_payload_that_time_runs_out_for_is_settled_to_the_last_item(self, made):
        transport, ledger = Scripted(), Ledger()
        transport.gate.clear()
        exporter = made(transport, ledger, num_consumers=1, batch=QueueBatch(min_size=10, max_size=10))
        exporter.offer(traces(25))
        eventually(lambda: transport.sent)
        exporter.shutdown(0.05)
        assert ledger.items == {SHUTDOWN: 25}


class TestOnDisk:
    @pytest.fixture
    def storage(self, tmp_path):
        return lambda signal: Storage(tmp_path / f"{signal}.db", fsync=False, lock_timeout_s=0.1)

    def test_what_a_shutdown_leaves_is_sent_after_the_next_start(self, made, storage):
        transport, ledger = Scripted(*[AGAIN] * 100), Ledger()
        exporter = made(transport, ledger, storage=storage, retry=Retry(max_elapsed_time_ns=0))
        for number in range(10):
            assert exporter.offer(traces(2, first=2 * number, tally=number))
        exporter.offer(logs())
        exporter.shutdown(5)
        assert ledger.items == {STORED: 22}
        assert exporter.counts().stored == 22

        transport, ledger = Scripted(), Ledger()
        exporter = made(transport, ledger, storage=storage, num_consumers=1, signals=("traces", "logs"))
        assert exporter.counts().recovered == 22
        assert exporter.flush(5)
        assert span_names(*[data for data in transport.sent if b"span-" in data]) == [f"span-{n}" for n in range(20)]
        assert ledger.items == {SENT: 22}
        exporter.shutdown(1)

        exporter = made(Scripted(), storage=storage)
        assert exporter.counts().recovered == 0

    def test_what_time_ran_out_for_stays_on_disk(self, made, storage):
        transport, ledger = Scripted(), Ledger()
        transport.gate.clear()
        exporter = made(transport, ledger, storage=storage, signals=("traces",))
        for _ in range(5):
            exporter.offer(traces(1))
        exporter.shutdown(0.05)
        assert ledger.items == {STORED: 5}
        assert made(Scripted(), storage=storage, signals=("traces",)).counts().recovered == 5

    def test_a_refused_payload_does_not_stay(self, made, storage):
        transport, ledger = Scripted(Failed("no", may_pass=False)), Ledger()
        exporter = made(transport, ledger, storage=storage)
        exporter.offer(traces(1))
        assert exporter.flush(5)
        exporter.shutdown(1)
        assert made(Scripted(), storage=storage).counts().recovered == 0

    def test_a_split_payload_stays_until_its_last_part_is_settled(self, made, storage):
        transport = Scripted(Delivered(), AGAIN, AGAIN)
        batch = QueueBatch(min_size=10, max_size=10)
        exporter = made(transport, storage=storage, retry=Retry(), num_consumers=1, batch=batch, sizer="items")
        exporter.offer(traces(15))
        eventually(lambda: len(transport.sent) == 2)
        exporter.shutdown(5)
        assert made(Scripted(), storage=storage).counts().recovered == 15

    def test_memory_holds_no_data_of_what_is_on_disk(self, made, storage):
        transport = Scripted()
        transport.gate.clear()
        exporter = made(transport, storage=storage)
        exporter.offer(traces(1))
        assert all(not entry.payload.data for entry in exporter._lanes["traces"].backlog._waiting)

    def test_a_disk_that_is_full_refuses_by_name(self, made, storage):
        class Full(Storage):
            def append(self, items, data):
                raise StorageFullError("database or disk is full")

        def full(signal):
            opened = storage(signal)
            opened.__class__ = Full
            return opened

        ledger = Ledger()
        exporter = made(Scripted(), ledger, storage=full)
        assert not exporter.offer(traces(3))
        assert ledger.items == {STORAGE_FULL: 3}
        assert exporter.counts().queue_size == 0

    def test_what_the_disk_does_not_give_back_is_counted(self, made, storage):
        transport, ledger = Scripted(), Ledger()
        exporter = made(transport, ledger, storage=storage, start=False, signals=("traces",))
        left = storage("traces")
        left.append(4, traces(4).data)
        left.append(4, traces(4).data)
        left._connection.execute("UPDATE waiting SET checksum = 0 WHERE key = 1")
        left.close()
        exporter.start()
        assert exporter.flush(5)
        assert ledger.items == {STORAGE_CORRUPT: 4, SENT: 4}

    def test_a_start_that_fails_leaves_nothing_open(self, made, storage):
        def second_fails(signal):
            if signal == "logs":
                raise RuntimeError("no")
            return storage(signal)

        transport = Scripted()
        exporter = made(transport, storage=second_fails, start=False)
        with pytest.raises(RuntimeError):
            exporter.start()
        assert transport.closed
        storage("traces").close()


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("batch", [None, QueueBatch(min_size=20, max_size=25, flush_timeout_ns=1_000_000)])
def test_what_was_offered_adds_up_whatever_happens(made, tmp_path, on_disk, batch):
    """Four threads offer to a small queue before a backend with moods, and the shutdown comes in between."""

    class Moody(Scripted):
        def send(self, signal, data):
            super().send(signal, data)
            time.sleep(random.random() / 2_000)
            mood = random.random()
            return AGAIN if mood < 0.3 else Failed("no", may_pass=False) if mood < 0.4 else Delivered()

    ledger = Ledger()

    def storage(signal):
        return Storage(tmp_path / f"{signal}.db", fsync=False, lock_timeout_s=1)

    retry = Retry(initial_interval_ns=100_000, max_interval_ns=1_000_000, max_elapsed_time_ns=3_000_000)
    kept = storage if on_disk else None
    exporter = made(Moody(), ledger, retry, ("traces",), storage=kept, queue_size=20, batch=batch, num_consumers=4)
    offered = [0] * 4
    over = threading.Event()

    def offer(thread):
        while not over.is_set():
            spans = random.randint(1, 40)
            offered[thread] += spans
            exporter.offer(traces(spans))

    threads = [threading.Thread(target=offer, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    exporter.shutdown(0.05)
    over.set()
    for thread in threads:
        thread.join()
    assert sum(ledger.items.values()) == sum(offered)
    counts = exporter.counts()
    assert counts.sent + counts.stored + sum(counts.lost.values()) == sum(offered)
    assert (counts.waiting, counts.queue_size) == (0, 0)
    if on_disk:
        left = storage("traces")
        # At least what was stored; what was under way as the time ran out may have arrived as well.
        assert sum(found.items for found in left.found) >= counts.stored
        left.close()


@pytest.mark.parametrize("kept", [(True, False), (False, True)])
def test_a_payload_stays_on_disk_if_any_part_of_it_is_to(tmp_path, kept):
    storage = Storage(tmp_path / "queue.db", fsync=False, lock_timeout_s=1)
    backlog = PayloadQueue(SendingQueue(), storage, "traces", SystemClock())
    assert backlog.put(traces(4)) == ""
    entry = backlog.take()
    entry.open_parts = 2
    for keep in kept:
        backlog.done(entry, 2, lambda: None, keep=keep)
    assert storage.load(entry.key) == traces(4).data
    storage.close()
