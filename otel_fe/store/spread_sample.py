"""A sample of extractions spread evenly over a selection, for comparing two windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.changes.comparison import Sampled
from otel_fe.store.slots import SPLIT_COLUMNS, SPREAD
from otel_fe.store.trace_totals import explained_of

if TYPE_CHECKING:
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection


def spread(reading: ReadConnections, selection: Selection, *, limit: int) -> list[Sampled]:
    """Return extractions of a selection; of more than `limit`, about so many, each as likely as any other.

    Those with an unknown weight are left out.
    """
    with reading.transaction() as connection:
        where, values = selection.where(connection)
        where = f"{where} AND weight IS NOT NULL"
        (total,) = connection.execute(f"SELECT count(*) FROM extraction WHERE {where}", values).fetchone()  # noqa: S608
        step = max(1, -(-total // max(1, limit)))
        rows = connection.execute(
            f"""SELECT start_ns, duration_ns, weight, cache_hit, {SPLIT_COLUMNS} FROM extraction
            WHERE {where} AND trace * {SPREAD} / 65536 % ? = 0""",  # noqa: S608
            (*values, step),
        ).fetchall()
    return [Sampled(start, explained_of(duration, weight, hit, split)) for start, duration, weight, hit, *split in rows]
