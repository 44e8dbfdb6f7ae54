"""The time from which each resolution of the series holds data, and the rows that make up a window.

Every increment is in every tier, so a window can be put together of rows of any width, the widest that fit first: a month in hours,
with minutes at both ends. Where only coarser rows remain, a window begins and ends at theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_fe.units import DAY_S

if TYPE_CHECKING:
    import sqlite3

    from otel_fe.store.limits import StoreLimits


@dataclass(slots=True)
class Floors:
    """By a tier's width, in s: the Unix time, in s, before which it holds nothing."""

    by_width: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Floors:
        """Return those of a store."""
        return cls(dict(connection.execute("SELECT width_s, from_s FROM tier").fetchall()))

    def begin(self, connection: sqlite3.Connection, limits: StoreLimits, now_s: int) -> None:
        """Set the store's tiers to those of the settings. A new one holds data from now on."""
        coarsest = limits.tiers[-1].width_s
        first = -(-now_s // coarsest) * coarsest if self.by_width else 0
        wanted = {tier.width_s: self.by_width.get(tier.width_s, first) for tier in limits.tiers}
        for width in self.by_width.keys() - wanted.keys():
            for table in ("counter", "histogram", "gauge"):
                connection.execute(f"DELETE FROM {table} WHERE width_s = ?", (width,))  # noqa: S608
            connection.execute("DELETE FROM tier WHERE width_s = ?", (width,))
        self.by_width = wanted
        self._save(connection)

    def raise_to(self, connection: sqlite3.Connection, limits: StoreLimits, now_s: int) -> bool:
        """Raise them to what the settings keep; return whether any has risen. Multiples of the coarsest width, all of them."""
        coarsest = limits.tiers[-1].width_s
        before = dict(self.by_width)
        for tier in limits.tiers:
            due = max(0, now_s - tier.keep_s) // coarsest * coarsest
            # One that lies in the future was raised by a clock that was wrong: it would keep out all that comes.
            wrong = before[tier.width_s] > now_s + DAY_S
            self.by_width[tier.width_s] = due if wrong else max(due, before[tier.width_s])
        if self.by_width == before:
            return False
        self._save(connection)
        return True

    def give_up(self, connection: sqlite3.Connection, limits: StoreLimits, now_s: int) -> bool:
        """Raise that of the finest tier that can be raised by one coarsest width, for want of space; return whether one could."""
        coarsest = limits.tiers[-1].width_s
        for tier in limits.tiers:
            lowest = _lowest(connection, tier.width_s)
            if lowest is not None and lowest + coarsest <= now_s:
                self.by_width[tier.width_s] = max(self.by_width[tier.width_s], (lowest // coarsest + 1) * coarsest)
                self._save(connection)
                return True
        return False

    def width_at(self, time_s: int) -> int:
        """Return the width of the finest rows that there are of a time."""
        alive = [width for width, floor in self.by_width.items() if floor <= time_s]
        return min(alive, default=max(self.by_width, default=60))

    def cover(self, since_ns: int, until_ns: int) -> list[tuple[int, int, int]]:
        """Return which rows make up a window: (width, first, end) in s, without gaps or overlaps.

        A window holds the rows that begin in it, so that those of two adjacent windows are those of both together.
        """
        since, until = self._snapped(since_ns), self._snapped(until_ns)
        return _cover(since, until, sorted(self.by_width.items(), reverse=True))

    def _snapped(self, time_ns: int) -> int:
        time_s = -(-time_ns // 1_000_000_000)
        width = self.width_at(time_s)
        return -(-time_s // width) * width

    def _save(self, connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT OR REPLACE INTO tier VALUES (?, ?)", self.by_width.items())


def _cover(since: int, until: int, tiers: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    if since >= until or not tiers:
        return []
    (width, floor), *finer = tiers
    first = -(-max(since, floor) // width) * width
    end = until // width * width
    if first >= end:
        return _cover(since, until, finer)
    return [*_cover(since, first, finer), (width, first, end), *_cover(end, until, finer)]


def _lowest(connection: sqlite3.Connection, width: int) -> int | None:
    """Return the earliest time in a tier."""
    times = [
        connection.execute(
            f"""SELECT min(t) FROM (SELECT (SELECT min(time_s) FROM {table} WHERE series = s.id AND width_s = ?) AS t
            FROM series s)""",  # noqa: S608
            (width,),
        ).fetchone()[0]
        for table in ("counter", "histogram", "gauge")
    ]
    return min((time for time in times if time is not None), default=None)
