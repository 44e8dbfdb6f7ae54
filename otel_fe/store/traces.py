"""Queries of kept traces: one by its id, many by their properties."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from otel_fe.store.bodies import Bodies
from otel_fe.store.kept import FoundExtraction, KeptExtraction, KeptTrace
from otel_fe.store.policy_rows import record_of
from otel_fe.store.rollup_query import by_latency
from otel_fe.store.slots import SPLIT_COLUMNS, split_by_cause

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection

_COLUMNS: Final = (
    "e.span_id, e.start_ns, e.duration_ns, e.service, e.feature_set, e.error, e.error_type, e.library, e.cache_hit, e.lookups, "
    f"e.hits, e.cpu_ns, e.memory_growth_bytes, e.cause, {SPLIT_COLUMNS}"
)
ORDERS: Final = {
    # Rows are in the order of their slots, so that the first of these are found without looking at the others.
    "newest": "slot DESC, start_ns DESC",
    "oldest": "slot, start_ns",
    "slowest": "duration_ns DESC",
    "fastest": "duration_ns",
}
"""The orders in which extractions can be listed."""
_BY_LATENCY: Final = ("slowest", "fastest")
_LOOKED_UP: Final = 6_000
"""The most slots that are looked up one by one: six weeks, in some milliseconds."""


class Traces:
    """Reads kept traces."""

    def __init__(self, reading: ReadConnections) -> None:
        self._reading = reading

    def by_id(self, trace_id: int) -> KeptTrace | None:
        """Return a trace with all of its parts; None where it is not, or no longer, stored."""
        with self._reading.transaction() as connection:
            columns = "key, start_ns, end_ns, root, service, error, policy, weight, spans, body, logs"
            rows = connection.execute(
                f"SELECT {columns} FROM trace WHERE trace_id = ? ORDER BY key",  # noqa: S608
                (trace_id.to_bytes(16, "big"),),
            ).fetchall()
            if not any(row[1] is not None for row in rows):
                return None
            extractions = _extractions(connection, [row[0] for row in rows])
            found, decision = _trace(trace_id, rows, extractions, _names(connection), Bodies(connection))
            found.record = record_of(decision, connection, (found.policy, found.weight)) if decision else None
            return found

    def find(
        self, selection: Selection, *, order: str = "newest", limit: int = 100, offset: int = 0
    ) -> list[FoundExtraction]:
        """Return extractions, without their spans.

        Args:
            selection: Which.
            order: One of `ORDERS`.
            limit: The most to return.
            offset: How many to leave out before.
        """
        with self._reading.transaction() as connection:
            return find_in(connection, selection, order, limit, offset)


def find_in(
    connection: sqlite3.Connection, selection: Selection, order: str, limit: int, offset: int = 0
) -> list[FoundExtraction]:
    """Return extractions as `Traces.find` does, in a transaction of the caller's."""
    where, values = _where(connection, selection, order, limit + offset)
    query = f"""SELECT trace_id, e.policy, e.weight, {_COLUMNS}
        FROM (SELECT * FROM extraction WHERE {where} ORDER BY {ORDERS[order]} LIMIT ? OFFSET ?) e
        JOIN trace t ON t.key = e.trace ORDER BY {", ".join("e." + term for term in ORDERS[order].split(", "))}"""  # noqa: S608
    return _found(connection, connection.execute(query, (*values, limit, offset)))


def found_at(connection: sqlite3.Connection, keys: Iterable[tuple[int, int, int, int]]) -> list[FoundExtraction]:
    """Return extractions by their keys, in the order of those: slot, bucket of latency, key of the trace, ordinal."""
    query = f"""SELECT trace_id, e.policy, e.weight, {_COLUMNS} FROM extraction e JOIN trace t ON t.key = e.trace
        WHERE slot = ? AND latency = ? AND trace = ? AND ordinal = ?"""  # noqa: S608
    return _found(connection, (row for key in keys for row in connection.execute(query, key)))


def _found(connection: sqlite3.Connection, rows: Iterable[Any]) -> list[FoundExtraction]:
    names = _names(connection)
    return [
        FoundExtraction(int.from_bytes(row[0], "big"), names.get(row[1], ""), row[2], _extraction(row[3:], names))
        for row in rows
    ]


def _where(
    connection: sqlite3.Connection, selection: Selection, order: str, wanted: int
) -> tuple[str, tuple[int, ...]]:
    """Return the condition on a selection's rows: by latency, only as far as there are as many as are wanted."""
    slots = selection.slots
    if order not in _BY_LATENCY or len(slots) > _LOOKED_UP:
        return selection.where(connection)
    seen = 0
    for latency, count in by_latency(connection, selection, slowest_first=order == "slowest"):
        seen += count
        if seen >= wanted:
            where, values = selection.where(connection, slots)
            return f"{where} AND latency {'>=' if order == 'slowest' else '<='} ?", (*values, latency)
    return selection.where(connection)


def _names(connection: sqlite3.Connection) -> dict[int, str]:
    return dict(connection.execute("SELECT id, text FROM name").fetchall())


def _extractions(connection: sqlite3.Connection, keys: list[int]) -> list[Any]:
    return connection.execute(
        f"SELECT policy, weight, {_COLUMNS} FROM extraction e WHERE trace IN ({', '.join(map(str, keys))}) "  # noqa: S608
        "ORDER BY trace, ordinal"
    ).fetchall()


def _extraction(row: Any, names: dict[int, str]) -> KeptExtraction:
    span_id, start, duration, service, feature_set, error, error_type, library, hit, *rest = row
    lookups, hits, cpu, growth, cause, *split = rest
    return KeptExtraction(
        int.from_bytes(span_id, "big"),
        start,
        duration,
        names.get(service, ""),
        None if feature_set is None else names.get(feature_set, ""),
        bool(error),
        names.get(error_type, ""),
        names.get(library, ""),
        None if hit is None else bool(hit),
        lookups,
        hits,
        cpu,
        growth,
        names.get(cause, ""),
        split_by_cause(split),
    )


def _trace(
    trace_id: int, rows: list[Any], extractions: list[Any], names: dict[int, str], bodies: Bodies
) -> tuple[KeptTrace, bytes]:
    """Return one trace of all of its parts, and its decision; requests of protobuf are joined by writing one after the other.

    The part with the least weight decides: where it is stored, the trace is.
    """
    parts = [row for row in rows if row[1] is not None]
    first = next((row for row in parts if row[3]), parts[0])
    read = [bodies.of(row[0], row[9]) for row in rows]
    decision = next((decision for decision, _ in read if decision), b"")
    policy, weight = min(((row[6], row[7]) for row in parts), key=lambda kept: math.inf if kept[1] is None else kept[1])
    each = [(row[0], row[1]) for row in extractions]
    found = KeptTrace(
        trace_id,
        min((row[1] for row in parts if row[1]), default=0),
        max(row[2] for row in parts),
        first[3],
        names.get(first[4], ""),
        any(row[5] for row in parts),
        names.get(policy, ""),
        weight,
        sum(row[8] for row in rows),
        b"".join(spans for _, spans in read),
        tuple(_extraction(row[2:], names) for row in extractions),
        b"".join(bodies.logs(row[10]) for row in rows),
        kept_by=tuple((names.get(by, ""), part) for by, part in each) if set(each) - {(policy, weight)} else (),
    )
    return found, decision
