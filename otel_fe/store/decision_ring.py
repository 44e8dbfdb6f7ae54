"""The last decision records, on disk: of traces that were kept and of those that were not.

There is one for every trace, so they must be cheap: those of one commit are compressed together, and found by
scanning the ids rather than by an index, which would cost more than all the rest.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from otel_fe.store.read_connections import ReadConnections

_ID_BYTES: Final = 16
_CHUNK: Final = 512
"""The most that is compressed together: what is unpacked to answer about one of them."""


def is_record(record: Mapping[str, Any]) -> bool:
    """Return whether a record names its trace."""
    trace_id = record.get("trace_id")
    if not isinstance(trace_id, str) or len(trace_id) != 2 * _ID_BYTES:
        return False
    return all(digit in "0123456789abcdefABCDEF" for digit in trace_id)


class DecisionRows:
    """Writes decision records. Belongs to the thread that writes, and to one connection.

    Args:
        connection: To the store.
        limit: How many are kept.
    """

    def __init__(self, connection: sqlite3.Connection, limit: int) -> None:
        self._connection = connection
        self._limit = limit

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write records, the oldest first; the oldest of all make room."""
        waiting = list(records)
        last = int(self._connection.execute("SELECT coalesce(max(key), 0) FROM record").fetchone()[0])
        for start in range(0, len(waiting), _CHUNK):
            chunk = waiting[start : start + _CHUNK]
            last += len(chunk)
            ids = b"".join(bytes.fromhex(record["trace_id"]) for record in chunk)
            body = zlib.compress(json.dumps(chunk, separators=(",", ":"), default=str).encode(), 1)
            self._connection.execute("INSERT INTO record VALUES (?, ?, ?)", (last, ids, body))
        self._connection.execute("DELETE FROM record WHERE key <= ?", (last - self._limit,))


class Decisions:
    """Reads decision records."""

    def __init__(self, reading: ReadConnections) -> None:
        self._reading = reading

    def of(self, trace_id: int) -> dict[str, Any] | None:
        """Return the last decision on a trace, as `DecisionRecord.as_dict` has it; None where it is not, or no longer, known."""
        wanted = trace_id.to_bytes(_ID_BYTES, "big")
        with self._reading.transaction() as connection:
            rows = connection.execute(
                "SELECT trace_ids, body FROM record WHERE instr(trace_ids, ?) ORDER BY key DESC", (wanted,)
            )
            for ids, body in rows:
                # The same bytes may also span two ids, which is no match.
                places = [i for i in range(0, len(ids), _ID_BYTES) if ids[i : i + _ID_BYTES] == wanted]
                if places:
                    found: dict[str, Any] = json.loads(zlib.decompress(body))[places[-1] // _ID_BYTES]
                    return found
        return None

    def last(self, count: int) -> list[dict[str, Any]]:
        """Return the last decisions, the newest first."""
        found: list[dict[str, Any]] = []
        with self._reading.transaction() as connection:
            for (body,) in connection.execute("SELECT body FROM record ORDER BY key DESC"):
                if len(found) >= count:
                    break
                found.extend(reversed(json.loads(zlib.decompress(body))))
        return found[:count]
