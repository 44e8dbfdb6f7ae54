"""Removes rows beyond the bounds of age and size, and rolls up the rest, in small steps between commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.store.cumulative_to_delta import FORGET_S
from otel_fe.store.limits import LOG_BYTES
from otel_fe.units import DAY_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from otel_fe.store.limits import StoreLimits
    from otel_fe.store.rollup_writer import RollupWriter
    from otel_fe.store.tiers import Floors

TRACES: Final = 100
"""Traces removed at once: some milliseconds of work."""
_CHUNKS: Final = 10
_SERIES: Final = 50
_STREAMS: Final = 500
_PAGES: Final = 256
_SPARE: Final = 4_096
"""Free pages that are kept for later rows."""
_EMPTY_CHUNKS: Final = """DELETE FROM chunk WHERE key <= ? AND last >= ?
    AND NOT EXISTS (SELECT 1 FROM trace WHERE trace.key BETWEEN chunk.key AND chunk.last)"""
"""The bodies of traces that are all removed."""
_DATED: Final = (("trace", "stored_s"), ("stream", "seen_s"))
_TABLES: Final = ("counter", "histogram", "gauge")


class Retention:
    """Belongs to the thread that writes, and to one connection."""

    def __init__(
        self, connection: sqlite3.Connection, limits: StoreLimits, floors: Floors, cells: RollupWriter
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._floors = floors
        self._cells = cells
        self._unswept = self._all_series()
        """Series whose rows below the floors are yet to be removed. These rows are never read."""

    def step(self, now_s: int) -> bool:
        """Remove or roll up a few rows, in one transaction; return whether there was anything to do."""
        pieces: tuple[Callable[[int], bool], ...] = (
            self._expire,
            self._sweep,
            self._make_room,
            self._forget,
            self._cells.step,
        )
        for piece in pieces:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                did = piece(now_s)
                self._connection.execute("COMMIT")
            except BaseException:
                self._cells.forget()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            if did:
                return True
        return self._give_back()

    def redate(self, now_s: int) -> bool:
        """Date a few rows to now that a clock which was wrong has dated more than a day ahead; return whether there were any.

        They would outlive everything else, and streams that are never forgotten leave no room for new ones.

        Args:
            now_s: Unix time, as the clock shows it.
        """
        for table, column in _DATED:
            keys = [
                row[0]
                for row in self._connection.execute(
                    f"SELECT key FROM {table} WHERE {column} > ? LIMIT {_STREAMS}",  # noqa: S608
                    (now_s + DAY_S,),
                )
            ]
            if keys:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany(
                    f"UPDATE {table} SET {column} = ? WHERE key = ?",  # noqa: S608
                    [(now_s, key) for key in keys],
                )
                self._connection.execute("COMMIT")
                return True
        return False

    def newest_s(self) -> int | None:
        """Return the latest Unix time, in s, at which anything was stored; None where nothing was."""
        times = [
            self._connection.execute(f"SELECT max({column}) FROM {table}").fetchone()[0]  # noqa: S608
            for table, column in _DATED
        ]
        return max((time for time in times if time is not None), default=None)

    def used_bytes(self) -> int:
        """Return how much of the file is in use."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def _expire(self, now_s: int) -> bool:
        if self._floors.raise_to(self._connection, self._limits, now_s):
            self._unswept = self._all_series()
        cutoff = now_s - round(self._limits.max_age_s)
        return self._remove_traces("stored_s < ? ORDER BY stored_s", (cutoff,))

    def _make_room(self, now_s: int) -> bool:
        if self.used_bytes() <= self._limits.max_bytes - LOG_BYTES:
            return False
        if self._remove_traces("key > 0 ORDER BY key", ()):
            return True
        chunks = f"DELETE FROM record WHERE key IN (SELECT key FROM record ORDER BY key LIMIT {_CHUNKS})"  # noqa: S608
        if self._connection.execute(chunks).rowcount > 0:
            return True
        if self._floors.give_up(self._connection, self._limits, now_s):
            self._unswept = self._all_series()
            return True
        return False

    def _remove_traces(self, which: str, values: tuple[int, ...]) -> bool:
        query = f"SELECT key FROM trace WHERE {which} LIMIT {TRACES}"  # noqa: S608
        keys = [row[0] for row in self._connection.execute(query, values)]
        if not keys:
            return False
        listed = ", ".join(map(str, keys))
        slots = self._connection.execute(f"SELECT DISTINCT slot FROM extraction WHERE trace IN ({listed})")  # noqa: S608
        self._cells.uncount([row[0] for row in slots])
        self._connection.execute(f"DELETE FROM extraction WHERE trace IN ({listed})")  # noqa: S608
        self._connection.execute(f"DELETE FROM trace WHERE key IN ({listed})")  # noqa: S608
        self._connection.execute(_EMPTY_CHUNKS, (max(keys), min(keys)))
        return True

    def _sweep(self, now_s: int) -> bool:
        """Remove the rows of some series that lie below the floors, and the series without recent points."""
        some, self._unswept = self._unswept[:_SERIES], self._unswept[_SERIES:]
        abandoned = now_s - self._limits.tiers[-1].keep_s
        for series in some:
            row = self._connection.execute("SELECT seen_s FROM series WHERE id = ?", (series,)).fetchone()
            gone = row is not None and row[0] < abandoned
            for table in _TABLES:
                for width, floor in self._floors.by_width.items():
                    self._connection.execute(
                        f"DELETE FROM {table} WHERE series = ? AND width_s = ? AND (time_s < ? OR ?)",  # noqa: S608
                        (series, width, floor, gone),
                    )
            if row is not None and row[0] > now_s + DAY_S:  # by a clock that was wrong: see `redate`
                self._connection.execute("UPDATE series SET seen_s = ? WHERE id = ?", (now_s, series))
            if gone:
                self._connection.execute("DELETE FROM series WHERE id = ?", (series,))
        return bool(some)

    def _forget(self, now_s: int) -> bool:
        oldest_ns = (now_s - self._limits.tiers[-1].keep_s) * 1_000_000_000
        for table, column in (("counted_time", "until_ns"), ("mark", "until_ns"), ("fact", "seen_ns")):
            self._connection.execute(f"DELETE FROM {table} WHERE {column} < ?", (oldest_ns,))  # noqa: S608
        removed = self._connection.execute(
            "DELETE FROM stream WHERE key IN (SELECT key FROM stream WHERE seen_s < ? LIMIT ?)",
            (now_s - FORGET_S, _STREAMS),
        )
        return removed.rowcount > 0

    def _give_back(self) -> bool:
        """Give pages back to the file system where many are free, or the file is too large."""
        pages, free = self._pragma("page_count"), self._pragma("freelist_count")
        large = pages * self._pragma("page_size") > self._limits.max_bytes - LOG_BYTES
        if not free or not (large or (free > _SPARE and free * 4 > pages)):
            return False
        # Each step of it frees one page, and `execute` takes only the first: it has no rows to fetch.
        self._connection.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
        return True

    def _all_series(self) -> list[int]:
        return [row[0] for row in self._connection.execute("SELECT id FROM series")]

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
