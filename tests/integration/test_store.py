"""The store under what happens to files: killed writers, full disks, readers in other processes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager

import pytest

from otel_fe.store import Selection, Store, StoreLimits, StoreReader
from otel_fe.store.series_keys import Which
from tests.unit.store.parts import MINUTE, NS, counter, extraction, trace

ALL = Selection(0, 1 << 62)
QUICK = StoreLimits(linger_s=0.0, retry_s=0.05)

WRITER = """
    import sys, time
    from pathlib import Path
    from otel_fe.store import Store, StoreLimits
    from tests.unit.store.parts import counter, trace
    first, began = int(sys.argv[2]), time.time_ns()
    with Store(Path(sys.argv[1]), StoreLimits(linger_s=0.0)) as store:
        for i in range(first, first + 1_000_000, 10):
            for number in range(i, i + 10):
                store.add_trace(trace(number, spans=b"span" * 500))
                store.add_record({"trace_id": f"{number:032x}"})
            store.add_metrics([counter(i + 10 - first, time.time_ns(), began, process=sys.argv[2])])
            assert store.flush()
            print(i + 9, flush=True)
"""


def in_child(source, *arguments):
    """Start a process that runs this source."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def test_what_was_reported_as_committed_survives_kill_9(tmp_path):
    """Killed at any moment, time after time: traces, records and sums are there, and the next writer goes on."""
    wanted = []
    with StoreReader(tmp_path) as reader:
        for number in range(5):
            first = number * 1_000_000 + 1
            child = in_child(WRITER, tmp_path, first)
            told = [int(child.stdout.readline()) for _ in range(3 + number)]
            time.sleep(0.013 * number)
            child.send_signal(signal.SIGKILL)
            # What it said until it died, it had committed.
            told += [int(line) for line in child.stdout.read().splitlines() if line]
            child.wait()
            child.stdout.close()
            wanted.append((first, told[-1]))
            for begin, last in wanted:
                for trace_id in range(begin, last + 1):
                    assert reader.traces.by_id(trace_id) is not None
                assert reader.decisions.of(last) is not None
        counted = reader.series.count(Which("things"), 0, 1 << 62)
        stored = len(reader.traces.find(ALL, limit=1_000_000))
    committed = sum(last - begin + 1 for begin, last in wanted)
    # The last batch of each may have been committed without its being said any more.
    assert committed <= counted <= committed + 50
    assert committed <= stored <= committed + 50
    with Store(tmp_path, QUICK) as store:
        assert store.add_trace(trace(7_000_000))
        assert store.flush()
        assert store.counters.lost == {}


READER = """
    import sys, time
    from pathlib import Path
    from otel_fe.store import Selection, StoreReader
    from otel_fe.store.series_keys import Which
    with StoreReader(Path(sys.argv[1])) as reader:
        seen = counted = asked = 0
        while seen < int(sys.argv[2]):
            totals = reader.totals.totals(Selection(0, 1 << 62))
            count = reader.series.count(Which("things"), 0, 1 << 62)
            found = reader.traces.find(Selection(0, 1 << 62), limit=1)
            assert totals.extractions >= seen and count >= counted, (totals, seen, count, counted)
            assert not found or reader.traces.by_id(found[0].trace_id).spans == b"span" * 500
            seen, counted, asked = totals.extractions, count, asked + 1
        print(asked)
"""


def test_readers_in_other_processes_hold_up_nobody(tmp_path):
    """Two of them ask all the time while one writes: what they see only grows, and nothing is lost or late."""
    total = 3_000
    with Store(tmp_path, QUICK) as store:
        store.add_trace(trace(1, spans=b"span" * 500))
        assert store.flush()
        readers = [in_child(READER, tmp_path, total) for _ in range(2)]
        longest = 0.0
        began = time.time_ns()
        for i in range(2, total + 1):
            assert store.add_trace(trace(i, spans=b"span" * 500))
            if i % 50 == 0:
                store.add_metrics([counter(i, time.time_ns(), began)])
                begun = time.perf_counter()
                assert store.flush()
                longest = max(longest, time.perf_counter() - begun)
        assert store.flush()
        for reader in readers:
            told, _ = reader.communicate(timeout=60)
            assert reader.returncode == 0
            assert int(told) >= 1
        assert store.counters.lost == {}
        assert longest < 5, "SQLite's patience with a lock: nobody had one"


