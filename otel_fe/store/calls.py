"""The calls of other services that extractions made, read out of the spans of kept traces."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from otel_fe.model.span import CLIENT, PRODUCER
from otel_fe.model.statement import statement_summary
from otel_fe.store.bodies import Bodies
from otel_fe.store.slots import SPREAD

if TYPE_CHECKING:
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection

_STATEMENT: Final = ("db.query.text", "db.statement")
_SYSTEM: Final = ("db.system.name", "db.system", "messaging.system", "rpc.system")
_PEER: Final = ("server.address", "net.peer.name", "peer.service")
_MOST_SPANS: Final = 10_000
"""Of one trace; whoever sends spans decides how many it has."""


@dataclass(frozen=True, slots=True)
class CallTotal:
    """One kind of call, over a sample of extractions."""

    name: str
    """`SELECT … transactions`, `GET (redis)`, `POST models.internal`."""
    time_ns: float
    """In all sampled extractions, by weight; calls at the same time both count."""
    calls: float
    """How many, by weight."""


def call_totals(reading: ReadConnections, selection: Selection, *, limit: int) -> tuple[CallTotal, ...]:
    """Return the calls below the extractions of a selection, those that took most first; of more than `limit`, of a sample."""
    with reading.transaction() as connection:
        where, values = selection.where(connection)
        total = connection.execute(f"SELECT count(*) FROM extraction WHERE {where}", values).fetchone()[0]  # noqa: S608
        step = max(1, -(-total // max(1, limit)))
        query = f"""SELECT t.key, t.body, e.span_id, coalesce(e.weight, 1) FROM
            (SELECT * FROM extraction WHERE {where} AND trace * {SPREAD} / 65536 % ? = 0 LIMIT ?) e JOIN trace t ON t.key = e.trace
            ORDER BY t.key"""  # noqa: S608
        bodies = Bodies(connection)
        times: Counter[str] = Counter()
        calls: Counter[str] = Counter()
        for key, body, span_id, weight in connection.execute(query, (*values, step, 2 * limit)).fetchall():
            for name, time_ns in _calls_below(bodies.of(key, body)[1], span_id):
                times[name] += time_ns * weight
                calls[name] += weight
    return tuple(CallTotal(name, time_ns, calls[name]) for name, time_ns in times.most_common())


def _calls_below(body: bytes, span_id: bytes) -> list[tuple[str, int]]:
    """Return name and duration of each call below a span, at any depth."""
    try:
        request = TracesData.FromString(body)
    except DecodeError:
        return []
    children: dict[bytes, list[Any]] = {}
    spans = [span for group in request.resource_spans for scoped in group.scope_spans for span in scoped.spans]
    for span in spans[:_MOST_SPANS]:
        children.setdefault(span.parent_span_id, []).append(span)
    found = []
    waiting = [span_id]
    while waiting:
        for child in children.pop(waiting.pop(), ()):  # each is followed once, also in a circle
            waiting.append(child.span_id)
            if child.kind in (CLIENT, PRODUCER):
                found.append((call_name(child), max(0, child.end_time_unix_nano - child.start_time_unix_nano)))
    return found


def call_name(span: Any) -> str:
    """Return a short name of a call: of its statement, else the OTLP span's with the system or host that was called."""
    attributes = {pair.key: pair.value.string_value for pair in span.attributes}
    summary = attributes.get("db.query.summary") or statement_summary(_first(attributes, _STATEMENT))
    if summary:
        return summary
    system, peer = _first(attributes, _SYSTEM), _first(attributes, _PEER)
    if " " in span.name:  # more than a verb
        return str(span.name)
    return f"{span.name} ({system})" if system else f"{span.name} {peer}".rstrip()


def _first(attributes: dict[str, str], keys: tuple[str, ...]) -> str:
    return next((attributes[key] for key in keys if attributes.get(key)), "")
