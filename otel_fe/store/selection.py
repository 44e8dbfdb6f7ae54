"""A selection of extractions, made from the dashboard's filters and the heat map's selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.store.slots import SLOT_NS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """Extractions of kept traces that satisfy all that is given. Ranges hold their beginning and not their end."""

    since_ns: int
    """Unix time of the extraction's start."""
    until_ns: int
    service: str | None = None
    feature_set: str | None = None
    """Empty: those without one."""
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    error: bool | None = None
    cache_hit: bool | None = None
    cause: str | None = None
    policy: str | None = None
    whole_traces: bool = False
    """With traces that have no extraction, each by its whole duration."""

    @property
    def slots(self) -> range:
        """The slots that it lies in."""
        since, until = self._bounds
        return range(since // SLOT_NS, max(0, until - 1) // SLOT_NS + 1)

    @property
    def _bounds(self) -> tuple[int, int]:
        return max(0, min(self.since_ns, _INT64_MAX)), max(0, min(self.until_ns, _INT64_MAX))

    def where(self, connection: sqlite3.Connection, only: Iterable[int] | None = None) -> tuple[str, tuple[int, ...]]:
        """Return this as an SQL condition on `extraction`, and its parameters.

        Args:
            connection: To the store, in a transaction.
            only: These of its slots, each of which is looked up, with the bucket of the latency.
        """
        # The slots are what the rows are ordered by; the exact bounds only matter in the first and the last of them.
        slots, values = self.slots, [*self._bounds]
        ordered = f"slot >= {slots.start} AND slot < {slots.stop}"
        among = ordered if only is None else f"slot IN ({', '.join(map(str, only))})"
        terms = [f"{among} AND start_ns >= ? AND start_ns < ?"]
        for column, number in self.equalities(connection):
            terms.append(f"{column} = ?")
            values.append(number)
        for term, value in (("duration_ns >= ?", self.min_duration_ns), ("duration_ns < ?", self.max_duration_ns)):
            if value is not None:
                terms.append(term)
                values.append(min(value, _INT64_MAX))
        if not self.whole_traces:
            terms.append("feature_set IS NOT NULL")
        return " AND ".join(terms), tuple(values)

    def equalities(self, connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
        """Yield the columns that must equal a number, with that number; both `extraction` and `cell` have them."""
        for column, name in (
            ("service", self.service),
            ("feature_set", self.feature_set),
            ("cause", self.cause),
            ("policy", self.policy),
        ):
            if name is not None:
                yield column, _number_of(connection, name)
        for column, truth in (("error", self.error), ("cache_hit", self.cache_hit)):
            if truth is not None:
                yield column, int(truth)


def _number_of(connection: sqlite3.Connection, name: str) -> int:
    """Return the number of a name; -1, which no row has, for an unknown one."""
    row = connection.execute("SELECT id FROM name WHERE text = ?", (name,)).fetchone()
    return -1 if row is None else int(row[0])
