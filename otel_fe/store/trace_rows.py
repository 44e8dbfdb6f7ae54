"""Writes kept traces into their tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from otel_fe import compiled
from otel_fe.store.bodies import chunks_of, run_of
from otel_fe.store.kept import EncodedTrace
from otel_fe.store.latency import EDGES_NS, bucket_of
from otel_fe.store.slots import SLOT_NS, SPLIT_CAUSES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from otel_fe.compiled.trace_protocols import BuildRows
    from otel_fe.store.bodies import Written
    from otel_fe.store.kept import KeptExtraction, KeptTrace
    from otel_fe.store.packing import Packing
    from otel_fe.store.rollup_writer import RollupWriter
    from otel_fe.store.string_table import StringTable

_INT64_MAX: Final = (1 << 63) - 1
_TRACE: Final = f"INSERT INTO trace VALUES (?{', ?' * 12})"  # noqa: S608
_USUAL: Final = SPLIT_CAUSES[:6]
"""The causes that an extraction may have time in that has not measured it: columns of the others are NULL where there is none."""
_NO_SPLIT: Final[list[Any]] = [None] * len(_USUAL)
_WHOLE: Final = """SELECT e.slot, e.latency, e.trace, e.ordinal FROM trace t JOIN extraction e ON e.trace = t.key
    WHERE t.trace_id = ? AND e.feature_set IS NULL"""
_CHUNK: Final = "INSERT INTO chunk VALUES (?, ?, ?)"
_COLUMNS: Final = (
    "slot, latency, trace, ordinal, weight, start_ns, duration_ns, service, feature_set, error, cache_hit, cause, policy, span_id, "
    "library, error_type, lookups, hits, cpu_ns, memory_growth_bytes"
)


def _insert(causes: Sequence[str]) -> str:
    names = f"{_COLUMNS}, {', '.join(f'in_{cause}' for cause in causes)}"
    return f"INSERT INTO extraction ({names}) VALUES ({', '.join('?' * (names.count(',') + 1))})"  # noqa: S608


_EXTRACTION: Final = _insert(SPLIT_CAUSES)
_USUAL_EXTRACTION: Final = _insert(_USUAL)
_USUAL_WIDTH: Final = _COLUMNS.count(",") + 1 + len(_USUAL)


class TraceRows:
    """Writes kept traces. Belongs to the thread that writes, and to one connection."""

    def __init__(
        self, connection: sqlite3.Connection, names: StringTable, packing: Packing, cells: RollupWriter
    ) -> None:
        self._connection = connection
        self._names = names
        self._packing = packing
        self._cells = cells

    def add(self, traces: Sequence[KeptTrace], now_s: int) -> None:
        """Write traces, or parts of some."""
        execute = self._connection.execute
        for trace in traces:
            if trace.late and trace.extractions:
                self._remove_whole(trace.trace_id)
        first = int(execute("SELECT coalesce(max(key), 0) FROM trace").fetchone()[0]) + 1
        rows = [self._trace(key, trace, now_s) for key, trace in enumerate(traces, first)]
        bodies = [_body(trace) for trace in traces]
        extractions = [row for key, trace in enumerate(traces, first) for row in self._extractions(key, trace)]
        self._connection.executemany(_TRACE, rows)
        self._connection.executemany(_CHUNK, chunks_of(first, bodies, self._packing))
        usual = [row for row in extractions if len(row) == _USUAL_WIDTH]
        self._connection.executemany(_USUAL_EXTRACTION, usual)
        if len(usual) < len(extractions):
            others = [row for row in extractions if len(row) != _USUAL_WIDTH]
            self._connection.executemany(_EXTRACTION, others)
        self._cells.uncount({row[0] for row in extractions})

    def _remove_whole(self, trace_id: int) -> None:
        """Remove the row for the whole of a trace that has an extraction after all: it came late."""
        found = self._connection.execute(_WHOLE, (_id(trace_id),)).fetchall()
        self._cells.uncount({row[0] for row in found})
        delete = "DELETE FROM extraction WHERE slot = ? AND latency = ? AND trace = ? AND ordinal = ?"
        self._connection.executemany(delete, found)

    def _trace(self, key: int, trace: KeptTrace, now_s: int) -> tuple[Any, ...]:
        logs = self._packing.pack(trace.logs)
        return _rows.trace(trace, key, now_s, self._names.known, self._names.number, logs)

    def _extractions(self, key: int, trace: KeptTrace) -> list[tuple[Any, ...]]:
        known, number = self._names.known, self._names.number
        if not trace.kept_by:
            of_trace, weight_of_trace = number(trace.policy), trace.weight
            return [
                _rows.extraction(one, (key, ordinal), weight_of_trace, of_trace, known, number)
                for ordinal, one in enumerate(trace.extractions)
            ]
        return [
            _rows.extraction(one, (key, ordinal), weight, number(policy), known, number)
            for ordinal, (one, (policy, weight)) in enumerate(zip(trace.extractions, trace.kept_by, strict=True))
        ]

    def add_logs(self, trace_id: int, logs: bytes, now_s: int) -> None:
        """Write logs of a trace that is, or will be, there."""
        row = (None, _id(trace_id), now_s, *(None,) * 7, 0, None, self._packing.pack(logs))
        self._connection.execute(_TRACE, row)


class _PlainRows:
    def trace(
        self,
        trace: KeptTrace,
        key: int,
        now_s: int,
        known: dict[str, int],  # noqa: ARG002 as in C
        number: Callable[[str], int],
        logs: bytes | None,
    ) -> tuple[Any, ...]:
        """Return the row of a trace."""
        return (
            key,
            _id(trace.trace_id),
            now_s,
            _fits(trace.start_ns),
            _fits(trace.end_ns),
            trace.root.encode("utf-8", "replace").decode(),
            number(trace.service),
            trace.error,
            number(trace.policy),
            trace.weight,
            trace.span_count,
            None,
            logs,
        )

    def extraction(
        self,
        extraction: KeptExtraction,
        place: tuple[int, int],
        weight: float | None,
        policy: int,
        known: dict[str, int],  # noqa: ARG002 as in C
        number: Callable[[str], int],
    ) -> tuple[Any, ...]:
        """Return the row of an extraction."""
        start_ns, duration_ns = _fits(extraction.start_ns), _fits(extraction.duration_ns)
        return (
            start_ns // SLOT_NS,
            bucket_of(duration_ns),
            *place,
            weight,
            start_ns,
            duration_ns,
            number(extraction.service),
            None if extraction.feature_set is None else number(extraction.feature_set),
            extraction.error,
            extraction.cache_hit,
            number(extraction.cause) if extraction.cause else None,
            policy,
            extraction.span_id.to_bytes(8, "big"),
            number(extraction.library) if extraction.library else None,
            number(extraction.error_type) if extraction.error_type else None,
            _fits(extraction.lookups),
            _fits(extraction.hits),
            _fits(extraction.cpu_ns),
            _fits(extraction.memory_growth_bytes),
            *_split(extraction.split, duration_ns),
        )


_rows: Final[BuildRows] = (
    _PlainRows()
    if compiled.backend is None
    else compiled.backend.RowBuilder(EDGES_NS, SLOT_NS, SPLIT_CAUSES, len(_USUAL))
)


def _split(split: Mapping[str, int], duration_ns: int) -> Iterable[int | None]:
    """Return the values of the columns of all causes, or of the usual ones where the others have no time."""
    if not split:
        return _NO_SPLIT
    usual = [split.get(cause, 0) for cause in _USUAL]
    if sum(usual) == duration_ns:  # the parts add up to it
        return usual
    every = [split.get(cause, 0) for cause in SPLIT_CAUSES]
    # Of a duration that fits, each part does.
    return every if duration_ns < _INT64_MAX else map(_fits, every)


def _body(trace: KeptTrace) -> Written:
    if isinstance(trace, EncodedTrace):
        return trace.decision or _json(trace.record), trace.runs
    return _json(trace.record), (run_of(trace.spans),)


def _json(record: Mapping[str, Any] | None) -> bytes:
    return b"" if record is None else json.dumps(record, separators=(",", ":"), default=str).encode()


def _id(trace_id: int) -> bytes:
    return trace_id.to_bytes(16, "big")


def _fits(value: int) -> int:
    """Return a number as SQLite can hold it; times on the wire may be larger, and are then nonsense anyway."""
    return value if -_INT64_MAX <= value <= _INT64_MAX else _INT64_MAX
