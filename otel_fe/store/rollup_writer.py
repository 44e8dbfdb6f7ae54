"""Writes cells: extractions of kept traces, rolled up once their hours are over.

Rolling up at each write would make writing a quarter slower; a whole span at once costs a fiftieth of that. The hours
that are not over are few, and read row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.store.slots import BY_GROUP, BY_KIND, SLOT_NS, SPLIT_CAUSES
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

SPANS: Final = BY_KIND // BY_GROUP
_LOOK_S: Final = 10
"""Seconds between searches for completed hours."""
_PAUSE_S: Final = 60
"""Seconds until hours with late or removed extractions are summed again; more for large ones."""
_ROWS_PER_S: Final = 2_500
"""Rows that add a second to that: summing takes at most a hundredth of the time."""
_SUMS: Final = ", ".join(
    f"total(coalesce(weight, 1) * {column})"
    for column in ("duration_ns", *(f"coalesce(in_{cause}, 0)" for cause in SPLIT_CAUSES))
)
_KINDS: Final = {BY_GROUP: "0, 0, 0, 0", BY_KIND: "policy, coalesce(cause, 0), coalesce(cache_hit, -1), error"}
_BLOCKS: Final = f"""WITH RECURSIVE block (time) AS (
    SELECT min(slot) / {BY_KIND} FROM extraction WHERE slot >= 0
    UNION ALL
    SELECT (SELECT min(slot) FROM extraction WHERE slot >= (time + 1) * {BY_KIND}) / {BY_KIND}
    FROM block WHERE time IS NOT NULL)
    SELECT time FROM block WHERE time IS NOT NULL"""  # noqa: S608
"""Twelve hours that have extractions: a look at the first row of each."""


class RollupWriter:
    """Adds up. Belongs to the thread that writes, and to one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: set[int] | None = None
        """The content of table `counted`."""
        self._looked_s: int | None = None
        """When it was last seen that there is nothing to do."""
        self._rests: dict[int, range] = {}
        """Keyed by three hours that were added up: the seconds in which they are not again."""

    def forget(self) -> None:
        """Forget what is known: a transaction was rolled back."""
        self._known = None

    def uncount(self, slots: Iterable[int]) -> None:
        """Say that extractions of these slots are added or removed, in the transaction that does it."""
        for span in self._counted.intersection(slot // BY_GROUP for slot in slots):
            self._connection.execute("DELETE FROM counted WHERE time = ?", (span,))
            self._counted.discard(span)

    def step(self, now_s: int) -> bool:
        """Add up three hours that are over, in the caller's transaction; return whether there were any."""
        # A clock that was put back must not make us wait for it.
        if self._looked_s is not None and 0 <= now_s - self._looked_s < _LOOK_S:
            return False
        spans = self._due(now_s)
        if not spans:
            self._looked_s = now_s
            return False
        self._count(spans[0], now_s)
        return True

    @property
    def _counted(self) -> set[int]:
        if self._known is None:
            self._known = {row[0] for row in self._connection.execute("SELECT time FROM counted")}
        return self._known

    def _due(self, now_s: int) -> list[int]:
        """Return the three hours that are to be added up. Those that have nothing in them are, too: the twelve hours need them."""
        over = now_s * NS_PER_S // (SLOT_NS * BY_GROUP)
        blocks = [row[0] for row in self._connection.execute(_BLOCKS)]
        self._remove(blocks[0] * SPANS if blocks else over)
        wanted = {span for block in blocks for span in range(block * SPANS, (block + 1) * SPANS) if span < over}
        return sorted(span for span in wanted - self._counted if now_s not in self._rests.get(span, ()))

    def _remove(self, first: int) -> None:
        """Remove the cells of hours before the first that has traces."""
        query = "SELECT 1 FROM cell WHERE slots = ? AND time < ? LIMIT 1"
        if min(self._counted, default=first) < first or self._connection.execute(query, (BY_GROUP, first)).fetchone():
            self._connection.execute("DELETE FROM counted WHERE time < ?", (first,))
            for slots in (BY_GROUP, BY_KIND):
                last = first * BY_GROUP // slots
                self._connection.execute("DELETE FROM cell WHERE slots = ? AND time < ?", (slots, last))
            self._known = None
            self._rests = {span: rest for span, rest in self._rests.items() if span >= first}

    def _count(self, span: int, now_s: int) -> None:
        self._add_up(BY_GROUP, span)
        self._connection.execute("INSERT INTO counted VALUES (?)", (span,))
        self._counted.add(span)
        block = span // SPANS
        among = (block * SPANS, (block + 1) * SPANS)
        if self._counted.issuperset(range(*among)):
            self._add_up(BY_KIND, block)
        query = "SELECT total(extractions) FROM cell WHERE slots = ? AND time >= ? AND time < ?"
        rows = round(self._connection.execute(query, (BY_GROUP, *among)).fetchone()[0])
        self._rests[span] = range(now_s, now_s + max(_PAUSE_S, rows // _ROWS_PER_S))

    def _add_up(self, slots: int, time: int) -> None:
        self._connection.execute("DELETE FROM cell WHERE slots = ? AND time = ?", (slots, time))
        self._connection.execute(
            f"""INSERT INTO cell SELECT ?, ?, latency, service, coalesce(feature_set, 0), {_KINDS[slots]},
            count(*), total(coalesce(weight, 1)), {_SUMS} FROM extraction WHERE slot >= ? AND slot < ?
            GROUP BY {", ".join(str(place) for place in range(3, 10))}""",  # noqa: S608
            (slots, time, time * slots, (time + 1) * slots),
        )
