"""Adds increments to the rows of series: the row that each series was added to last, in each tier, is known.

A series counts into the same rows for a minute, ten, or an hour. Reading them, unpacking their buckets and adding them up in SQL,
once a second and in every tier, took a third of writing a point. Rows that points of one item have changed are written together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.store.counts import add_packed, pack_buckets
from otel_fe.store.points import COUNTER, HISTOGRAM

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from otel_fe.store.counts import Counts

    Place = tuple[int, int, int]
    """The key of a row: series, width and time in s."""

_MOST: Final = 8_192
"""Known rows: those of some 2 700 series in three tiers, in a few megabytes."""
_INT64_MAX: Final = (1 << 63) - 1
_WRITE: Final = {
    "counter": "INSERT OR REPLACE INTO counter VALUES (?, ?, ?, ?)",
    "histogram": "INSERT OR REPLACE INTO histogram VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
}
_AT: Final = "WHERE series = ? AND width_s = ? AND time_s = ?"
_EMPTY: Final[tuple[Any, ...]] = (0, 0, 0, b"", None, None)
_READ: Final = {
    "counter": f"SELECT value FROM counter {_AT}",  # noqa: S608
    "histogram": f"SELECT count, total, zeros, buckets, least, most FROM histogram {_AT}",  # noqa: S608
}


class _Row:
    """What a row holds."""

    __slots__ = ("buckets", "count", "least", "most", "new", "time_s", "total", "zeros")

    def __init__(self, time_s: int, found: tuple[Any, ...] | None) -> None:
        self.time_s = time_s
        self.new = found is None
        held = found or ()
        # A counter's row is its count alone.
        count, total, zeros, packed, least, most = (*held, *_EMPTY[len(held) :])
        self.count: int = count
        self.total: int = total
        self.zeros: int = zeros
        self.least: float | None = least
        self.most: float | None = most
        self.buckets: dict[int, int] = {}
        add_packed(packed, self.buckets)

    def add(self, part: Counts, least: float | None, most: float | None) -> None:
        """Add an increment, with the bounds of its values."""
        self.count += part.count
        self.total += part.total
        self.zeros += part.zeros
        buckets = self.buckets
        for index, count in part.buckets.items():
            buckets[index] = buckets.get(index, 0) + count
        if self.new:
            self.new, self.least, self.most = False, least, most
        else:  # what is not known of a part is not known of the whole
            self.least = None if self.least is None or least is None else min(self.least, least)
            self.most = None if self.most is None or most is None else max(self.most, most)

    def values(self) -> tuple[Any, ...]:
        """Return the columns of a histogram's row, without its key."""
        packed = pack_buckets(self.buckets)
        return _fits(self.count), _fits(self.total), _fits(self.zeros), packed, self.least, self.most


class RowSums:
    """Adds to rows of counters and histograms. Belongs to the thread that writes, and to one connection.

    Args:
        connection: To the store.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[int, int], _Row] = {}
        """By series and width, the row that was added to last."""
        self._changed: dict[str, dict[Place, _Row]] = {COUNTER: {}, HISTOGRAM: {}}
        """By kind, the rows that are still to be written."""

    def forget(self) -> None:
        """Forget what is known and not written: a transaction was rolled back, or rows were removed."""
        self._known.clear()
        for changed in self._changed.values():
            changed.clear()

    def add(self, kind: str, places: Iterable[Place], part: Counts, least: float | None, most: float | None) -> None:
        """Add an increment to some rows of a series; `flush` writes them.

        Args:
            kind: `counter` or `histogram`.
            places: Which rows.
            part: The increment.
            least: No value of it is smaller; None where that is not known.
            most: None is larger.
        """
        changed = self._changed[kind]
        for at in places:
            row = self._row(kind, at)
            row.add(part, least, most)
            changed[at] = row

    def flush(self) -> None:
        """Write the rows that were added to, in the caller's transaction."""
        counters, histograms = self._changed[COUNTER], self._changed[HISTOGRAM]
        if counters:
            self._connection.executemany(_WRITE[COUNTER], [(*at, _fits(row.count)) for at, row in counters.items()])
            counters.clear()
        if histograms:
            self._connection.executemany(_WRITE[HISTOGRAM], [(*at, *row.values()) for at, row in histograms.items()])
            histograms.clear()

    def _row(self, kind: str, at: Place) -> _Row:
        series, width_s, time_s = at
        known = self._known.get((series, width_s))
        if known is not None and known.time_s == time_s:
            return known
        if len(self._known) >= _MOST:
            self._known.clear()
        found = self._changed[kind].get(at) or _Row(time_s, self._connection.execute(_READ[kind], at).fetchone())
        self._known[series, width_s] = found
        return found


def _fits(value: float) -> float:
    """Return a sum as SQLite has one that is beyond 64 bits."""
    return value if -_INT64_MAX <= value <= _INT64_MAX else float(value)
