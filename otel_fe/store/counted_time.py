"""The time in which extractions were counted, so that a rate is over this time and not over the whole window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.store.schema import EXTREMES_SINCE
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

_JOINED_NS: Final = 120 * NS_PER_S
"""A shorter gap is an ordinary export interval, or a restart."""
_OVERLAPPING: Final = "service = ? AND since_ns <= ? AND until_ns >= ?"

Interval = tuple[int, int]
"""Unix times in ns: from and until."""


class CountedTimeRows:
    """Writes from when until when each service counted. Belongs to the thread that writes, and to one connection.

    All processes of a service have one row for as long as any of them counts.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last: dict[str, Interval] = {}

    def forget(self) -> None:
        """Forget what is known: the transaction that wrote it was rolled back."""
        self._last.clear()

    def extend(self, service: str, since_ns: int, until_ns: int) -> None:
        """Note that a service counted between two times, as a point of each of its series shows."""
        last = self._last.get(service)
        if until_ns < since_ns or (last is not None and last[0] <= since_ns and until_ns <= last[1]):
            return
        at = (service, until_ns + _JOINED_NS, since_ns - _JOINED_NS)
        rows = self._connection.execute(f"SELECT since_ns, until_ns FROM counted_time WHERE {_OVERLAPPING}", at)  # noqa: S608
        found = [*rows.fetchall(), (since_ns, until_ns)]
        whole = min(since for since, _ in found), max(until for _, until in found)
        self._connection.execute(f"DELETE FROM counted_time WHERE {_OVERLAPPING}", at)  # noqa: S608
        self._connection.execute("INSERT INTO counted_time VALUES (?, ?, ?)", (service, *whole))
        self._last[service] = whole


def counted_intervals(
    connection: sqlite3.Connection, window: Interval, service: str | None = None
) -> list[Interval] | None:
    """Return the parts of a window in which a service counted, or any; None in a store of a version that did not note it."""
    if int(connection.execute("PRAGMA user_version").fetchone()[0]) < EXTREMES_SINCE:
        return None
    query = "SELECT since_ns, until_ns FROM counted_time WHERE until_ns > ? AND since_ns < ? AND (? OR service = ?)"
    rows = connection.execute(query, (*window, service is None, service)).fetchall()
    return united((max(since, window[0]), min(until, window[1])) for since, until in rows)


def united(intervals: Iterable[Interval]) -> list[Interval]:
    """Return intervals without overlaps, in order."""
    found: list[Interval] = []
    for since, until in sorted(intervals):
        if found and since <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], until)
        else:
            found.append((since, until))
    return found


def seconds_of(intervals: Sequence[Interval], since_ns: int, until_ns: int) -> float:
    """Return how many seconds of a time lie in intervals that do not overlap."""
    return sum(max(0, min(until, until_ns) - max(since, since_ns)) for since, until in intervals) / NS_PER_S
