"""Changes of services in the store: found in what is stored anyway, and read again for the charts.

A kept trace carries the resources of its processes, with their versions and instances, and metrics carry the sizes of pools and
caches. Of each resource one trace is looked at of every five seconds, by the traces' own time: they do not come in its order. Which
ones were looked at is known by the bytes of their resources, so that most traces cost some look-ups in a dictionary.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from otel_fe import autopilot_event, semconv
from otel_fe.changes.mark import AUTOPILOT, CACHE_SIZE, POOL_SIZE, VERSION, Mark
from otel_fe.changes.tracker import Fact, ProcessReport, Tracker
from otel_fe.store.bodies import request_of
from otel_fe.store.kept import EncodedTrace
from otel_fe.store.otlp_points import attributes_of
from otel_fe.store.schema import MARKS_SINCE, version_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from otel_fe.store.kept import KeptTrace
    from otel_fe.store.points import MetricPoint
    from otel_fe.store.read_connections import ReadConnections

_AGAIN_NS: Final = 5_000_000_000
"""A process is looked at again after so long: its pools may have another size."""
_LOOKS: Final = 8_192
"""Looks that are remembered."""
_REMEMBERED: Final = 500
"""Marks from before that a change may belong to."""
MOST: Final = 5_000
"""Marks that are kept; of more, the oldest go."""
_SIZES: Final = {
    semconv.CONNECTION_MAX: (POOL_SIZE, semconv.POOL),
    autopilot_event.CACHE_MAX_SIZE: (CACHE_SIZE, autopilot_event.CACHE_NAME),
}
_COLUMNS: Final = "time_ns, service, kind, subject, before, after, until_ns, count, detail"
_FACTS: Final = "service, instance, kind, subject, value, earlier, changed_ns, seen_ns"
_LENGTH_DELIMITED: Final = 0x0A
"""Tag of field 1, of what has a length."""


class MarkRows:
    """Finds changes, and writes them. Belongs to the thread that writes, and to one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Forget all state that is not in the file: the last transaction was rolled back."""
        facts = [Fact(*row) for row in self._connection.execute(f"SELECT {_FACTS} FROM fact")]  # noqa: S608
        query = f"SELECT {_COLUMNS} FROM mark ORDER BY time_ns DESC LIMIT {_REMEMBERED}"  # noqa: S608
        latest = [_mark(row) for row in self._connection.execute(query)]
        self._tracker = Tracker(facts, reversed(latest))
        self._looked_at: dict[tuple[bytes, int], None] = {}
        """Resources, each with the time of a trace of it in units of `_AGAIN_NS`; the oldest looks first."""

    def look_at(self, traces: Sequence[KeptTrace]) -> None:
        """Find what has changed in the processes of some traces."""
        looked_at = self._looked_at
        for trace in traces:
            time = trace.start_ns // _AGAIN_NS
            resources = [run[0] for run in trace.runs] if isinstance(trace, EncodedTrace) else resources_in(trace.spans)
            fresh = [look for resource in resources if (look := (resource, time)) not in looked_at]
            if fresh:
                looked_at.update(dict.fromkeys(fresh))
                while len(looked_at) > _LOOKS:
                    del looked_at[next(iter(looked_at))]
                self._observe(seen_in(request_of(trace.runs) if isinstance(trace, EncodedTrace) else trace.spans))

    def look_at_point(self, point: MetricPoint) -> bool:
        """Find what a metric says of a size, or of a step of the autopilot's; return whether that is all there is to it."""
        if point.name == autopilot_event.STEP:
            self._write(_step(point))
            return True
        kind, label = _SIZES.get(point.name, ("", ""))
        if kind and isinstance(point.value, float):
            value = (kind, str(point.labels.get(label, "")), f"{point.value:g}")
            # Another instance than that of its traces: who sums up the pools of one name does not say the same of them.
            self._observe([ProcessReport(point.service, _digest(point.source), point.time_ns, (value,))])
        return False

    def _observe(self, seen: Iterable[ProcessReport]) -> None:
        for one in seen:
            for mark in self._tracker.observe(one):
                self._write(mark)
        changed, self._tracker.changed = self._tracker.changed, []
        gone, self._tracker.forgotten = self._tracker.forgotten, []
        columns = _FACTS.split(", ")
        self._connection.executemany(
            f"INSERT OR REPLACE INTO fact ({_FACTS}) VALUES (?{', ?' * 7})",  # noqa: S608
            [[getattr(fact, column) for column in columns] for fact in changed],
        )
        self._connection.executemany(
            "DELETE FROM fact WHERE service = ? AND instance = ? AND kind = ? AND subject = ?",
            [one.key for one in gone],
        )

    def _write(self, mark: Mark) -> None:
        row = (
            mark.time_ns, mark.service, mark.kind, mark.subject, mark.before, mark.after, mark.until_ns, mark.count,
            json.dumps(dict(mark.detail)) if mark.detail else "",
        )  # fmt: skip
        self._connection.execute(f"INSERT OR REPLACE INTO mark ({_COLUMNS}) VALUES (?{', ?' * 8})", row)  # noqa: S608
        oldest = "SELECT time_ns FROM mark ORDER BY time_ns DESC LIMIT 1 OFFSET ?"
        self._connection.execute(f"DELETE FROM mark WHERE time_ns <= ({oldest})", (MOST,))  # noqa: S608


