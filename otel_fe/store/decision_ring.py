"""The last decision records, on disk: of traces that were kept and of those that were not.

There is one for every trace, so they must be cheap: those of one commit are compressed together, and found by
scanning the ids rather than by an index, which would cost more than all the rest.
"""

from __future__ import annotations

import json
import struct
import zlib
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

from otel_fe.pipeline.packed_decisions import id_of, is_stored
from otel_fe.store.policy_rows import record_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from otel_fe.store.read_connections import ReadConnections

_ID_BYTES: Final = 16
_PARTED: Final = b"\x02"
"""The first byte of a chunk: how many records, the bytes of each (32 bits), the records. Before version 8 it was JSON."""
_NUMBER_BYTES: Final = 4
_JSON_ID: Final = b'{"trace_id":"'
_CHUNK: Final = 512
"""The most that is compressed together: what is unpacked to answer about one of them."""


def is_record(record: Mapping[str, Any] | bytes) -> bool:
    """Return whether a record names its trace."""
    if isinstance(record, bytes):
        return is_stored(record) or record.startswith(_JSON_ID)
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

    def add(self, records: Iterable[Mapping[str, Any] | bytes]) -> None:
        """Write records, the oldest first; the oldest of all make room."""
        waiting = list(records)
        last = int(self._connection.execute("SELECT coalesce(max(key), 0) FROM record").fetchone()[0])
        for start in range(0, len(waiting), _CHUNK):
            chunk = waiting[start : start + _CHUNK]
            last += len(chunk)
            ids = b"".join(map(_id, chunk))
            body = zlib.compress(_joined([_encoded(record) for record in chunk]), 1)
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
                    return record_of(_parted(zlib.decompress(body))[places[-1] // _ID_BYTES], connection)
        return None

    def last(self, count: int) -> list[dict[str, Any]]:
        """Return the last decisions, the newest first."""
        found: list[dict[str, Any]] = []
        with self._reading.transaction() as connection:
            for (body,) in connection.execute("SELECT body FROM record ORDER BY key DESC"):
                if len(found) >= count:
                    break
                newest_first = _parted(zlib.decompress(body))[: -1 - (count - len(found)) : -1]
                found += [record_of(record, connection) for record in newest_first]
        return found


def _id(record: Mapping[str, Any] | bytes) -> bytes:
    if isinstance(record, bytes):
        return id_of(record) if is_stored(record) else bytes.fromhex(record[len(_JSON_ID) :][: 2 * _ID_BYTES].decode())
    return bytes.fromhex(record["trace_id"])


def _encoded(record: Mapping[str, Any] | bytes) -> bytes:
    return record if isinstance(record, bytes) else json.dumps(record, separators=(",", ":"), default=str).encode()


def _joined(records: Sequence[bytes]) -> bytes:
    numbers = (len(records), *map(len, records))
    return b"".join((_PARTED, struct.pack(f"<{len(numbers)}I", *numbers), *records))


def _parted(chunk: bytes) -> list[Any]:
    """Return the records of a chunk, each encoded; or as it is read, in files before version 8."""
    if not chunk.startswith(_PARTED):
        found: list[Any] = json.loads(chunk)
        return found
    (count,) = struct.unpack_from("<I", chunk, len(_PARTED))
    sizes = struct.unpack_from(f"<{count}I", chunk, len(_PARTED) + _NUMBER_BYTES)
    ends = list(accumulate(sizes, initial=len(_PARTED) + _NUMBER_BYTES * (1 + count)))
    return [chunk[begin:end] for begin, end in pairwise(ends)]
