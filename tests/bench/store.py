"""The store of a collector under kept traces of a fleet's traffic: CPU of each on its way to the disk, and its size there.

    a request ── pipeline ──► kept spans ── summarised ──► batch ── written ──► store

`summarise` is the thread that ticks, `write` the store's own: both with all that they do besides, as counts of metrics and decisions
that were not sampled. A second of traffic at a time, as a collector batches it. The plain alternative writes the same spans as rows
of a table with an index of their ids, a transaction a second, from the same process.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from otel_fe.collector import process_memory
from otel_fe.collector.store_sink import StoreSink
from otel_fe.store import Selection, Store, StoreReader
from otel_fe.testing import FakeClock
from otel_fe.units import NS_PER_S
from tests.bench.fleet_cells import Cell
from tests.bench.fleet_traffic import SPANS_PER_S, requests
from tests.bench.rounds import Spread, note
from tests.unit.collector.parts import PipelineBench

SECONDS = 20
_WARM_UP_S = 4
_BEGAN_NS = 1_790_001_200 * NS_PER_S
_WAIT_S = 2.0
_EVERYTHING = Selection(0, 1 << 62, whole_traces=True)


def _run(seconds: int) -> dict[str, float]:
    """Store what is kept of some seconds of traffic; return the figures of a kept trace."""
    clock = FakeClock(_BEGAN_NS)
    cell = Cell("split-0.5", "rules", "store", "1w", "512", "paced")
    bench = PipelineBench(cell.configuration(4317, 4318, _WAIT_S), clock)
    process_memory.Garbage().take_charge()  # as a collector does
    with tempfile.TemporaryDirectory(prefix="otel_fe_bench_") as folder:
        directory = Path(folder) / "store"
        store = Store(directory, None, clock)
        (writer,) = [thread for thread in threading.enumerate() if thread.name == "otel-fe-store"]
        written = time.pthread_getcpuclockid(writer.ident or 0)
        sink = StoreSink(store, store.counters, clock)
        sink.observe(bench.engine.parts)
        summarise = write = 0.0
        kept = due_ns = 0
        for request in list(requests(SPANS_PER_S * seconds, 512, 0.5)):
            bench.take(request.payload)
            clock.advance(ns=request.spans * NS_PER_S // SPANS_PER_S)
            bench.engine.tick()
            if clock.monotonic_ns() < due_ns:
                continue
            due_ns = clock.monotonic_ns() + NS_PER_S
            before = time.thread_time(), time.clock_gettime(written), store.counters.written.get("trace", 0)
            sink.work(bench.engine)
            after = time.thread_time()
            assert store.flush()
            if clock.monotonic_ns() > _WARM_UP_S * NS_PER_S:
                summarise += after - before[0]
                write += time.clock_gettime(written) - before[1]
                kept += store.counters.written["trace"] - before[2]
        total = store.counters.written["trace"]
        assert not store.counters.lost
        assert store.close()
        size = sum(file.stat().st_size for file in directory.iterdir())
        plain_us, plain_size = _plain(Path(folder) / "plain.sqlite3", _spans(directory), round(total / seconds))
    ours = (summarise + write) / kept * 1e6
    return {
        "summarise_us": summarise / kept * 1e6,
        "write_us": write / kept * 1e6,
        "plain_us": plain_us,
        "ratio": ours / plain_us,
        "bytes": size / total,
        "plain_bytes": plain_size,
    }


def _spans(directory: Path) -> list[tuple[bytes, bytes]]:
    """Return the ids of the stored traces, each with its encoded spans."""
    with StoreReader(directory) as reader:
        ids = dict.fromkeys(one.trace_id for one in reader.traces.find(_EVERYTHING, limit=1 << 30))
        traces = [reader.traces.by_id(trace_id) for trace_id in ids]
    return [(trace.trace_id.to_bytes(16, "big"), trace.spans) for trace in traces if trace is not None]


def _plain(file: Path, rows: list[tuple[bytes, bytes]], at_once: int) -> tuple[float, float]:
    """Write traces as rows; return µs of CPU and bytes of each."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE trace (key INTEGER PRIMARY KEY, trace_id BLOB NOT NULL, spans BLOB NOT NULL)")
        connection.execute("CREATE INDEX trace_by_id ON trace (trace_id)")
        begun = time.thread_time()
        for first in range(0, len(rows), at_once):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO trace VALUES (NULL, ?, ?)", rows[first : first + at_once])
            connection.execute("COMMIT")
        spent = time.thread_time() - begun
    return spent / len(rows) * 1e6, file.stat().st_size / len(rows)


def run_store(rounds: int, *, quick: bool = False) -> dict[str, Spread]:
    """Return the figures of a kept trace, each round in a fresh process."""
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        note(f"store: round {number + 1} of {rounds}")
        command = [sys.executable, "-m", "tests.bench.store", str(_WARM_UP_S + 3 if quick else SECONDS)]
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: store ended with {done.returncode}\n{done.stderr[-2000:]}")
        for name, value in json.loads(done.stdout).items():
            found.setdefault(name, []).append(value)
    note("")
    return {name: Spread.of(values) for name, values in found.items()}


if __name__ == "__main__":
    print(json.dumps(_run(int(sys.argv[1]))))
