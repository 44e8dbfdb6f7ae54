"""Kept extractions as forecasts need them, and their share of a selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.forecast.prediction import Observed
from otel_fe.store.slots import SPREAD
from otel_fe.store.trace_totals import totals_in

if TYPE_CHECKING:
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection


@dataclass(frozen=True, slots=True)
class ObservedSample:
    """The newest extractions of a selection."""

    group: tuple[Observed, ...]
    """Extractions whose weight is known."""
    unknown: int
    """The number of extractions left out because their weight is unknown."""
    total: int
    """The number of extractions in the selection."""


def observed(reading: ReadConnections, selection: Selection, *, limit: int, spread: bool = False) -> ObservedSample:
    """Return the newest extractions of a selection, at most `limit`; with `spread`, about as many of all times in it."""
    with reading.transaction() as connection:
        where, values = selection.where(connection)
        total = totals_in(connection, selection).extractions
        columns = f"""SELECT duration_ns, weight, cache_hit, coalesce(in_pool_wait, 0), start_ns, cpu_ns, feature_set
            FROM extraction WHERE {where}"""  # noqa: S608
        if spread:
            # By a hash of the trace's key, so that no rhythm of the traffic can coincide with that of the sample.
            query = f"{columns} AND trace * {SPREAD} / 65536 % ? = 0 LIMIT ?"
            rows = connection.execute(query, (*values, max(1, -(-total // limit)), 2 * limit)).fetchall()
        else:
            query = f"{columns} ORDER BY slot DESC, start_ns DESC LIMIT ?"
            rows = connection.execute(query, (*values, limit)).fetchall()
        names = dict(connection.execute("SELECT id, text FROM name"))
    group = tuple(
        Observed(duration, weight, None if hit is None else bool(hit), wait, start, cpu, names.get(feature_set, ""))
        for duration, weight, hit, wait, start, cpu, feature_set in rows
        if weight is not None and weight > 0
    )
    return ObservedSample(group, len(rows) - len(group), total)
