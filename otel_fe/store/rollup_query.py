"""Reads cells: the hours of a selection that are rolled up, and those that have to be read row by row.

Like the tiers of series: whole hours from cells, what is left at both ends, and where hours are not added up, from rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from otel_fe.store.latency import EDGES_NS, bucket_of
from otel_fe.store.rollup_writer import SPANS
from otel_fe.store.schema import CELLS_SINCE
from otel_fe.store.slots import BY_GROUP, BY_KIND, SLOT_NS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from otel_fe.store.selection import Selection

_ENDLESS: Final = len(EDGES_NS) + 1
_SPAN_NS: Final = BY_GROUP * SLOT_NS


@dataclass(frozen=True, slots=True)
class RollupQuery:
    """The parts of a selection. Together, conditions and rest hold each of its extractions once."""

    wheres: tuple[tuple[str, tuple[int, ...]], ...]
    """SQL conditions on `cell` with their parameters, one for each run of hours."""
    rest: tuple[Selection, ...]
    """The parts that must be read row by row."""

    @classmethod
    def of(
        cls, connection: sqlite3.Connection, selection: Selection, step_slots: int = 0, *, by_kind: bool = False
    ) -> RollupQuery:
        """Return how a selection is made up; of rows alone where it cuts through cells, or the file is of a version without.

        Args:
            connection: To the store, in a transaction.
            selection: Which extractions.
            step_slots: The resolution in time, in slots.
            by_kind: They are grouped by policy, cause, hit or error.
        """
        slots = BY_KIND if by_kind or _of_kinds(selection) else BY_GROUP
        latencies = _latencies(selection)
        if latencies is None or step_slots % slots or not _has_cells(connection):
            return cls((), (selection,))
        runs = list(_runs(connection, selection, slots))
        condition, values = _condition(connection, selection, latencies)
        wheres = tuple(
            (f"slots = ? AND time >= ? AND time < ? AND {condition}", (slots, first, end, *values))
            for first, end in runs
        )
        width = slots * SLOT_NS
        bounds = [selection.since_ns, *(edge * width for run in runs for edge in run), selection.until_ns]
        gaps = [(since, until) for since, until in list(pairwise(bounds))[::2] if since < until]
        return cls(wheres, tuple(replace(selection, since_ns=since, until_ns=until) for since, until in gaps))


def by_latency(connection: sqlite3.Connection, selection: Selection, *, slowest_first: bool) -> list[tuple[int, int]]:
    """Return buckets of latency, each with how many extractions of a selection it has at least: those that are added up."""
    found: dict[int, int] = {}
    for where, values in RollupQuery.of(connection, selection).wheres:
        query = f"SELECT latency, sum(extractions) FROM cell WHERE {where} GROUP BY latency"  # noqa: S608
        for latency, count in connection.execute(query, values):
            found[latency] = found.get(latency, 0) + count
    return sorted(found.items(), reverse=slowest_first)


def _has_cells(connection: sqlite3.Connection) -> bool:
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) >= CELLS_SINCE


def _of_kinds(selection: Selection) -> bool:
    asked = (selection.policy, selection.cause, selection.cache_hit, selection.error)
    return any(one is not None for one in asked)


def _latencies(selection: Selection) -> tuple[int, int] | None:
    """Return the buckets that a selection's durations fill, the last exclusively; None where they do not fill them."""
    low, high = selection.min_duration_ns, selection.max_duration_ns
    if any(edge is not None and EDGES_NS[max(0, bucket_of(edge) - 1)] != edge for edge in (low, high)):
        return None
    return 0 if low is None else bucket_of(low), _ENDLESS if high is None else bucket_of(high)


def _runs(connection: sqlite3.Connection, selection: Selection, slots: int) -> Iterator[tuple[int, int]]:
    """Yield the hours in a selection that are added up, in units of their width: from where to where without a gap."""
    first, end = max(0, -(-selection.since_ns // _SPAN_NS)), selection.until_ns // _SPAN_NS
    query = "SELECT time FROM counted WHERE time >= ? AND time < ? ORDER BY time"
    times = [row[0] for row in connection.execute(query, (first, end))]
    if slots == BY_KIND:
        known = set(times)
        times = [time // SPANS for time in times if time % SPANS == 0 and known.issuperset(range(time, time + SPANS))]
    begin = before = None
    for time in times:
        if begin is not None and before is not None and time != before + 1:
            yield begin, before + 1
            begin = None
        begin, before = time if begin is None else begin, time
    if begin is not None and before is not None:
        yield begin, before + 1


def _condition(
    connection: sqlite3.Connection, selection: Selection, latencies: tuple[int, int]
) -> tuple[str, tuple[int, ...]]:
    terms, values = ["latency >= ? AND latency < ?"], [*latencies]
    for column, number in selection.equalities(connection):
        terms.append(f"{column} = ?")
        values.append(number)
    if not selection.whole_traces:
        terms.append("feature_set > 0")
    return " AND ".join(terms), tuple(values)
