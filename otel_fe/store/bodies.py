"""The spans and the decision records of kept traces on disk: those of one commit together, a few dozen kilobytes at a time.

Compressing each trace by itself would cost more than everything else about storing it, and take twice the room.

A chunk is the bodies of traces whose keys follow each other; the first of these keys is the chunk's own.

    chunk: number of bodies, for each the length of its record and of its spans (unsigned, 32 bits, little-endian), and then
        for each its record (JSON), and its spans (an `ExportTraceServiceRequest`)
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from otel_fe.store.packing import Packing
from otel_fe.store.schema import version_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    Body = tuple[bytes, bytes]
    """A decision record, as JSON, and spans; empty where there is none."""

CHUNKS_SINCE: Final = 5
"""The version from which files have chunks; before, each trace had its body in its own row."""
_CHUNK_BYTES: Final = 32_768
"""Of bodies, before they are compressed. Reading one of them unpacks all: a tenth of a millisecond."""
_KEPT: Final = 8
_COUNT: Final = struct.Struct("<I")


def chunks_of(key: int, bodies: Sequence[Body], packing: Packing) -> Iterator[tuple[int, int, bytes]]:
    """Yield the rows of chunks: key of the first trace, key of the last, packed bodies.

    Args:
        key: Of the first trace; those of the others follow.
        bodies: Of all traces, in the order of their keys.
        packing: Of the file.
    """
    first = size = 0
    for number, (record, spans) in enumerate(bodies):
        size += len(record) + len(spans)
        if size >= _CHUNK_BYTES or number + 1 == len(bodies):
            packed = packing.pack(_joined(bodies[first : number + 1]), fast=number > first)
            if size and packed:
                yield key + first, key + number, packed
            first, size = number + 1, 0


class Bodies:
    """Reads bodies, in one transaction. Those of the last chunks stay unpacked: traces that are read together lie together."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._packing = Packing.of(connection) or Packing(b"")
        self._chunked = version_of(connection) >= CHUNKS_SINCE
        self._unpacked: OrderedDict[int, list[Body]] = OrderedDict()

    def of(self, key: int, body: bytes | None) -> Body:
        """Return the body of a trace.

        Args:
            key: Of its row.
            body: What its row has of it.

        Raises:
            zlib.error: It is damaged.
        """
        if body is not None or not self._chunked:
            return self._packing.unpack_trace(body)
        query = "SELECT key, last FROM chunk WHERE key <= ? ORDER BY key DESC LIMIT 1"
        row = self._connection.execute(query, (key,)).fetchone()
        if row is None or row[1] < key:
            return b"", b""
        first: int = row[0]
        return self._chunk(first)[key - first]

    def logs(self, packed: bytes | None) -> bytes:
        """Return logs as they were.

        Raises:
            zlib.error: They are damaged.
        """
        return self._packing.unpack(packed)

    def _chunk(self, key: int) -> list[Body]:
        found = self._unpacked.get(key)
        if found is None:
            (packed,) = self._connection.execute("SELECT bodies FROM chunk WHERE key = ?", (key,)).fetchone()
            found = self._unpacked[key] = _parted(self._packing.unpack(packed))
            if len(self._unpacked) > _KEPT:
                self._unpacked.popitem(last=False)
        return found


def _joined(bodies: Sequence[Body]) -> bytes:
    sizes = [len(part) for body in bodies for part in body]
    head = struct.pack(f"<{1 + len(sizes)}I", len(bodies), *sizes)
    return b"".join([head, *(part for body in bodies for part in body)])


def _parted(data: bytes) -> list[Body]:
    (count,) = _COUNT.unpack_from(data)
    sizes = struct.unpack_from(f"<{2 * count}I", data, _COUNT.size)
    parts, at = [], _COUNT.size * (1 + 2 * count)
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    return list(zip(parts[::2], parts[1::2], strict=True))
