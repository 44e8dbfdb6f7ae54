"""The spans and the decision records of kept traces on disk: those of one commit together, a few dozen kilobytes at a time.

Compressing each trace separately would cost more than the rest of storing it, and take twice the space.

A chunk is the bodies of traces whose keys follow each other; the first of these keys is the chunk's own.

    chunk: numbers (unsigned, 32 bits, little-endian), frames, bodies
    numbers: of bodies, with the highest bit set; of frames; the length of each frame;
        for each body the length of its record, and of its runs how many there are;
            for each run which frames are its resource's and its scope's, and the length of its spans
    body: its record (JSON, or packed: `pipeline/packed_decisions.py`), and the spans of its runs, each with tag and length

Nearly every trace of a commit has the same resources and scopes, which are frames: a `ResourceSpans` without its scopes, and a
`ScopeSpans` without its spans. The first frame is empty; a run of which both are the first is an `ExportTraceServiceRequest`.

In files before version 7 a chunk is the number of bodies, for each the length of its record and of its spans, and then for each
its record, and its spans as an `ExportTraceServiceRequest`.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from otel_fe import compiled
from otel_fe.store.packing import Packing
from otel_fe.store.schema import version_of
from otel_fe.wire.fields import delimited

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from otel_fe.compiled.trace_protocols import JoinBodies
    from otel_fe.store.kept import Run

    Body = tuple[bytes, bytes]
    """A decision, as `DecisionRecords.stored` has it, and spans; empty where there is none."""
    Written = tuple[bytes, Sequence[Run]]
    """A decision, as `DecisionRecords.stored` has it, and the runs of spans; empty where there is none."""
    Parts = tuple[bytes, list[tuple[bytes, bytes, bytes]]]

CHUNKS_SINCE: Final = 5
"""The version from which files have chunks; before, each trace had its body in its own row."""
_CHUNK_BYTES: Final = 32_768
"""Bytes of bodies before compression. Reading one body unpacks them all: a tenth of a millisecond."""
_KEPT: Final = 8
_NUMBER_BYTES: Final = 4
_WITH_FRAMES: Final = 1 << 31
_RESOURCE_SPANS: Final = 1
_SCOPE_SPANS: Final = 2


def run_of(spans: bytes) -> Run:
    """Return an `ExportTraceServiceRequest` as a run."""
    return b"", b"", spans


def chunks_of(key: int, bodies: list[Written], packing: Packing) -> Iterator[tuple[int, int, bytes]]:
    """Yield the rows of chunks: key of the first trace, key of the last, packed bodies.

    Args:
        key: Of the first trace; those of the others follow.
        bodies: Of all traces, in the order of their keys.
        packing: Of the file.
    """
    first = size = 0
    for number, (record, runs) in enumerate(bodies):
        size += len(record) + sum([len(run[2]) for run in runs])
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
        self._unpacked: OrderedDict[int, list[Parts]] = OrderedDict()

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
        record, runs = self._chunk(first)[key - first]
        return record, request_of(runs)

    def logs(self, packed: bytes | None) -> bytes:
        """Return logs as they were.

        Raises:
            zlib.error: They are damaged.
        """
        return self._packing.unpack(packed)

    def _chunk(self, key: int) -> list[Parts]:
        found = self._unpacked.get(key)
        if found is None:
            (packed,) = self._connection.execute("SELECT bodies FROM chunk WHERE key = ?", (key,)).fetchone()
            found = self._unpacked[key] = _parted(self._packing.unpack(packed))
            if len(self._unpacked) > _KEPT:
                self._unpacked.popitem(last=False)
        return found


def request_of(runs: Sequence[Run]) -> bytes:
    """Return runs as one `ExportTraceServiceRequest`: each resource once, and in it each scope."""
    if len(runs) == 1 and not runs[0][0]:
        return runs[0][2]
    resources: dict[bytes, dict[bytes, list[bytes]]] = {}
    for resource, scope, spans in runs:
        resources.setdefault(resource, {}).setdefault(scope, []).append(spans)
    written = []
    for resource, scopes in resources.items():
        parts = [delimited(_SCOPE_SPANS, b"".join((scope, *members))) for scope, members in scopes.items()]
        written.append(delimited(_RESOURCE_SPANS, b"".join((resource, *parts))))
    return b"".join(written)


def _plain_joined(bodies: list[Written]) -> bytes:
    frames = {b"": 0}
    numbers: list[int] = []
    parts: list[bytes] = []
    for record, runs in bodies:
        numbers += (len(record), len(runs))
        parts.append(record)
        for resource, scope, spans in runs:
            numbers += (
                frames.setdefault(resource, len(frames)),
                frames.setdefault(scope, len(frames)),
                len(spans),
            )
            parts.append(spans)
    head = (_WITH_FRAMES | len(bodies), len(frames), *map(len, frames), *numbers)
    return b"".join((struct.pack(f"<{len(head)}I", *head), *frames, *parts))


_joined: Final[JoinBodies] = _plain_joined if compiled.backend is None else compiled.backend.joined


def _parted(data: bytes) -> list[Parts]:
    (count,) = _numbers(data, 0, 1)
    if count < _WITH_FRAMES:
        return _parted_plain(data, count)
    (number,) = _numbers(data, 1, 1)
    sizes = _numbers(data, 2, number)
    place = 2 + number
    described = []
    for _ in range(count & ~_WITH_FRAMES):
        record_size, number = _numbers(data, place, 2)
        described.append((record_size, _numbers(data, place + 2, 3 * number)))
        place += 2 + 3 * number
    cut = _Cut(data, place * _NUMBER_BYTES)
    frames = [cut.next(size) for size in sizes]
    found: list[Parts] = []
    for record_size, of_runs in described:
        record, each = cut.next(record_size), iter(of_runs)
        runs = [(frames[one], frames[other], cut.next(size)) for one, other, size in zip(each, each, each, strict=True)]
        found.append((record, runs))
    return found


def _parted_plain(data: bytes, count: int) -> list[Parts]:
    sizes = iter(_numbers(data, 1, 2 * count))
    cut = _Cut(data, _NUMBER_BYTES * (1 + 2 * count))
    return [(cut.next(record), [run_of(cut.next(spans))]) for record, spans in zip(sizes, sizes, strict=True)]


def _numbers(data: bytes, place: int, count: int) -> tuple[int, ...]:
    return struct.unpack_from(f"<{count}I", data, place * _NUMBER_BYTES)


class _Cut:
    """Cuts bytes into parts that follow each other."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def next(self, size: int) -> bytes:
        """Return the next bytes."""
        begin, self._at = self._at, self._at + size
        return self._data[begin : self._at]
