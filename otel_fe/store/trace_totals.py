"""Sums over kept traces: the cells of the heat map, totals, and causes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_fe.pipeline.causes import Explained
from otel_fe.store.latency import bounds_of
from otel_fe.store.rollup_query import RollupQuery
from otel_fe.store.selection import Selection
from otel_fe.store.slots import SLOT_NS, SPLIT_CAUSES, SPLIT_COLUMNS, split_by_cause

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from otel_fe.store.read_connections import ReadConnections

_SORTED_SLOTS: Final = 100
_INT64_MAX: Final = (1 << 63) - 1
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class HeatCell:
    """The extractions of kept traces in one cell of the heat map."""

    time_ns: int
    """Unix time at which its column begins."""
    low_ns: int
    """Inclusive."""
    high_ns: int | None
    """Exclusive; None where it has no end."""
    extractions: int
    """The number of stored ones."""
    weight: float
    """Weight of the extractions; an unknown weight counts as 1."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Kept traces by time and latency."""

    step_ns: int
    """A column's width."""
    cells: list[HeatCell]
    """By time, then latency; those without extractions are left out."""


@dataclass(frozen=True, slots=True)
class SelectionTotals:
    """The sums of a selection."""

    extractions: int
    weight: float
    duration_ns: float
    """Duration of the whole selection, by weight."""
    split_ns: dict[str, float]
    """Its parts by cause, by weight."""


