"""Counts the attribute values of a selection's extractions, to find what distinguishes the slow ones.

Attributes are not stored a second time: they are read from the spans, of a sample that answers within a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.store.bodies import Bodies
from otel_fe.store.slots import SPREAD
from otel_fe.store.stored_span import find_span
from otel_fe.store.trace_totals import totals_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection

_LONGEST: Final = 128
"""Longer values are texts rather than categories."""
_FEWEST_SLOTS: Final = 60
_MORE: Final = 4
"""The ratio of extractions in the chosen slots to those that are read."""
_MOST_VALUES: Final = 1_000
"""An attribute with more values than this distinguishes nothing: it is an id."""
_MEASURED: Final = frozenset(attribute.name for attribute in semconv.ATTRIBUTES if attribute.unit == "By")
_LEFT_OUT: Final = frozenset({semconv.SAMPLING_POLICY})
"""The reason for keeping a trace: slow ones were kept for being slow."""

Value = str | bool | int
_Row = tuple[bytes, float, int, bytes | None]
"""Id of a span, weight, key of the trace, and what its row has of its body."""


@dataclass(frozen=True, slots=True)
class AttributeCounts:
    """The attribute values of a sample of a selection."""

    sampled: int
    """The number of extractions read."""
    weight: float
    """Weight of the extractions."""
    values: dict[str, dict[Value, float]]
    """Keyed by attribute and value: the weight of the extractions that have it, the most first. Of the span and of its resource."""


def attribute_counts(reading: ReadConnections, selection: Selection, *, limit: int = 1_000) -> AttributeCounts:
    """Return what the attributes of a selection's extractions hold, by weight.

    Texts, booleans and whole numbers count; measurements do not. Of a selection with more than `limit` extractions about so
    many are read, spread evenly over it, as a sample.
    """
    with reading.transaction() as connection:
        return attribute_counts_in(connection, selection, totals_in(connection, selection).extractions, limit)


def attribute_counts_in(
    connection: sqlite3.Connection, selection: Selection, total: int, limit: int
) -> AttributeCounts:
    """Return the same in a transaction of the caller's, who knows how many extractions there are in all."""
    rows = _sample(connection, selection, total, max(1, limit))
    return _read_bodies(connection, rows)


def attribute_counts_of(
    connection: sqlite3.Connection, rows: Sequence[tuple[bytes, float, int]], limit: int
) -> AttributeCounts:
    """Return the same of extractions that were read already: id of the span, weight, key of the trace."""
    chosen = rows[:: max(1, -(-len(rows) // max(1, limit)))]
    query = "SELECT body FROM trace WHERE key = ?"
    return _read_bodies(
        connection,
        [(span_id, weight, key, connection.execute(query, (key,)).fetchone()[0]) for span_id, weight, key in chosen],
    )


def _read_bodies(connection: sqlite3.Connection, rows: Sequence[_Row]) -> AttributeCounts:
    bodies = Bodies(connection)
    # In the order of their keys, since those that follow each other are unpacked together.
    ordered = sorted(rows, key=lambda row: row[2])
    return _added_up(
        [(weight, _attributes(bodies.of(key, body)[1], span_id)) for span_id, weight, key, body in ordered]
    )


def _added_up(samples: Sequence[tuple[float, dict[str, Value]]]) -> AttributeCounts:
    values: dict[str, dict[Value, float]] = {}
    for weight, attributes in samples:
        for key, value in attributes.items():
            counts = values.setdefault(key, {})
            counts[value] = counts.get(value, 0.0) + weight
    telling = {key: counts for key, counts in sorted(values.items()) if len(counts) <= _MOST_VALUES}
    ordered = {key: dict(sorted(counts.items(), key=lambda item: -item[1])) for key, counts in telling.items()}
    return AttributeCounts(len(samples), sum(weight for weight, _ in samples), ordered)


def _sample(connection: sqlite3.Connection, selection: Selection, total: int, limit: int) -> list[_Row]:
    """Return about as many of a selection's extractions as the limit, each as likely as any other.

    Not all of a large one is read to choose a few hundred: first some slots, then some extractions in those.
    """
    slots = selection.slots
    apart = max(1, min(total // limit // _MORE, len(slots) // _FEWEST_SLOTS))
    if apart > 1:
        chosen = [slot for slot in slots if slot * SPREAD // 65536 % apart == 0]
        rows = _read(connection, *selection.where(connection, chosen), -(-total // (limit * apart)), limit)
        # Unless what is in them is nothing like what is in the others.
        if limit // 2 < len(rows) < 2 * limit:
            return rows
    return _read(connection, *selection.where(connection), -(-total // limit), limit)


def _read(connection: sqlite3.Connection, where: str, values: tuple[int, ...], step: int, limit: int) -> list[_Row]:
    # By a hash of the trace's key, so that no rhythm of the traffic can coincide with that of the sample.
    query = f"""SELECT e.span_id, coalesce(e.weight, 1), t.key, t.body FROM
        (SELECT trace, span_id, weight FROM extraction WHERE {where} AND trace * {SPREAD} / 65536 % ? = 0 LIMIT ?) e
        JOIN trace t ON t.key = e.trace"""  # noqa: S608
    return connection.execute(query, (*values, max(1, step), 2 * limit)).fetchall()


def _attributes(body: bytes, span_id: bytes) -> dict[str, Value]:
    """Return the attributes of one span of an encoded trace that are categories, with its resource's."""
    found = find_span(body, span_id)
    if found is None:
        return {}
    resource, span = found
    return _categories((*resource.attributes, *span.attributes))


def _categories(pairs: tuple[Any, ...]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in pairs:
        if pair.key in _LEFT_OUT:
            continue
        value = pair.value
        kind = value.WhichOneof("value")
        if kind == "string_value" and len(value.string_value) <= _LONGEST:
            found[pair.key] = value.string_value
        elif kind == "bool_value":
            found[pair.key] = value.bool_value
        elif kind == "int_value" and pair.key not in _MEASURED:
            found[pair.key] = value.int_value
    return found
