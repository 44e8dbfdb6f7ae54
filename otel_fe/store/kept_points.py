"""Single kept extractions of a short window, for figures in finer steps than the minutes of exact counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection

MOST: Final = 20_000
"""Rows that are read at most: some tens of milliseconds."""


class KeptPoint(NamedTuple):
    """One kept extraction, as far as estimates need it."""

    start_ns: int
    duration_ns: int
    weight: float
    """Its weight; 1 if unknown."""
    error: bool
    cache_hit: bool | None


def kept_points(reading: ReadConnections, selection: Selection, most: int = MOST) -> list[KeptPoint]:
    """Return all kept extractions of a selection in no order; none where there are more than `most`, which estimate no better.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    with reading.transaction() as connection:
        where, values = selection.where(connection)
        query = f"""SELECT start_ns, duration_ns, coalesce(weight, 1), error, cache_hit FROM extraction WHERE {where}
            LIMIT ?"""  # noqa: S608
        rows = connection.execute(query, (*values, most + 1)).fetchall()
    if len(rows) > most:
        return []
    return [
        KeptPoint(start, duration, weight, bool(error), None if hit is None else bool(hit))
        for start, duration, weight, error, hit in rows
    ]
