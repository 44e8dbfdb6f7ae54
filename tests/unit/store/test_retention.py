"""What is too old or too much goes, the oldest first, in small pieces."""

from __future__ import annotations

import os
import time

from otel_fe.store import Selection, StoreLimits
from otel_fe.store.limits import LOG_BYTES
from otel_fe.store.retention import TRACES
from otel_fe.store.series_keys import Which
from tests.unit.store.parts import MINUTE, T0, bed, counter, extraction, trace

ALL = Selection(0, 1 << 62)
DAY = 86_400


def ids(store):
    return sorted(found.trace_id for found in store.reader.traces.find(ALL, limit=100_000))


def test_traces_go_when_they_are_too_old(tmp_path):
    """By when they were stored, by our clock: what a sender's clock says does not matter."""
    with bed(tmp_path, StoreLimits(max_age_s=DAY)) as store:
        store.write("trace", trace(1, extraction(T0 + 400 * DAY * 10**9)), trace(2))
        store.clock.advance(DAY / 2)
        store.write("trace", trace(3))
        store.tidy()
        assert ids(store) == [1, 2, 3]
        store.clock.advance(DAY / 2 + 1)
        store.tidy()
        assert ids(store) == [3]
        assert store.reader.traces.by_id(1) is None


def test_many_go_in_small_pieces(tmp_path):
    """So that what comes in between does not wait."""
    with bed(tmp_path, StoreLimits(max_age_s=DAY)) as store:
        store.write("trace", *(trace(i) for i in range(1, 10 * TRACES + 1)))
        store.clock.advance(2 * DAY)
        assert store.tidy() >= 10
        assert ids(store) == []


def test_the_oldest_traces_go_when_there_are_too_many(tmp_path):
    """The files stay within the bound; the newest traces are there, and so are the series."""
    limits = StoreLimits(max_bytes=4 * LOG_BYTES)
    with bed(tmp_path / "s", limits) as store:
        store.points(counter(5, T0, T0 - MINUTE))
        for first in range(1, 4001, 100):
            store.write("trace", *(trace(i, spans=os.urandom(16_000)) for i in range(first, first + 100)))
            store.tidy()
        left = ids(store)
        assert left == list(range(left[0], 4001))
        assert 1000 < len(left) < 2000
        assert sum(path.stat().st_size for path in store.directory.iterdir()) <= limits.max_bytes
        assert store.reader.series.count(Which("things"), 0, 1 << 62) == 5


def test_a_lower_bound_gives_the_space_back(tmp_path):
    """Bit by bit, once the store is opened with it."""
    with bed(tmp_path / "s") as store:
        for first in range(1, 4001, 500):
            store.write("trace", *(trace(i, spans=os.urandom(16_000)) for i in range(first, first + 500)))
    limits = StoreLimits(max_bytes=4 * LOG_BYTES)
    with bed(tmp_path / "s", limits) as store:
        longest = 0.0
        while True:
            begun = time.perf_counter()
            if not store.session.retention.step(T0 // 10**9):
                break
            longest = max(longest, time.perf_counter() - begun)
        assert longest < 5, "a step is milliseconds; this only tells it from a pause"
    assert (tmp_path / "s" / "store.sqlite3").stat().st_size <= limits.max_bytes


def test_without_traces_the_finest_series_go(tmp_path):
    """Their sums stay in the coarser ones."""
    with bed(tmp_path / "s", StoreLimits(max_bytes=4 * LOG_BYTES)) as store:
        for hour in range(5):
            store.clock.advance(3600)
            store.points(counter(hour + 1, store.clock.time_ns()))
        retention = store.session.retention
        retention.used_bytes = lambda: 1 << 40 if retention._floors.width_at(T0 // 10**9) == 60 else 0
        store.tidy()
        assert store.reader.series.count(Which("things"), 0, 1 << 62) == 5
        rows = store.session._connection.execute("SELECT count(*) FROM counter WHERE width_s = 60").fetchone()[0]
        assert rows < 5 * 60


def test_streams_that_are_not_heard_of_are_forgotten(tmp_path):
    """After a day; what comes of them later only sets the mark."""
    with bed(tmp_path) as store:
        store.points(counter(5, T0, T0 - MINUTE))
        store.clock.advance(DAY + 1)
        store.tidy()
        assert store.session._connection.execute("SELECT count(*) FROM stream").fetchone()[0] == 0
        store.points(counter(9, store.clock.time_ns(), T0 - MINUTE))
        assert store.reader.series.count(Which("things"), 0, 1 << 62) == 5
