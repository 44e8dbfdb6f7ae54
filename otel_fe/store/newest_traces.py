"""The newest traces of a selection, and their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection


@dataclass(frozen=True, slots=True)
class NewestTraces:
    """Whole traces: one counts once, however many extractions it has."""

    trace_ids: tuple[int, ...]
    """The newest first."""
    since_ns: int
    """Unix time at which the oldest of them began; 0 without any."""
    until_ns: int
    """Likewise the newest."""
    total: int
    """The number of extractions in the selection."""


def newest(reading: ReadConnections, selection: Selection, *, limit: int) -> NewestTraces:
    """Return the newest traces of a selection, at most `limit`."""
    with reading.transaction() as connection:
        where, values = selection.where(connection)
        total = connection.execute(
            f"""SELECT count(DISTINCT t.trace_id) FROM (SELECT trace FROM extraction WHERE {where}) e
            JOIN trace t ON t.key = e.trace""",  # noqa: S608
            values,
        ).fetchone()[0]
        rows = connection.execute(
            f"""SELECT t.trace_id, e.start_ns FROM (SELECT slot, start_ns, trace FROM extraction WHERE {where}) e
            JOIN trace t ON t.key = e.trace ORDER BY e.slot DESC, e.start_ns DESC""",  # noqa: S608
            values,
        )
        found: dict[bytes, int] = {}
        for trace_id, start_ns in rows:
            if trace_id not in found and len(found) >= limit:
                break
            found.setdefault(trace_id, start_ns)
    times = found.values()
    ids = tuple(int.from_bytes(one, "big") for one in found)
    return NewestTraces(ids, min(times, default=0), max(times, default=0), total)
