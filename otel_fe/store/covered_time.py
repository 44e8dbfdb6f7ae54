"""The time that the store's latest data covers, so that a page can open on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.store.schema import EXTREMES_SINCE
from otel_fe.store.slots import SLOT_NS

if TYPE_CHECKING:
    import sqlite3

    from otel_fe.store.read_connections import ReadConnections

_INT64_MAX: Final = (1 << 63) - 1


def latest_extent(reading: ReadConnections, span_ns: int) -> tuple[int, int] | None:
    """Return from when to when there is data, in Unix ns: kept extractions and counting; None where there is none.

    Only the last `span_ns` of it is looked at. Each question is answered from an index and the rows of one slot.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    with reading.transaction() as connection:
        ends = [_newest(connection), *_counted(connection, "max(until_ns)", 0)]
        until = max((end for end in ends if end is not None), default=None)
        if until is None:
            return None
        begin = until - span_ns
        starts = [_oldest(connection, begin), *_counted(connection, "min(since_ns)", begin)]
        since = min((start for start in starts if start is not None), default=begin)
    return max(since, begin), until


def _newest(connection: sqlite3.Connection) -> int | None:
    query = "SELECT max(start_ns + duration_ns) FROM extraction WHERE slot = (SELECT max(slot) FROM extraction)"
    return _number(connection, query, ())


def _oldest(connection: sqlite3.Connection, since_ns: int) -> int | None:
    """Return the start of the first extraction since a time, that of another slot than the one it lies in rounded down to it."""
    slot = since_ns // SLOT_NS
    found = _number(connection, "SELECT min(slot) FROM extraction WHERE slot >= ?", (max(0, slot),))
    if found is None:
        return None
    query = "SELECT min(start_ns) FROM extraction WHERE slot = ? AND start_ns >= ?"
    # The rest of the first slot may be older than that; then the next one begins at once or a little later.
    return _number(connection, query, (found, max(0, since_ns))) or (found + 1) * SLOT_NS


def _counted(connection: sqlite3.Connection, what: str, since_ns: int) -> list[int | None]:
    version = _number(connection, "PRAGMA user_version", ()) or 0
    if version < EXTREMES_SINCE:
        return []
    query = f"SELECT {what} FROM counted_time WHERE until_ns > ? AND until_ns < ?"  # noqa: S608 one of two constants
    return [_number(connection, query, (max(0, since_ns), _INT64_MAX))]


def _number(connection: sqlite3.Connection, query: str, values: tuple[int, ...]) -> int | None:
    value = connection.execute(query, values).fetchone()[0]
    return None if value is None else int(value)
