"""The stacks of a selection's slow extractions, read out of the spans of kept traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.profiles.stacks import SlowExtraction, lines_of, stacks_of
from otel_fe.store.bodies import Bodies
from otel_fe.store.slots import SPREAD
from otel_fe.store.stored_span import find_span

if TYPE_CHECKING:
    import sqlite3

    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection


_QUERY: Final = (
    "SELECT t.trace_id, e.span_id, e.start_ns, e.duration_ns, e.service, e.feature_set, coalesce(e.weight, 1), t.key, "
    "t.body"
)


@dataclass(frozen=True, slots=True)
class SlowExtractions:
    """A sample of the slow extractions of a selection."""

    sampled: tuple[SlowExtraction, ...]
    """Those whose stacks were read; some may have none, having come from a process that does not sample."""
    extractions: int
    """How many slow ones there are in the selection."""
    weight: float
    """How many those stand for."""


def slow_extractions(reading: ReadConnections, selection: Selection, *, limit: int) -> SlowExtractions:
    """Return the slow extractions of a selection with their stacks; of more than `limit`, about so many spread over it."""
    with reading.transaction() as connection:
        where, values = selection.where(connection)
        slow = f"{where} AND cause IS NOT NULL"
        counted = f"SELECT count(*), coalesce(sum(coalesce(weight, 1)), 0) FROM extraction WHERE {slow}"  # noqa: S608
        total, weight = connection.execute(counted, values).fetchone()
        step = max(1, -(-total // max(1, limit)))
        query = f"""{_QUERY} FROM (SELECT * FROM extraction WHERE {slow} AND trace * {SPREAD} / 65536 % ? = 0 LIMIT ?) e
            JOIN trace t ON t.key = e.trace"""  # noqa: S608
        sampled = _read(connection, query, (*values, step, 2 * limit))
    return SlowExtractions(sampled, total, weight)


def slow_extractions_of(reading: ReadConnections, trace_id: int) -> tuple[SlowExtraction, ...]:
    """Return the slow extractions of a trace with their stacks."""
    with reading.transaction() as connection:
        query = f"""{_QUERY} FROM trace t JOIN extraction e ON e.trace = t.key
            WHERE t.trace_id = ? AND e.cause IS NOT NULL ORDER BY t.key, e.ordinal"""
        return _read(connection, query, (trace_id.to_bytes(16, "big"),))


def _read(connection: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> tuple[SlowExtraction, ...]:
    names = dict(connection.execute("SELECT id, text FROM name").fetchall())
    bodies = Bodies(connection)
    rows = sorted(connection.execute(query, values), key=_by_trace)  # those that lie together are unpacked once
    return tuple(_slow(row, names, bodies) for row in rows)


def _by_trace(row: Any) -> int:
    key: int = row[-2]
    return key


def _slow(row: Any, names: dict[int, str], bodies: Bodies) -> SlowExtraction:
    trace_id, span_id, start_ns, duration_ns, service, feature_set, weight, key, body = row
    stacks = stacks_in(bodies.of(key, body)[1], span_id)
    return SlowExtraction(
        int.from_bytes(trace_id, "big"),
        int.from_bytes(span_id, "big"),
        start_ns,
        duration_ns,
        names.get(service, ""),
        names.get(feature_set, ""),
        weight,
        stacks_of(stacks.get(semconv.STACKS_FOLDED, ())),
        lines_of(stacks.get(semconv.STACKS_TOP, ())),
    )


def stacks_in(body: bytes, span_id: bytes) -> dict[str, list[str]]:
    """Return the texts of the event with a span's stacks, by attribute; none where it has no such event."""
    found = find_span(body, span_id)
    events = [] if found is None else [one for one in found[1].events if one.name == semconv.STACKS_EVENT]
    return {
        pair.key: [value.string_value for value in pair.value.array_value.values]
        for event in events[:1]
        for pair in event.attributes
    }
