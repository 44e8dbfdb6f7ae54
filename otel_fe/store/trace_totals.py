"""Questions about kept traces all together: how many, how slow, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.pipeline.causes import Explained
from otel_fe.store.latency import bounds_of
from otel_fe.store.trace_rows import SLOT_NS, SPLIT_CAUSES

if TYPE_CHECKING:
    from otel_fe.store.reading import Reading
    from otel_fe.store.selection import Selection

_SPLIT: Final = ", ".join(f"in_{cause}" for cause in SPLIT_CAUSES)
_SORTED_SLOTS: Final = 100


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
    """How many are stored."""
    weight: float
    """How many they stand for; those whose weight is not known count as 1."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Kept traces by time and latency."""

    step_ns: int
    """A column's width."""
    cells: list[HeatCell]
    """By time, then latency; those without extractions are left out."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a selection adds up to."""

    extractions: int
    weight: float
    duration_ns: float
    """In all of it, by weight."""
    split_ns: dict[str, float]
    """Likewise, by cause."""


class TraceTotals:
    """Adds up kept traces."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def heat_map(self, selection: Selection, step_ns: int) -> HeatMap:
        """Return how many extractions there are, by time and latency.

        Args:
            selection: Which.
            step_ns: A column's width; they begin at multiples of it. Over more than a thousand minutes it is raised to a multiple
                of ten, for which the rows need not be sorted.
        """
        if selection.until_ns - selection.since_ns > _SORTED_SLOTS * SLOT_NS:
            step_ns = -(-step_ns // SLOT_NS) * SLOT_NS
        with self._reading.transaction() as connection:
            where, values = selection.where(connection)
            if step_ns % SLOT_NS:
                columns, grouped, width = "start_ns / ? AS c, latency, 1 AS n, coalesce(weight, 1) AS w", "", step_ns
            else:
                columns = "slot / ? AS c, latency, count(*) AS n, sum(coalesce(weight, 1)) AS w"
                grouped, width = "GROUP BY slot, latency", step_ns // SLOT_NS
            source = f"SELECT {columns} FROM extraction WHERE {where} {grouped}"  # noqa: S608
            query = f"SELECT c, latency, sum(n), sum(w) FROM ({source}) GROUP BY c, latency"  # noqa: S608
            rows = connection.execute(query, (width, *values)).fetchall()
        cells = [HeatCell(column * step_ns, *bounds_of(latency), n, float(w)) for column, latency, n, w in rows]
        return HeatMap(step_ns, cells)

    def totals(self, selection: Selection) -> Totals:
        """Return what all extractions of a selection add up to."""
        weighted = ", ".join(f"total(w * {column})" for column in ("duration_ns", *_SPLIT.split(", ")))
        with self._reading.transaction() as connection:
            where, values = selection.where(connection)
            row = connection.execute(
                f"""SELECT count(*), total(w), {weighted}
                FROM (SELECT coalesce(weight, 1) AS w, duration_ns, {_SPLIT} FROM extraction WHERE {where})""",  # noqa: S608
                values,
            ).fetchone()
        return Totals(row[0], row[1], row[2], dict(zip(SPLIT_CAUSES, row[3:], strict=True)))

    def explained(self, selection: Selection, *, limit: int = 10_000) -> list[Explained]:
        """Return the newest extractions of a selection as `pipeline.causes.rank` takes them."""
        with self._reading.transaction() as connection:
            where, values = selection.where(connection)
            rows = connection.execute(
                f"""SELECT duration_ns, coalesce(weight, 1), cache_hit, {_SPLIT} FROM extraction WHERE {where}
                ORDER BY slot DESC, start_ns DESC LIMIT ?""",  # noqa: S608
                (*values, limit),
            ).fetchall()
        return [
            Explained(
                duration, dict(zip(SPLIT_CAUSES, split, strict=True)) if split[0] is not None else {}, weight, hit == 0
            )
            for duration, weight, hit, *split in rows
        ]

    def groups(self, since_ns: int = 0) -> list[tuple[str, str]]:
        """Return the services and feature sets that have extractions since a time, in order."""
        with self._reading.transaction() as connection:
            rows = connection.execute(
                """SELECT DISTINCT s.text, f.text FROM
                (SELECT DISTINCT service, feature_set FROM extraction WHERE slot >= ? AND feature_set IS NOT NULL) g
                JOIN name s ON s.id = g.service JOIN name f ON f.id = g.feature_set ORDER BY 1, 2""",
                (since_ns // SLOT_NS,),
            ).fetchall()
        return [(service, feature_set) for service, feature_set in rows]
