"""The stacks of a selection's slow extractions, read out of the spans of kept traces."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.model.id_keys import span_key
from otel_fe.profiles.repeated_calls import n_plus_ones
from otel_fe.profiles.stacks import SlowExtraction, lines_of, stacks_of
from otel_fe.store.bodies import Bodies
from otel_fe.store.decoded_trace import DecodedTrace
from otel_fe.store.kept import KeptExtraction
from otel_fe.store.slots import SPREAD

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from otel_fe.profiles.repeated_calls import CallPattern
    from otel_fe.store.decoded_trace import SpanNode
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
    """Extractions whose stacks were read; some may have none, having come from a process that does not sample."""
    extractions: int
    """The number of slow extractions in the selection."""
    weight: float
    """Weight of the slow extractions."""


def slow_extractions(
    reading: ReadConnections, selection: Selection, *, limit: int, without: Selection | None = None
) -> SlowExtractions:
    """Return the slow extractions of a selection with their stacks; of more than `limit`, about so many spread over it.

    Args:
        reading: The store.
        selection: Which.
        limit: About how many to read.
        without: Those that belong to this one are left out, all of them: a sample would leave some on both sides.
    """
    with reading.transaction() as connection:
        where, values = selection.where(connection)
        if without is not None:
            others, more = without.where(connection)
            # Not `NOT`: what is not known of an extraction (NULL) makes it no member.
            where, values = f"{where} AND ({others}) IS NOT TRUE", (*values, *more)
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
    found = []
    for key, group in groupby(rows, _by_trace):
        of_trace = list(group)
        trace = DecodedTrace(bodies.of(key, of_trace[0][-1])[1])
        found += [_slow(row, names, trace) for row in of_trace]
    return tuple(found)


def _by_trace(row: Any) -> int:
    key: int = row[-2]
    return key


def _slow(row: Any, names: dict[int, str], trace: DecodedTrace) -> SlowExtraction:
    trace_id, span_id, start_ns, duration_ns, service, feature_set, weight, _, _ = row
    extraction = KeptExtraction(
        int.from_bytes(span_id, "big"), start_ns, duration_ns, names.get(service, ""), names.get(feature_set, "")
    )
    return slow_extraction(int.from_bytes(trace_id, "big"), extraction, weight, trace)


def slow_extraction(
    trace_id: int, extraction: KeptExtraction, weight: float | None, trace: DecodedTrace
) -> SlowExtraction:
    """Return a slow extraction with the stacks and the N+1s of its trace's spans."""
    node = trace.by_id.get(span_key(extraction.span_id))
    stacks = {} if node is None else stacks_in(node.span)
    return SlowExtraction(
        trace_id,
        extraction.span_id,
        extraction.start_ns,
        extraction.duration_ns,
        extraction.service,
        extraction.feature_set or "",
        1.0 if weight is None else weight,
        stacks_of(stacks.get(semconv.STACKS_FOLDED, ())),
        lines_of(stacks.get(semconv.STACKS_TOP, ())),
        () if node is None else n_plus_ones(_calls(trace, node), extraction.duration_ns),
    )


def stacks_in(span: Any) -> dict[str, list[str]]:
    """Return the texts of the event with a span's stacks, by attribute; none where it has no such event."""
    events = [one for one in span.events if one.name == semconv.STACKS_EVENT]
    return {
        pair.key: [value.string_value for value in pair.value.array_value.values]
        for event in events[:1]
        for pair in event.attributes
    }


def _calls(trace: DecodedTrace, extraction: SpanNode) -> Iterator[tuple[bytes, CallPattern, int, int]]:
    """Yield the calls below an extraction."""
    for node in trace.below(extraction):
        if node.call is not None:
            yield node.span.parent_span_id, node.call, node.start_ns, node.end_ns