class StoredMarks:
    """Reads marks. Any number of threads may use it."""

    def __init__(self, reading: ReadConnections) -> None:
        self._reading = reading

    def find(self, since_ns: int, until_ns: int, service: str | None = None) -> list[Mark]:
        """Return the marks of a window, which holds its beginning and not its end, by time; none of an earlier version's file."""
        with self._reading.transaction() as connection:
            if version_of(connection) < MARKS_SINCE:
                return []
            query = f"SELECT {_COLUMNS} FROM mark WHERE time_ns >= ? AND time_ns < ?"  # noqa: S608
            values: list[Any] = [since_ns, until_ns]
            if service is not None:
                query, values = f"{query} AND service = ?", [*values, service]
            return [
                _mark(row) for row in connection.execute(f"{query} ORDER BY time_ns, service, kind, subject", values)
            ]


def _digest(source: str) -> str:
    return "metrics " + blake2b(source.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _mark(row: Any) -> Mark:
    told: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Mark(**(told | {"detail": json.loads(told["detail"] or "{}")}))


def _step(point: MetricPoint) -> Mark:
    labels = point.labels
    time_ns = round(float(labels.get(autopilot_event.TIME, 0.0)) * 1e9) or point.time_ns
    taken = {
        name: value
        for name, key in autopilot_event.DETAIL.items()
        if (value := labels.get(key)) is not None and not isinstance(value, bool)
    }
    return Mark(
        time_ns,
        point.service,
        AUTOPILOT,
        str(labels.get(autopilot_event.RESOURCE, "")),
        str(labels.get(autopilot_event.FROM, "")),
        str(labels.get(autopilot_event.TO, "")),
        time_ns,
        detail=taken,
    )


def resources_in(spans: bytes) -> Iterator[bytes]:
    """Yield the encoded resources of an encoded `ExportTraceServiceRequest`, as far as it can be read."""
    at = 0
    while at < len(spans) and spans[at] == _LENGTH_DELIMITED:
        size, begin = _varint(spans, at + 1)
        at = begin + size
        if begin < len(spans) and spans[begin] == _LENGTH_DELIMITED:
            inner, first = _varint(spans, begin + 1)
            yield spans[first : first + inner]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where the next thing begins; past the end where it is cut off."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 the last has no top bit
            return value, at
    return len(data), len(data)


def seen_in(spans: bytes) -> Iterator[ProcessReport]:
    """Yield the resource attributes of each process of a trace, given its encoded spans."""
    try:
        request = TracesData.FromString(spans)
    except DecodeError:
        return
    for group in request.resource_spans:
        resource = attributes_of(group.resource.attributes)
        members = [span for scope in group.scope_spans for span in scope.spans]
        service = resource.get(semconv.SERVICE_NAME)
        if members and isinstance(service, str):
            sizes = {}
            for span in members:
                told = attributes_of(
                    one for one in span.attributes if one.key in (semconv.POOL_NAME, semconv.POOL_SIZE)
                )
                if semconv.POOL_SIZE in told:
                    sizes[str(told.get(semconv.POOL_NAME, ""))] = str(told[semconv.POOL_SIZE])
            values = [(VERSION, "", str(resource.get("service.version", "")))]
            values += [(POOL_SIZE, name, size) for name, size in sizes.items()]
            begun = min(span.start_time_unix_nano for span in members)
            yield ProcessReport(service, _instance(resource), min(begun, (1 << 62)), tuple(values))


def _instance(resource: dict[str, Any]) -> str:
    """Return the identity of a process: its instance id, or its host and number."""
    told = resource.get("service.instance.id")
    if told:
        return str(told)
    pid = resource.get("process.pid")
    return "" if pid is None else f"{resource.get('host.name', '')}:{pid}"
