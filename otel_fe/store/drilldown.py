"""One consistent read of a selection: its totals, a page of its extractions, its causes, and its attribute values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.store.attribute_counts import attribute_counts_in, attribute_counts_of
from otel_fe.store.slots import SPLIT_COLUMNS
from otel_fe.store.trace_totals import explained_in, explained_of, totals_in
from otel_fe.store.traces import find_in, found_at

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from otel_fe.pipeline.causes import Explained
    from otel_fe.store.attribute_counts import AttributeCounts
    from otel_fe.store.kept import FoundExtraction
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection
    from otel_fe.store.trace_totals import SelectionTotals

_FEW: Final = 2_000
"""A selection of no more is read once, and all at once: it may take a look at every row to find them."""


@dataclass(frozen=True, slots=True)
class Drilldown:
    """A selection."""

    totals: SelectionTotals
    found: list[FoundExtraction]
    """The extractions found, as many as requested, in the requested order."""
    explained: list[Explained]
    """The newest, as `pipeline.causes.rank` takes them."""
    attributes: AttributeCounts | None
    """Attribute counts of a sample; None where not requested."""


def drilldown(
    reading: ReadConnections,
    selection: Selection,
    *,
    order: str,
    limit: int,
    offset: int,
    explained: int,
    attributes: int,
) -> Drilldown:
    """Return a selection.

    Args:
        reading: The store.
        selection: Which extractions.
        order: Of those that are listed; one of `traces.ORDERS`.
        limit: How many to list.
        offset: How many to leave out before.
        explained: How many to explain.
        attributes: Of how many, about, to read the attributes; 0 leaves them out.
    """
    with reading.transaction() as connection:
        totals = totals_in(connection, selection)
        if not totals.extractions:
            return Drilldown(totals, [], [], None)
        if totals.extractions <= _FEW:
            return _of_few(connection, selection, totals, (order, limit, offset), (explained, attributes))
        return Drilldown(
            totals,
            find_in(connection, selection, order, limit, offset),
            explained_in(connection, selection, explained),
            attribute_counts_in(connection, selection, totals.extractions, attributes) if attributes else None,
        )


def _of_few(
    connection: sqlite3.Connection,
    selection: Selection,
    totals: SelectionTotals,
    page: tuple[str, int, int],
    wanted: tuple[int, int],
) -> Drilldown:
    where, values = selection.where(connection)
    query = f"SELECT {_COLUMNS} FROM extraction WHERE {where} ORDER BY slot DESC, start_ns DESC"  # noqa: S608
    rows = [_Row._make((*row[:9], row[9:])) for row in connection.execute(query, values)]
    order, limit, offset = page
    explained, attributes = wanted
    shown = sorted(rows, key=_KEYS[order])[offset : offset + limit]
    return Drilldown(
        totals,
        found_at(connection, [row[:4] for row in shown]),
        [explained_of(row.duration_ns, row.weight, row.cache_hit, row.split) for row in rows[:explained]],
        attribute_counts_of(connection, [(row.span_id, row.weight, row.trace) for row in rows], attributes)
        if attributes
        else None,
    )


class _Row(NamedTuple):
    """An extraction, as far as a drilldown needs all of them."""

    slot: int
    latency: int
    trace: int
    ordinal: int
    start_ns: int
    duration_ns: int
    weight: float
    cache_hit: int | None
    span_id: bytes
    split: tuple[Any, ...]
    """In ns, by `SPLIT_COLUMNS`; None throughout where it is not known."""


_COLUMNS: Final = (
    "slot, latency, trace, ordinal, start_ns, duration_ns, coalesce(weight, 1), cache_hit, span_id, " + SPLIT_COLUMNS
)
_KEYS: Final[dict[str, Callable[[_Row], int]]] = {
    "newest": lambda row: -row.start_ns,
    "oldest": lambda row: row.start_ns,
    "slowest": lambda row: -row.duration_ns,
    "fastest": lambda row: row.duration_ns,
}