def test_a_reader_that_takes_its_time_does_not_stop_the_writer(tmp_path):
    """A slow reader keeps its snapshot, and the writer continues."""
    with Store(tmp_path, QUICK) as store, StoreReader(tmp_path) as reader:
        store.add_trace(trace(1))
        assert store.flush()
        with reader._reading.transaction() as connection:
            count = "SELECT count(*) FROM trace"
            assert connection.execute(count).fetchone()[0] == 1
            for i in range(2, 102):
                store.add_trace(trace(i))
            assert store.flush(10)
            assert connection.execute(count).fetchone()[0] == 1
        assert len(reader.traces.find(ALL, limit=1000)) == 101


@contextmanager
def small_disk(how, folder):
    """Yield a function that makes the disk as large as it should have been."""
    if how == "tmpfs":
        options = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
        if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
            pytest.skip("a file system of our own needs root")
        try:
            yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
        finally:
            subprocess.run(["umount", folder], check=True)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
        try:
            yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("how", ["limit", "tmpfs"])
def test_a_full_disk_stops_writing_and_nothing_else(tmp_path, how):
    """A full disk has rejected writes counted and reads still work; writing resumes once there is space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    began = time.time_ns()
    with small_disk(how, folder) as enlarge:
        with Store(folder / "store", QUICK) as store, StoreReader(folder / "store") as reader:
            store.add_metrics([counter(5, time.time_ns(), began)])
            number = 0
            while not store.counters.lost:
                number += 1
                assert number < 5_000
                store.add_trace(trace(number, spans=os.urandom(8_000)))
                assert store.flush()
            assert store.counters.lost == {"disk_full": 1}
            # At once, it is not even tried; later it is, and fails again.
            for _ in range(3):
                store.add_trace(trace(90_000, spans=os.urandom(8_000)))
                assert store.flush()
                time.sleep(0.06)
            assert store.counters.lost["disk_full"] >= 2
            found = reader.traces.find(ALL, limit=10_000)
            assert {item.trace_id for item in found} >= set(range(1, number))
            assert reader.traces.by_id(1) is not None
            enlarge()
            deadline = time.monotonic() + 30
            while reader.traces.by_id(100_000) is None:
                assert time.monotonic() < deadline
                store.add_trace(trace(100_000, spans=os.urandom(8_000)))
                assert store.flush()
            store.add_metrics([counter(9, time.time_ns() + NS, began)])
            assert store.flush()
            assert reader.series.count(Which("things"), 0, 1 << 62) == 9


def test_a_disk_that_is_full_from_the_beginning(tmp_path):
    """The store is there, says what it cannot do, and does it later."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        store = Store(tmp_path, QUICK)
        store.add_trace(trace(1))
        assert store.flush()
        assert store.counters.lost == {"disk_full": 1}
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        time.sleep(0.06)
        store.add_trace(trace(2))
        assert store.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    with StoreReader(tmp_path) as reader:
        assert [found.trace_id for found in reader.traces.find(ALL)] == [2]


def test_many_threads_hand_over_at_once(tmp_path):
    """Everything is either stored or counted, and traces are removed while others come."""
    limits = StoreLimits(linger_s=0.01, max_queued_items=500, max_age_s=0.5)
    with Store(tmp_path, limits) as store:

        def hand_over(thread):
            for i in range(500):
                number = thread * 1000 + i + 1
                store.add_trace(trace(number, extraction(time.time_ns()), spans=b"x" * 100))

        threads = [threading.Thread(target=hand_over, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.flush()
        written, lost = store.counters.written["trace"], store.counters.lost.get("queue_full", 0)
        assert written + lost == 2000
        with StoreReader(tmp_path) as reader:
            deadline = time.monotonic() + 30
            while reader.traces.find(ALL, limit=1):
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_times_are_those_of_the_machine(tmp_path):
    """The store uses the machine's clock unless it is given one."""
    now = time.time_ns()
    with Store(tmp_path, QUICK) as store, StoreReader(tmp_path) as reader:
        store.add_metrics([counter(5, now, now - MINUTE)])
        assert store.flush()
        assert reader.series.count(Which("things"), now - 2 * MINUTE, now + MINUTE) == 5
