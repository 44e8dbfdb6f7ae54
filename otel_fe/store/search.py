"""Searches the spans of the newest kept traces, and traces by the beginning of their id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.store.bodies import Bodies
from otel_fe.store.trace_totals import totals_in
from otel_fe.store.traces import found_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.store.kept import FoundExtraction
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection

_ID_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Extractions whose traces a search accepted."""

    found: list[FoundExtraction]
    """The newest first; one for each trace."""
    read: int
    """Extractions whose traces were looked at, the newest ones."""
    total: int
    """Extractions that there are in the selection."""


def search_traces(
    reading: ReadConnections,
    selection: Selection,
    accept: Callable[[bytes], bool],
    *,
    most_read: int,
    most_found: int,
) -> SearchResult:
    """Return the newest extractions whose traces are accepted.

    Args:
        reading: The store.
        selection: Among which.
        accept: Decides by a trace's spans, an encoded `ExportTraceServiceRequest`.
        most_read: Extractions to look at: their spans are unpacked, which is all that a search costs.
        most_found: Where to end earlier.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    with reading.transaction() as connection:
        where, values = selection.where(connection)
        query = f"""SELECT e.slot, e.latency, e.trace, e.ordinal, t.body FROM
            (SELECT * FROM extraction WHERE {where} ORDER BY slot DESC, start_ns DESC LIMIT ?) e
            JOIN trace t ON t.key = e.trace ORDER BY e.trace DESC"""  # noqa: S608
        rows = connection.execute(query, (*values, most_read)).fetchall()
        # In the order of arrival, in which bodies lie together and are unpacked once; nearly that of time.
        bodies = Bodies(connection)
        seen: set[int] = set()
        keys: list[tuple[int, int, int, int]] = []
        read = 0
        for slot, latency, trace, ordinal, body in rows:
            if len(keys) >= most_found:
                break
            read += 1
            if trace not in seen:
                seen.add(trace)
                if accept(bodies.of(trace, body)[1]):
                    keys.append((slot, latency, trace, ordinal))
        total = totals_in(connection, selection).extractions
        found = sorted(found_at(connection, keys), key=lambda one: -one.extraction.start_ns)
        return SearchResult(found, read, total)


def trace_ids_from(reading: ReadConnections, digits: str, limit: int) -> Sequence[int]:
    """Return the ids of kept traces that begin with some hexadecimal digits, at most `limit`, in order.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    low, high = (bytes.fromhex(digits.ljust(_ID_DIGITS, filler)[:_ID_DIGITS]) for filler in "0f")
    query = "SELECT DISTINCT trace_id FROM trace WHERE trace_id >= ? AND trace_id <= ? ORDER BY trace_id LIMIT ?"
    with reading.transaction() as connection:
        return [int.from_bytes(row[0], "big") for row in connection.execute(query, (low, high, limit))]
