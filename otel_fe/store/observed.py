"""Kept extractions with all that a forecast changes, and how much of a selection they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.forecast.prediction import Observed
from otel_fe.store.trace_totals import totals_in

if TYPE_CHECKING:
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection


@dataclass(frozen=True, slots=True)
class ObservedSample:
    """The newest extractions of a selection."""

    group: tuple[Observed, ...]
    """Those whose weight is known."""
    unknown: int
    """The number of extractions left out because their weight is unknown."""
    total: int
    """The number of extractions in the selection."""


def observed(reading: ReadConnections, selection: Selection, *, limit: int) -> ObservedSample:
    """Return the newest extractions of a selection, at most `limit`."""
    with reading.transaction() as connection:
        where, values = selection.where(connection)
        total = totals_in(connection, selection).extractions
        rows = connection.execute(
            f"""SELECT duration_ns, weight, cache_hit, coalesce(in_pool_wait, 0) FROM extraction WHERE {where}
            ORDER BY slot DESC, start_ns DESC LIMIT ?""",  # noqa: S608
            (*values, limit),
        ).fetchall()
    group = tuple(
        Observed(duration, weight, None if hit is None else bool(hit), wait)
        for duration, weight, hit, wait in rows
        if weight is not None and weight > 0
    )
    return ObservedSample(group, len(rows) - len(group), total)
