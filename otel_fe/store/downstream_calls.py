"""The calls of other services by extractions, read from the spans of kept traces."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.model.span import OUTGOING_KINDS
from otel_fe.store.bodies import Bodies
from otel_fe.store.decoded_trace import DecodedTrace
from otel_fe.store.slots import SPREAD

if TYPE_CHECKING:
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.selection import Selection

_MOST_SPANS: Final = 10_000
"""The most spans read of one trace; senders decide how many it has."""


@dataclass(frozen=True, slots=True)
class CallTotal:
    """One kind of call, over a sample of extractions."""

    name: str
    """`SELECT … transactions`, `GET (redis)`, `POST models.internal`."""
    time_ns: float
    """In all sampled extractions, by weight; calls at the same time both count."""
    calls: float
    """Their number, by weight."""


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
    trace = DecodedTrace(body)
    node = trace.by_id.get(span_id)
    below = () if node is None else trace.below(node)[:_MOST_SPANS]
    return [
        (one.call.name, one.duration_ns) for one in below if one.call is not None and one.span.kind in OUTGOING_KINDS
    ]
