"""Cells: whatever is written, removed, added up or not, every question has the answer that a look at every row has."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_fe.store import Selection, StoreLimits, StoreReader
from otel_fe.store.database import FILE_NAME, make_directory, open_for_writing
from otel_fe.store.inbox import Item
from otel_fe.store.latency import EDGES_NS, bounds_of
from otel_fe.store.rollup_query import RollupQuery
from otel_fe.store.rollup_writer import SPANS
from otel_fe.store.schema import APPLICATION_ID, MIGRATIONS, migrate
from otel_fe.store.slots import BY_GROUP, SLOT_NS
from otel_fe.store.store_error import StoreError
from otel_fe.store.string_table import StringTable
from otel_fe.testing import FakeClock
from tests.effort import examples
from tests.unit.store.parts import HOUR, MINUTE, NS, T0, bed, extraction, otlp, trace
from tests.unit.store.plain_scan import PlainScan

DAY = 24 * HOUR
SPAN = BY_GROUP * SLOT_NS
ALL = Selection(0, 1 << 62)
BLOCK = T0 // (SPAN * SPANS) * SPAN * SPANS
"""Where twelve hours begin."""
KEPT = StoreLimits(max_age_s=3 * 86_400)

extractions = st.builds(
    extraction,
    start_ns=st.integers(T0 - 2 * DAY, T0 + DAY) | st.sampled_from((T0, BLOCK, BLOCK - 1, BLOCK + SPAN, 0, 1 << 62)),
    duration_ns=st.sampled_from((0, 99_999_999, 100_000_000, 150_000_000, 10**10)) | st.integers(0, 10**11),
    service=st.sampled_from(("shop", "ads")),
    feature_set=st.sampled_from(("user", "", "geo", None)),
    error=st.booleans(),
    cache_hit=st.sampled_from((None, True, False)),
    cause=st.sampled_from(("cpu", "pool_wait", "")),
    split=st.sampled_from(({}, {"cpu": 7, "gpu": 1, "downstream": 10**9})),
)
traces = st.lists(
    st.tuples(
        st.lists(extractions, min_size=1, max_size=3),
        st.sampled_from((None, 1.0, 20.0, 2.5)),
        st.sampled_from(("slow", "rare")),
    ),
    max_size=8,
)
actions = st.lists(
    st.tuples(st.just("write"), traces)
    | st.tuples(st.just("roll back"), traces)
    | st.tuples(st.just("spoil"), traces)
    | st.tuples(st.just("tidy"), st.none())
    | st.tuples(st.just("reopen"), st.none())
    | st.tuples(st.just("advance"), st.sampled_from((90 * NS, 5 * HOUR, DAY, 2 * DAY))),
    max_size=12,
)
times = st.integers(T0 - 2 * DAY, T0 + 2 * DAY) | st.sampled_from(
    (0, -1, BLOCK, BLOCK + SPAN, BLOCK - 4 * SPAN, 1 << 62)
)
durations = st.sampled_from((None, 100_000_000, EDGES_NS[0], EDGES_NS[-1], EDGES_NS[90], 123_456_789, 0))
selections = st.builds(
    Selection,
    since_ns=times,
    until_ns=times,
    service=st.sampled_from((None, None, "shop", "nobody")),
    feature_set=st.sampled_from((None, None, "user", "")),
    min_duration_ns=durations,
    max_duration_ns=durations,
    error=st.sampled_from((None, None, True, False)),
    cache_hit=st.sampled_from((None, None, True, False)),
    cause=st.sampled_from((None, None, "cpu", "")),
    policy=st.sampled_from((None, None, "slow")),
    whole_traces=st.booleans(),
)


class Life:
    """A store to which things happen."""

    def __init__(self, store):
        self.store = store
        self.number = 0

    def do(self, what, content):
        store = self.store
        if what in ("write", "roll back", "spoil"):
            made = [self._trace(*one) for one in content]
            if what == "spoil":
                made.append(trace(1 << 200))
                made.append(trace(5, *(extraction(one) for one in (T0, BLOCK)), extraction(span_id=-1)))
            if what == "roll back":
                with pytest.raises(AttributeError):
                    store.session.write([Item("trace", one, 0) for one in made] + [Item("logs", None, 0), None], 0)
            else:
                store.write("trace", *made)
        elif what == "tidy":
            store.tidy()
        elif what == "reopen":
            store.reopen()
        else:
            store.clock.advance(ns=content)

    def _trace(self, found, weight, policy):
        self.number += 1
        return trace(self.number, *found, weight=weight, policy=policy)


def agrees(store, selection, step_ns):
    """Compare every question with the reference."""
    plain = PlainScan(store.session._connection)
    totals, reader = store.reader.totals, store.reader
    found = totals.totals(selection)
    count, weight, duration, splits = plain.totals(selection)
    assert (found.extractions, found.weight) == (count, weight)
    assert (found.duration_ns, *found.split_ns.values()) == (duration, *splits), "sums of whole numbers are exact"
    heat = totals.heat_map(selection, step_ns)
    cells = {(cell.time_ns, (cell.low_ns, cell.high_ns)): (cell.extractions, cell.weight) for cell in heat.cells}
    wanted = plain.heat(selection, heat.step_ns)
    assert cells == {(time, bounds_of(bucket)): value for (time, bucket), value in wanted.items()}
    assert [(cell.time_ns, cell.low_ns) for cell in heat.cells] == sorted((t, low) for t, (low, _) in cells)
    assert totals.by_policy(selection) == plain.by_policy(selection)
    assert totals.groups(selection.since_ns) == plain.groups(max(0, selection.since_ns))
    rows = plain.selected(selection)
    for order, sign in (("slowest", -1), ("fastest", 1)):
        ordered = sorted((row.duration_ns for row in rows), key=lambda one: sign * one)
        got = reader.traces.find(selection, order=order, limit=3, offset=1)
        assert [one.extraction.duration_ns for one in got] == ordered[1:4]
    return found


@settings(deadline=None, max_examples=examples(120))
@given(actions, selections, st.sampled_from((SLOT_NS, SPAN, 4 * SPAN, 5 * SLOT_NS, 7 * MINUTE)), st.booleans())
def test_added_up_or_not_the_answers_are_those_of_the_rows(tmp_path_factory, done, selection, step, tidied):
    """Late traces, removed ones, batches that fail, whole or in part, restarts; whenever hours are added up in between."""
    with bed(tmp_path_factory.mktemp("store"), KEPT, FakeClock(T0)) as store:
        life = Life(store)
        for what, content in done:
            life.do(what, content)
        if tidied:
            store.clock.advance(ns=3 * 60 * NS)
            store.tidy()
        agrees(store, selection, step)
        agrees(store, ALL, step)


def counted(store):
    return [row[0] for row in store.session._connection.execute("SELECT time FROM counted ORDER BY 1")]


def rows_read(store, selection):
    """Return how much of a selection is read row by row, in ns."""
    with store.reader._reading.transaction() as connection:
        return sum(part.until_ns - part.since_ns for part in RollupQuery.of(connection, selection).rest)


def test_a_week_is_read_from_cells(tmp_path):
    """All but what is left at both ends: less than three hours each, and less than twelve for what an extraction is like."""
    with bed(tmp_path, StoreLimits(), FakeClock(T0)) as store:
        for hour in range(7 * 24):
            made = (extraction(store.clock.time_ns() + n * 10 * MINUTE, (80 + n) * 10**6) for n in range(6))
            store.write("trace", *(trace(6 * hour + n + 1, one) for n, one in enumerate(made)))
            store.clock.advance(3600)
        store.tidy()
        window = Selection(store.clock.time_ns() - 7 * DAY + 1234, store.clock.time_ns())
        assert rows_read(store, window) < 2 * SPAN
        assert rows_read(store, replace(window, cause="cpu", min_duration_ns=100_000_000)) < 2 * SPAN * SPANS
        assert agrees(store, window, SPAN).extractions == 7 * 24 * 6 - 1
        # A selection that cuts through cells has to read rows.
        assert rows_read(store, replace(window, min_duration_ns=100_000_001)) == window.until_ns - window.since_ns
        agrees(store, replace(window, min_duration_ns=82_000_001), SPAN)


def test_what_comes_late_is_in_the_next_answer(tmp_path):
    """Hours with late data are read row by row until they are added up anew: not at once, or a late sender would keep us busy."""
    with bed(tmp_path, StoreLimits(), FakeClock(T0)) as store:
        store.write("trace", trace(1, extraction(T0 - DAY)), trace(2, extraction(T0 - DAY + SPAN)))
        store.tidy()
        before = counted(store)
        assert (T0 - DAY) // SPAN in before
        store.write("trace", trace(3, extraction(T0 - DAY)))
        assert agrees(store, ALL, SPAN).extractions == 3
        assert set(before) - set(counted(store)) == {(T0 - DAY) // SPAN}
        store.clock.advance(30)
        store.tidy()
        assert set(before) - set(counted(store)) == {(T0 - DAY) // SPAN}
        store.clock.advance(45)
        store.tidy()
        assert counted(store) == before
        assert agrees(store, ALL, SPAN).extractions == 3


def test_what_is_removed_is_in_no_cell(tmp_path):
    """Removed extractions are in no cell that is read, nor left in the table once the last trace of their hours is gone."""
    with bed(tmp_path, StoreLimits(max_age_s=86_400), FakeClock(T0)) as store:
        store.write("trace", trace(1, extraction(T0 - HOUR)))
        store.clock.advance(86_000)
        store.write("trace", trace(2, extraction(T0 - HOUR)), trace(3, extraction(T0 + 20 * HOUR)))
        store.tidy()
        assert agrees(store, ALL, SPAN).extractions == 3
        store.clock.advance(1_000)
        store.tidy()
        assert agrees(store, ALL, SPAN).extractions == 2
        store.clock.advance(2 * 86_400)
        store.tidy()
        assert agrees(store, ALL, SPAN).extractions == 0
        store.clock.advance(60)
        store.tidy()
        assert store.session._connection.execute("SELECT count(*) FROM cell").fetchone()[0] == 0
        assert counted(store) == []


def test_one_wrong_clock_does_not_make_a_million_hours(tmp_path):
    """Only hours with extractions, and those next to them, are added up."""
    with bed(tmp_path, StoreLimits(), FakeClock(T0)) as store:
        store.write("trace", trace(1, extraction(5)), trace(2, extraction(T0 - DAY)), trace(3, extraction(1 << 62)))
        assert store.tidy() < 20
        assert len(counted(store)) <= 2 * SPANS
        agrees(store, ALL, SPAN)


def test_a_store_of_the_first_version_answers_as_it_is_and_once_it_is_brought_up(tmp_path):
    """A reader leaves a first-version store unchanged; a writer migrates it at once, and the sums stay equal, bit by bit."""
    make_directory(tmp_path)
    path = tmp_path / FILE_NAME
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(old, MIGRATIONS[:1])
        names = StringTable(old)
        number = {text: names.number(text) for text in ("shop", "user", "cpu", "slow")}
        for key in range(1, 40):
            start = T0 - 3 * DAY + key * HOUR
            old.execute(
                "INSERT INTO trace (key, trace_id, stored_s, start_ns, end_ns, spans) VALUES (?, ?, ?, ?, ?, 1)",
                (key, key.to_bytes(16, "big"), T0 // NS, start, start + 10**8),
            )
            row = (
                start // SLOT_NS,
                81,
                key,
                0,
                2.5,
                start,
                10**8,
                number["shop"],
                number["user"],
                0,
                1,
                number["cpu"],
                number["slow"],
            )
            more = (b"12345678", None, None, 1, 1, 5, 6, 0, 0, 10**8, 0, 0, 0)
            old.execute(f"INSERT INTO extraction VALUES ({', '.join('?' * 26)})", row + more)
        assert old.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    with StoreReader(tmp_path) as reader:
        first = reader.totals.totals(ALL), reader.totals.heat_map(ALL, SPAN), reader.totals.groups()
        assert first[0].extractions == 39
        assert len(reader.traces.find(ALL, order="slowest", limit=50)) == 39
        with contextlib.closing(sqlite3.connect(path)) as untouched:
            assert untouched.execute("PRAGMA user_version").fetchone()[0] == 1
        with bed(tmp_path, StoreLimits(), FakeClock(T0)) as store:
            assert (reader.totals.totals(ALL), reader.totals.heat_map(ALL, SPAN), reader.totals.groups()) == first
            store.tidy()
            assert len(counted(store)) >= 13
            assert (reader.totals.totals(ALL), reader.totals.heat_map(ALL, SPAN), reader.totals.groups()) == first
            agrees(store, Selection(T0 - 2 * DAY, T0, cause="cpu"), SPAN)


def test_a_newer_store_is_not_read(tmp_path):
    """A store with a newer schema is refused, as the meaning of its rows is unknown."""
    open_for_writing(tmp_path, fsync=False).close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as connection:
        migrate(connection, (*MIGRATIONS, ("CREATE TABLE later (value)",)))
    with StoreReader(tmp_path) as reader, pytest.raises(StoreError, match=f"reads up to {len(MIGRATIONS)}"):
        reader.totals.totals(ALL)


@pytest.mark.thorough
@pytest.mark.parametrize("many", [30, 2_500])
def test_a_drilldown_is_what_its_questions_are(tmp_path, many):
    """Few extractions are read at once, many one question after the other: it is the same."""
    with bed(tmp_path, StoreLimits(), FakeClock(T0)) as store:
        payload = otlp((1, 7, 0, "feature_extraction user", {"plan": "free"}))
        made = [
            extraction(T0 - 2 * DAY + n * MINUTE, (20 + n % 190) * 10**6, cache_hit=n % 3 == 0) for n in range(many)
        ]
        store.write("trace", *(trace(n + 1, one, weight=2.5, spans=payload) for n, one in enumerate(made)))
        store.tidy()
        reader = store.reader
        for order in ("newest", "oldest", "slowest", "fastest"):
            asked = {"order": order, "limit": 5, "offset": 3}
            for selection in (ALL, Selection(T0 - 2 * DAY, T0, cache_hit=True), Selection(T0, T0 + 1)):
                found = reader.drilldown(selection, **asked, explained=20, attributes=200)
                assert found.totals == reader.totals.totals(selection)
                plain = reader.traces.find(selection, **asked)
                key = "duration_ns" if order in ("slowest", "fastest") else "start_ns"
                assert [getattr(a.extraction, key) for a in found.found] == [getattr(b.extraction, key) for b in plain]
                assert found.explained == reader.totals.explained(selection, limit=20)
                if found.totals.extractions:
                    assert set(found.attributes.values) == {"plan", "service.name"}
                    assert list(found.attributes.values["plan"]) == ["free"]
                    assert 5 <= found.attributes.sampled <= 400
                else:
                    assert found.attributes is None


def test_a_sample_of_a_burst_is_a_sample(tmp_path):
    """All in one slot of a long window: looking at some of the slots only would have found nothing."""
    with bed(tmp_path, StoreLimits(), FakeClock(T0)) as store:
        payload = otlp((1, 7, 0, "feature_extraction user", {"plan": "free"}))
        store.write("trace", *(trace(n, extraction(T0 - DAY + n), spans=payload) for n in range(1, 1_001)))
        counts = store.reader.attribute_counts(Selection(T0 - 7 * DAY, T0), limit=20)
        assert 10 <= counts.sampled <= 40
