"""`kill -9` of a collector with a store: no trace is there that is not counted."""

from __future__ import annotations

import random
import time

from otel_fe import semconv
from otel_fe.store import Selection, StoreReader
from otel_fe.store.series_keys import Which
from tests.unit.collector.running import backend, config, running, send, until

ALL = Selection(0, 1 << 62)
CALLS = Which("traces.span.metrics.calls")


def stored(directory):
    """Return how many extractions are stored, and how many were counted, by extractions and by connectors' spans."""
    if not (directory / "store.sqlite3").exists():
        return 0, 0, 0
    with StoreReader(directory) as reader:
        kept = len(reader.traces.find(ALL, limit=100_000))
        counted = reader.sums.distribution(semconv.DURATION, 0, 1 << 62).count
        return kept, counted, round(reader.series.count(CALLS, 0, 1 << 62))


def test_traces_that_survive_are_counted(tmp_path):
    """Killed at any time while it works, and started again: after each the counts are at least those of the traces."""
    rng = random.Random(5)
    directory = tmp_path / "store"
    number = before = 0
    with backend() as sink:
        text = config(f"127.0.0.1:{sink.port}").replace("metrics_flush_interval: 300ms", "metrics_flush_interval: 60s")
        for round_ in range(4):
            with running(tmp_path, text, "--store", str(directory)) as collector:
                end = time.monotonic() + 1.2 + rng.random()
                while time.monotonic() < end:
                    number += 1
                    send(collector.grpc, number, name="feature_extraction shop")
                until(lambda known=before: stored(directory)[0] > known)
                collector.kill()
            kept, counted, calls = stored(directory)
            assert kept > before, f"round {round_}"
            assert counted >= kept
            assert calls >= kept
            before = kept
