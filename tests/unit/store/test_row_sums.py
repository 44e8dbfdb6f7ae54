"""Rows of series hold the sum of all increments, whether the writer remembers them or reads them again."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_fe.store.counts import Counts, add_packed
from otel_fe.store.limits import StoreLimits
from otel_fe.store.row_sums import RowSums
from otel_fe.store.schema import migrate
from tests.effort import examples
from tests.unit.store.parts import MINUTE, T0, bed, counter, histogram

EXTREMES = st.one_of(st.none(), st.integers(-9, 9).map(float))
BUCKETS = st.dictionaries(st.integers(-5, 40), st.integers(1, 300), max_size=6)
PARTS = st.tuples(
    st.integers(1, 3),
    st.sampled_from([0, 60, 120]),
    BUCKETS,
    st.integers(0, 5),
    st.integers(-(1 << 40), 1 << 40),
    EXTREMES,
    EXTREMES,
    st.booleans(),
)


def bound(values, choose):
    """Return the extreme of all parts; None where one does not say."""
    return None if None in values else choose(values)


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(PARTS, max_size=30))
def test_rows_are_the_sums_of_their_parts(parts):
    """Of histograms and counters, in whatever order rows are added to, with the memory lost now and then."""
    expected = {}
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        sums = RowSums(connection)
        for series, time_s, buckets, zeros, total, least, most, forget in parts:
            part = Counts(zeros + sum(buckets.values()), total, zeros, buckets)
            places = [(series, 60, time_s), (series, 600, 0)]
            sums.add("histogram", places, part, least, most)
            sums.add("counter", [(100 + series, 60, time_s)], part, None, None)
            for at in places:
                expected.setdefault(at, []).append((part, least, most))
            if forget:
                sums.flush()
                sums.forget()
        sums.flush()
        found = {row[:3]: row[3:] for row in connection.execute("SELECT * FROM histogram")}
        assert found.keys() == expected.keys()
        for at, added in expected.items():
            count, total, zeros, packed, least, most = found[at]
            buckets = {}
            add_packed(packed, buckets)
            whole = sum((part for part, _, _ in added), Counts(0))
            assert Counts(count, total, zeros, buckets) == whole
            assert least == bound([least for _, least, _ in added], min)
            assert most == bound([most for _, _, most in added], max)
            if at[1] == 60:
                value = "SELECT value FROM counter WHERE series = ? AND width_s = 60 AND time_s = ?"
                assert connection.execute(value, (100 + at[0], at[2])).fetchone()[0] == whole.count


def test_a_sum_beyond_64_bits_is_stored_as_sqlite_adds_it():
    """A hostile sender's counts do not take the points beside them with them."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        sums = RowSums(connection)
        for _ in range(3):
            sums.add("counter", [(1, 60, 0)], Counts((1 << 63) - 1), None, None)
        sums.flush()
        assert connection.execute("SELECT value FROM counter").fetchone()[0] == 3 * float(1 << 63)


def test_what_is_rolled_back_is_not_remembered(tmp_path):
    """A batch that cannot be written leaves nothing in later rows."""
    with bed(tmp_path) as store:
        store.points(counter(5, T0 + MINUTE), histogram((1, 2, 0, 0), T0 + MINUTE))
        wrong = counter(1 << 70, T0 + 2 * MINUTE, name="other")
        assert store.points(counter(9, T0 + 2 * MINUTE), histogram((1, 4, 0, 0), T0 + 2 * MINUTE), wrong) == {
            "invalid": 1
        }
        store.points(counter(11, T0 + 2 * MINUTE), histogram((1, 5, 0, 0), T0 + 2 * MINUTE))
        assert store.reader.sums.distribution("took", 0, 1 << 62).count == 6
        with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite3")) as file:
            widths = Counter()
            for width, value in file.execute("SELECT width_s, value FROM counter"):
                widths[width] += value
        assert widths == {tier.width_s: 11 for tier in StoreLimits().tiers}


def test_rows_that_retention_has_removed_are_not_brought_back(tmp_path):
    """Floors that rise and fall again, as after a jump of the clock, begin with empty rows."""
    with bed(tmp_path) as store:
        store.points(counter(5, T0 + MINUTE))
        widths = dict(store.session._series._floors.by_width)
        with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)) as file:
            store.session._series._floors.by_width = dict.fromkeys(widths, T0 // 10**9 - 3600)
            file.execute("DELETE FROM counter")
        store.points(counter(7, T0 + MINUTE))
        with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite3")) as file:
            assert [value for (value,) in file.execute("SELECT value FROM counter")] == [2] * len(widths)
