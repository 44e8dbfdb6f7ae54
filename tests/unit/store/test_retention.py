"""Rows beyond the bounds of age and size are removed, the oldest first, in small steps."""

from __future__ import annotations

import os
import time

import pytest

from otel_fe.store import Selection, Store, StoreLimits, StoreReader
from otel_fe.store.limits import LOG_BYTES
from otel_fe.store.retention import TRACES
from otel_fe.store.series_keys import Which
from otel_fe.testing import FakeClock
from tests.unit.store.parts import MINUTE, T0, bed, counter, extraction, trace

ALL = Selection(0, 1 << 62)
DAY = 86_400
YEAR = 365 * DAY


def ids(store):
    return sorted(found.trace_id for found in store.reader.traces.find(ALL, limit=100_000))


def test_traces_go_when_they_are_too_old(tmp_path):
    """Age is since the trace was stored, by our clock: what a sender's clock says does not matter."""
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
    """Many rows are removed in small steps, so that writes in between do not wait."""
    with bed(tmp_path, StoreLimits(max_age_s=DAY)) as store:
        store.write("trace", *(trace(i) for i in range(1, 10 * TRACES + 1)))
        store.clock.advance(2 * DAY)
        assert store.tidy() >= 10
        assert ids(store) == []


@pytest.mark.thorough
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


@pytest.mark.thorough
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
    """The finest series are removed first if there are no traces; the coarser ones keep their sums."""
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


def test_a_clock_that_is_an_hour_ahead_removes_only_what_an_hour_makes_too_old(tmp_path):
    """A clock that is an hour ahead removes at most an hour's rows; setting it back does not stop retention."""
    with bed(tmp_path, StoreLimits(max_age_s=DAY)) as store:
        store.write("trace", trace(1))
        store.clock.advance(DAY / 2)
        store.write("trace", trace(2))
        store.clock.jump(3600)
        store.tidy()
        assert ids(store) == [1, 2]
        store.write("trace", trace(3))
        store.clock.jump(-3600)
        store.tidy()
        assert ids(store) == [1, 2, 3]
        store.clock.advance(DAY / 2 + 1)
        store.tidy()
        assert ids(store) == [2, 3]
        store.clock.advance(DAY)
        store.tidy()
        assert ids(store) == []


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_is_a_year_ahead_for_minutes_removes_nothing(tmp_path, restarted):
    """Neither traces nor series are removed, even where the process starts with the wrong clock; once it is right, all goes on."""
    with bed(tmp_path, StoreLimits(max_age_s=DAY)) as store:
        store.write("trace", trace(1))
        store.points(counter(5, T0 + MINUTE))
        store.clock.jump(YEAR)
        if restarted:
            store.reopen()
        store.tidy()
        store.write("trace", trace(2))
        store.clock.advance(600)
        store.tidy()
        assert ids(store) == [1, 2]
        store.clock.jump(-YEAR)
        store.tidy()
        assert ids(store) == [1, 2]
        assert store.reader.series.count(Which("things"), 0, 1 << 62) == 5
        store.clock.advance(DAY + 1)
        store.tidy()
        assert ids(store) == [], "what the wrong clock has dated a year ahead goes with the rest"


def test_a_jump_forward_that_lasts_counts(tmp_path):
    """The clock was behind, and is right now: what it makes too old goes after an hour."""
    with bed(tmp_path, StoreLimits(max_age_s=DAY)) as store:
        store.write("trace", trace(1))
        store.clock.jump(YEAR)
        store.tidy()
        store.write("trace", trace(2))
        store.clock.advance(3599)
        store.tidy()
        assert ids(store) == [1, 2]
        store.clock.advance(1)
        store.tidy()
        assert ids(store) == [2]


def test_streams_that_a_wrong_clock_has_dated_ahead_are_forgotten_in_time(tmp_path):
    """Streams dated ahead are forgotten: they would leave no room for new ones until that time has come."""
    with bed(tmp_path) as store:
        store.clock.jump(YEAR)
        store.points(counter(5, store.clock.time_ns(), store.clock.time_ns() - MINUTE))
        store.clock.jump(-YEAR)
        store.tidy()
        store.clock.advance(DAY + 1)
        store.tidy()
        assert store.session._connection.execute("SELECT count(*) FROM stream").fetchone()[0] == 0


def test_the_thread_that_writes_survives_jumps_of_the_clock(tmp_path):
    """Traces are stored before, during and after the clock is a year ahead."""
    clock = FakeClock(T0)
    with Store(tmp_path, StoreLimits(max_age_s=DAY), clock) as store:
        for number, seconds in enumerate((YEAR, -YEAR, -3600, 3600), 1):
            store.add_trace(trace(number))
            assert store.flush()
            clock.jump(seconds)
        store.add_trace(trace(5))
        assert store.flush()
        with StoreReader(tmp_path) as reader:
            found = sorted(one.trace_id for one in reader.traces.find(ALL))
    assert found == [1, 2, 3, 4, 5]