class TraceTotals:
    """Adds up kept traces."""

    def __init__(self, reading: ReadConnections) -> None:
        self._reading = reading

    def heat_map(self, selection: Selection, step_ns: int) -> HeatMap:
        """Return how many extractions there are, by time and latency.

        Args:
            selection: Which.
            step_ns: A column's width; they begin at multiples of it. Over more than a thousand minutes it is raised to a multiple
                of ten, for which the rows need not be sorted. Multiples of three hours are fastest.
        """
        if selection.until_ns - selection.since_ns > _SORTED_SLOTS * SLOT_NS:
            step_ns = -(-step_ns // SLOT_NS) * SLOT_NS
        found: dict[tuple[int, int], tuple[int, float]] = {}
        with self._reading.transaction() as connection:
            cells = RollupQuery.of(connection, selection, step_ns // SLOT_NS if step_ns % SLOT_NS == 0 else 1)
            for where, values in cells.wheres:
                source = f"""SELECT time * slots / ? AS c, latency, sum(extractions) AS n, sum(weight) AS w FROM cell WHERE {where}
                    GROUP BY time, latency"""  # noqa: S608
                _add_cells(found, connection, source, (step_ns // SLOT_NS, *values))
            for part in cells.rest:
                where, values = part.where(connection)
                if step_ns % SLOT_NS:
                    source = f"SELECT start_ns / ? AS c, latency, 1 AS n, coalesce(weight, 1) AS w FROM extraction WHERE {where}"  # noqa: S608
                    _add_cells(found, connection, source, (step_ns, *values))
                else:
                    source = f"""SELECT slot / ? AS c, latency, count(*) AS n, sum(coalesce(weight, 1)) AS w FROM extraction
                        WHERE {where} GROUP BY slot, latency"""  # noqa: S608
                    _add_cells(found, connection, source, (step_ns // SLOT_NS, *values))
        return HeatMap(
            step_ns,
            [
                HeatCell(column * step_ns, *bounds_of(latency), n, w)
                for (column, latency), (n, w) in sorted(found.items())
            ],
        )

    def totals(self, selection: Selection) -> SelectionTotals:
        """Return what all extractions of a selection add up to."""
        with self._reading.transaction() as connection:
            return totals_in(connection, selection)

    def by_policy(self, selection: Selection) -> dict[str, tuple[int, float]]:
        """Return number and weight of the extractions that each policy has kept; policies without any are left out."""
        found: dict[str, tuple[int, float]] = {}
        with self._reading.transaction() as connection:
            cells = RollupQuery.of(connection, selection, by_kind=True)
            for where, values in cells.wheres:
                query = (
                    f"SELECT policy, sum(extractions) AS n, sum(weight) AS w FROM cell WHERE {where} GROUP BY policy"  # noqa: S608
                )
                _add_policies(found, connection, query, values)
            for part in cells.rest:
                where, values = part.where(connection)
                query = f"""SELECT policy, count(*) AS n, sum(coalesce(weight, 1)) AS w FROM extraction WHERE {where}
                    GROUP BY policy"""  # noqa: S608
                _add_policies(found, connection, query, values)
        return found

    def explained(self, selection: Selection, *, limit: int = 10_000) -> list[Explained]:
        """Return the newest extractions of a selection as `pipeline.causes.rank` takes them."""
        with self._reading.transaction() as connection:
            return explained_in(connection, selection, limit)

    def groups(self, since_ns: int = 0) -> list[tuple[str, str]]:
        """Return the services and feature sets that have extractions since a time, exact to ten minutes, in order."""
        found: set[tuple[int, int]] = set()
        with self._reading.transaction() as connection:
            cells = RollupQuery.of(connection, Selection(since_ns // SLOT_NS * SLOT_NS, _INT64_MAX))
            for table, wheres in (
                ("cell", cells.wheres),
                ("extraction", [part.where(connection) for part in cells.rest]),
            ):
                for where, values in wheres:
                    query = f"SELECT DISTINCT service, feature_set FROM {table} WHERE {where}"  # noqa: S608
                    found.update(connection.execute(query, values))
            names = dict(connection.execute("SELECT id, text FROM name"))
        return sorted((names[service], names[feature_set]) for service, feature_set in found)


def totals_in(connection: sqlite3.Connection, selection: Selection) -> SelectionTotals:
    """Return what all extractions of a selection add up to, in a transaction of the caller's."""
    columns = ("duration_ns", *SPLIT_COLUMNS.split(", "))
    cells = RollupQuery.of(connection, selection)
    plain, weighted = (", ".join(f"total({w}{column})" for column in columns) for w in ("", "w * "))
    rows = []
    for where, values in cells.wheres:
        query = f"SELECT coalesce(sum(extractions), 0), total(weight), {plain} FROM cell WHERE {where}"  # noqa: S608
        rows.append(connection.execute(query, values).fetchone())
    for part in cells.rest:
        where, values = part.where(connection)
        source = f"SELECT coalesce(weight, 1) AS w, {', '.join(columns)} FROM extraction WHERE {where}"  # noqa: S608
        rows.append(connection.execute(f"SELECT count(*), total(w), {weighted} FROM ({source})", values).fetchone())  # noqa: S608
    weight, duration, *split = (sum(row[place] for row in rows) for place in range(1, len(columns) + 2))
    return SelectionTotals(sum(row[0] for row in rows), weight, duration, dict(zip(SPLIT_CAUSES, split, strict=True)))


def explained_in(connection: sqlite3.Connection, selection: Selection, limit: int) -> list[Explained]:
    """Return the newest extractions as `TraceTotals.explained` does, in a transaction of the caller's."""
    where, values = selection.where(connection)
    rows = connection.execute(
        f"""SELECT duration_ns, coalesce(weight, 1), cache_hit, {SPLIT_COLUMNS} FROM extraction WHERE {where}
        ORDER BY slot DESC, start_ns DESC LIMIT ?""",  # noqa: S608
        (*values, limit),
    ).fetchall()
    return [explained_of(duration, weight, hit, split) for duration, weight, hit, *split in rows]


def explained_of(duration_ns: int, weight: float, cache_hit: int | None, split: Sequence[Any]) -> Explained:
    """Return an extraction as `pipeline.causes.rank` takes it, from its row."""
    return Explained(duration_ns, split_by_cause(split), weight, cache_hit == 0, cache_hit == 1)


def _add_cells(
    into: dict[tuple[int, int], tuple[int, float]], connection: sqlite3.Connection, source: str, values: tuple[int, ...]
) -> None:
    query = f"SELECT c, latency, sum(n), sum(w) FROM ({source}) GROUP BY c, latency"  # noqa: S608
    for column, latency, n, weight in connection.execute(query, values):
        _add(into, (column, latency), n, weight)


def _add_policies(
    into: dict[str, tuple[int, float]], connection: sqlite3.Connection, query: str, values: tuple[int, ...]
) -> None:
    joined = f"SELECT text, n, w FROM ({query}) JOIN name ON id = policy"  # noqa: S608
    for name, n, weight in connection.execute(joined, values):
        _add(into, name, n, weight)


def _add(into: dict[_Key, tuple[int, float]], key: _Key, extractions: int, weight: float) -> None:
    known = into.get(key, (0, 0.0))
    into[key] = (known[0] + extractions, known[1] + weight)
