"""Traces as their spans say them: times in ms after the trace's start."""

from __future__ import annotations

from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from otel_fe import plan_event, semconv
from otel_fe.store import KeptExtraction, KeptTrace
from otel_fe.store.decoded_trace import DecodedTrace
from otel_fe.store.slots import SPLIT_CAUSES
from tests.unit.dashboard.seeded import record
from tests.unit.store.parts import T0, pairs

MS = 1_000_000
TIMES = "\u00d7"
CLIENT = 3
STACK = """Traceback (most recent call last):
  File "/srv/shop/app.py", line 12, in serve
    return extract(user)
  File "/srv/shop/features.py", line 31, in load
    connection.execute(QUERY)
  File "/usr/lib/python3.11/site-packages/sqlalchemy/engine/base.py", line 1967, in _exec_single_context
    self.dialect.do_execute(
psycopg.errors.QueryCanceled
"""


@dataclass
class S:
    """A span, with those below it."""

    name: str
    start: float
    end: float
    children: list = field(default_factory=list)
    kind: int = 1
    attributes: dict = field(default_factory=dict)
    error: str | None = None
    exception: dict | None = None
    stacks: dict | None = None
    service: str = "feature-service"
    plan: str | None = None


def sql(start, end, statement="SELECT price FROM item WHERE id = 1", **more):
    return S(
        "SELECT shop",
        start,
        end,
        kind=CLIENT,
        attributes={"db.system": "postgresql", "db.statement": statement},
        **more,
    )


def get(start, end, **more):
    return S("GET", start, end, kind=CLIENT, attributes={"db.system": "redis", "db.statement": "GET ?"}, **more)


def encoded(*tops, trace_id=1, start_ns=T0):
    """Return the encoded spans; their ids are 1, 2, … in the order of the tree."""
    request = ExportTraceServiceRequest()
    scopes, number = {}, 0
    waiting = [(top, 0) for top in reversed(tops)]
    while waiting:
        one, parent = waiting.pop()
        number += 1
        if one.service not in scopes:
            group = request.resource_spans.add()
            group.resource.attributes.extend(pairs({"service.name": one.service}))
            scopes[one.service] = group.scope_spans.add()
        made = scopes[one.service].spans.add(
            trace_id=trace_id.to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            name=one.name,
            kind=one.kind,
            start_time_unix_nano=start_ns + round(one.start * MS),
            end_time_unix_nano=start_ns + round(one.end * MS),
            attributes=pairs(one.attributes),
        )
        if one.error is not None:
            made.status.code, made.status.message = 2, one.error
        if one.exception is not None:
            made.events.add(
                name="exception", time_unix_nano=made.end_time_unix_nano - 1, attributes=pairs(one.exception)
            )
        if one.plan is not None:
            made.events.add(name=plan_event.EVENT, attributes=pairs({plan_event.TEXT: one.plan}))
        if one.stacks is not None:
            event = made.events.add(name=semconv.STACKS_EVENT, time_unix_nano=made.start_time_unix_nano)
            for key, lines in one.stacks.items():
                values = ArrayValue(values=[AnyValue(string_value=line) for line in lines])
                event.attributes.append(KeyValue(key=key, value=AnyValue(array_value=values)))
        waiting += [(child, number) for child in reversed(one.children)]
    return request.SerializeToString()


def decoded(*tops, **more):
    return DecodedTrace(encoded(*tops, **more))


def kept(*tops, trace_id=1, start_ns=T0, splits=None, logs=b""):
    """Return the trace as the store keeps it; splits in ms, by the numbers of extractions."""
    spans = encoded(*tops, trace_id=trace_id, start_ns=start_ns)
    trace = DecodedTrace(spans)
    extractions = tuple(
        _extraction(node, (splits or {}).get(int.from_bytes(node.span.span_id, "big")))
        for node in trace.nodes
        if node.span.name.startswith("feature_extraction")
    )
    duration = trace.end_ns - trace.begin_ns
    error = any(node.span.status.code == 2 for node in trace.nodes)
    policy = "errors" if error else "slow"
    return KeptTrace(
        trace_id, trace.begin_ns, trace.end_ns, tops[0].name, tops[0].service, error, policy, 1.0, len(trace.nodes), spans,
        extractions, logs, record(trace_id, duration, policy, trace.end_ns),
    )  # fmt: skip


def _extraction(node, split):
    told = dict.fromkeys(SPLIT_CAUSES, 0) | {cause: round(ms * MS) for cause, ms in (split or {}).items()}
    told["unexplained"] += node.duration_ns - sum(told.values())
    return KeptExtraction(
        int.from_bytes(node.span.span_id, "big"), node.start_ns, node.duration_ns, node.service,
        node.span.name.partition(" ")[2], node.span.status.code == 2, cause=max(told, key=told.__getitem__), split=told,
    )  # fmt: skip


def n_plus_one(count=150):
    """A request whose extraction asks once for each row, after it has waited for a lock."""
    step = 0.5
    calls = [sql(90 + n * step, 90 + (n + 0.98) * step, f"SELECT price FROM item WHERE id = {n}") for n in range(count)]
    end = 90 + count * step + 4
    told = {
        "feature_extraction.feature_set": "prices", "feature_extraction.bottleneck": "lock",
        "feature_extraction.hotspot": "shop/cache.py:31 Cache.get", "feature_extraction.hotspot.time": 0.074,
    }  # fmt: skip
    stacks = {
        semconv.STACKS_FOLDED: ["lock;shop/app.py:12 serve;shop/cache.py:31 Cache.get 74000", "cpu;shop/app.py:12 serve 9000"],
        semconv.STACKS_TOP: ["lock shop/cache.py:31 Cache.get 74000", "cpu shop/app.py:12 serve 9000"],
        semconv.STACKS_BETWEEN_CALLS: [
            "2100 86900 lock 74000 shop/cache.py:31 Cache.get", "2100 86900 cpu 9000 shop/app.py:12 serve",
        ],
    }  # fmt: skip
    extraction = S("feature_extraction prices", 1, end, [get(1.5, 3), *calls], attributes=told, stacks=stacks)
    return S("GET /prices", 0, end + 1, [extraction], kind=2)


N_PLUS_ONE_SPLIT = {2: {"lock": 74, "cpu": 9, "downstream": 73.5}}


def failing():
    """A request that fails fast: its query is cancelled, after a look-up that failed and did no harm."""
    query = sql(4, 7, "SELECT * FROM features WHERE user_id = 7", error="canceling statement due to statement timeout")
    caught = get(1, 2, error="Connection refused")
    exception = {"exception.type": "psycopg.errors.QueryCanceled", "exception.stacktrace": STACK}
    extraction = S(
        "feature_extraction user_profile", 0.5, 8, [caught, query], attributes={"error.type": "psycopg.errors.QueryCanceled"},
        error="psycopg.errors.QueryCanceled", exception=exception,
    )  # fmt: skip
    return S("GET /features", 0, 9, [extraction], kind=2, error="")
