"""Kept traces of a made-up week: several services, each with feature sets of its own, their calls and their causes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from otel_fe import semconv
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.store import KeptExtraction, KeptTrace

if TYPE_CHECKING:
    import random

NS = 1_000_000_000
MS = 1_000_000


class Group(NamedTuple):
    """Extractions of one kind."""

    service: str
    feature_set: str
    library: str
    usual_ms: float
    per_minute: int
    slow_cause: str


GROUPS = (
    Group("feature-service", "user_profile", "scikit-learn", 28, 900, "pool_wait"),
    Group("feature-service", "session", "pandas", 22, 700, "downstream"),
    Group("feature-service", "basket", "pandas", 35, 300, "cache_miss"),
    Group("ranking", "item_embedding", "transformers", 55, 240, "gpu"),
    Group("ranking", "user_embedding", "transformers", 48, 260, "cpu"),
    Group("ranking", "popularity", "feast", 15, 500, "downstream"),
    Group("fraud", "card_history", "tsfresh", 60, 120, "cpu"),
    Group("fraud", "device", "feast", 18, 400, "pool_wait"),
    Group("fraud", "geo", "", 12, 350, "unexplained"),
)


def kept_trace(draw: random.Random, trace_id: int, number: int, start_ns: int) -> KeptTrace:
    """Return a kept trace by the number of those before it: one in ten holds two extractions, one in thirty none."""
    group = draw.choices(GROUPS, [group.per_minute for group in GROUPS])[0]
    slow, failed = draw.random() < 0.4, draw.random() < 0.06
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(_pairs(_resource(draw, group)))
    spans = _Spans(resource_spans, trace_id, draw)
    root = spans.add(
        "", b"", "POST /predict", 2, start_ns, 0, {"http.request.method": "POST", "http.route": "/predict"}
    )
    at = start_ns + draw.randrange(MS)
    found = []
    for _ in range(0 if number % 30 == 7 else 2 if number % 10 == 3 else 1):
        found.append(_extraction(draw, spans, root.span_id, group, at, slow=slow, failed=failed))
        at += found[-1].duration_ns + draw.randrange(MS)
    at += draw.randrange(MS) if found else draw.randrange(300 * MS)
    root.end_time_unix_nano = at
    if failed:
        root.status.code = 2
    policy = "errors" if failed else "slow" if slow else "rare" if draw.random() < 0.01 else "baseline"
    weight = {"baseline": 20.0, "rare": 4.0}.get(policy, 1.0)
    if not found:
        span_id = int.from_bytes(root.span_id, "big")
        found = [KeptExtraction(span_id, start_ns, at - start_ns, group.service, None, failed)]
    decision = record(trace_id, at - start_ns, at, policy, weight, len(spans.all))
    return KeptTrace(
        trace_id,
        start_ns,
        at,
        "POST /predict",
        group.service,
        failed,
        policy,
        weight,
        len(spans.all),
        request.SerializeToString(),
        tuple(found),
        b"",
        decision,
    )


class _Spans:
    """Adds spans to a trace, each to the scope of its library."""

    def __init__(self, resource_spans: Any, trace_id: int, draw: random.Random) -> None:
        self._resource_spans = resource_spans
        self._trace_id = trace_id.to_bytes(16, "big")
        self._draw = draw
        self._scopes: dict[str, Any] = {}
        self.all: list[Any] = []

    def add(
        self, scope: str, parent: bytes, name: str, kind: int, begin_ns: int, end_ns: int, attributes: dict[str, Any]
    ) -> Any:
        if scope not in self._scopes:
            self._scopes[scope] = self._resource_spans.scope_spans.add()
            self._scopes[scope].scope.name = scope
        made = self._scopes[scope].spans.add(
            trace_id=self._trace_id,
            span_id=self._draw.getrandbits(64).to_bytes(8, "big"),
            parent_span_id=parent,
            name=name,
            kind=kind,
            start_time_unix_nano=begin_ns,
            end_time_unix_nano=end_ns,
            attributes=_pairs(attributes),
        )
        self.all.append(made)
        return made


_SLOW_CAUSES = {"cache_miss": 1.0, "pool_wait": 1.0, "cpu": 2.0, "gpu": 0.3, "downstream": 2.0, "unexplained": 1.0}
"""Causes of slow extractions beside that of their group, with their relative frequency."""


def _extraction(
    draw: random.Random, spans: _Spans, parent: bytes, group: Group, at: int, *, slow: bool, failed: bool
) -> KeptExtraction:
    """Add an extraction and its calls; return it as the store keeps it."""
    ms = 100 + draw.lognormvariate(4.2, 0.8) if slow else min(99.0, draw.lognormvariate(math.log(group.usual_ms), 0.5))
    duration = int(ms * MS)
    hit = draw.random() < (0.35 if slow else 0.85)
    causes = {**_SLOW_CAUSES, group.slow_cause: _SLOW_CAUSES[group.slow_cause] + 8}
    cause = draw.choices(list(causes), list(causes.values()))[0] if slow else "cpu"
    split = dict.fromkeys(CAUSES, 0) | {"cpu": duration // 5, "unexplained": duration // 10}
    if not hit:
        split["cache_miss"] += duration // 50
        split["downstream"] += duration // 10
    split[cause] += duration - sum(split.values())
    lookups = draw.choice((1, 1, 1, 3, 8))
    hits = lookups if hit else lookups - 1
    growth = draw.choice((0, 0, 0, 65_536, 1_048_576))
    made = spans.add(
        "otel_fe",
        parent,
        f"{semconv.SPAN_NAME} {group.feature_set}",
        1,
        at,
        at + duration,
        {
            semconv.FEATURE_SET: group.feature_set,
            **({semconv.LIBRARY: group.library} if group.library else {}),
            semconv.BATCH_SIZE: draw.choice((1, 8, 32)),
            semconv.CACHE_HIT: hit,
            semconv.CACHE_LOOKUPS: lookups,
            semconv.CACHE_HITS: hits,
            semconv.CACHE_TIME: draw.random() / 500,
            semconv.POOL_WAIT_TIME: split["pool_wait"] / NS,
            semconv.POOL_NAME: "postgresql://db/features",
            semconv.POOL_IN_USE: draw.randrange(9),
            semconv.POOL_SIZE: 8,
            semconv.CPU_TIME: split["cpu"] / NS,
            semconv.CPU_UTILIZATION: draw.random(),
            semconv.MEMORY_USAGE: 180_000_000 + draw.randrange(10_000_000),
            semconv.MEMORY_GROWTH: growth,
            "code.function.name": f"{group.service}.features.{group.feature_set}",
            "app.plan": draw.choice(("free", "paid", "trial")),
            "app.tenant": f"tenant-{draw.randrange(40)}",
            "app.user": f"{draw.getrandbits(48):012x}",
            **({semconv.ERROR_TYPE: "TimeoutError"} if failed else {}),
        },
    )
    redis = {"db.system": "redis", "db.statement": "GET ?", "net.peer.name": "cache.internal", "net.peer.port": 6379}
    spans.add(_REDIS, made.span_id, "GET", 3, at + duration // 50, at + duration // 20, redis)
    if not hit:
        query = {
            "db.system": "postgresql",
            "db.statement": "SELECT features FROM users WHERE id = ?",
            "db.name": "shop",
        }
        spans.add(_SQL, made.span_id, "SELECT shop", 3, at + duration // 4, at + duration // 2, query)
    if failed:
        made.status.code = 2
        made.events.add(name="exception", time_unix_nano=at + duration // 2)
    return KeptExtraction(
        int.from_bytes(made.span_id, "big"),
        at,
        duration,
        group.service,
        group.feature_set,
        failed,
        "TimeoutError" if failed else "",
        group.library,
        hit,
        lookups,
        hits,
        split["cpu"],
        growth,
        cause,
        split,
    )


_REDIS = "opentelemetry.instrumentation.redis"
_SQL = "opentelemetry.instrumentation.sqlalchemy"


def _resource(draw: random.Random, group: Group) -> dict[str, Any]:
    return {
        "service.name": group.service,
        "service.version": "2.4.1",
        "service.instance.id": f"{group.service}-{draw.randrange(6)}",
        "host.name": f"ip-10-0-3-{draw.randrange(6)}",
        "cloud.region": draw.choice(("eu-west-1", "us-east-1")),
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python",
    }


def record(
    trace_id: int, duration_ns: int, time_ns: int, policy: str | None, weight: float = 0.0, spans: int = 4
) -> dict[str, Any]:
    """Return a decision record; one without a policy is of a trace that was not kept."""
    ms = duration_ns / MS
    votes = [
        {"policy": "errors", "vote": "not sampled", "saw": "no span with status ERROR"},
        {"policy": "slow", "vote": "not sampled", "saw": f"{ms:.0f} ms against 100 ms"},
        {"policy": "baseline", "vote": "not sampled", "saw": "randomness 0.31 of 0.05"},
    ]
    return {
        "trace_id": f"{trace_id:032x}",
        "time_unix_nano": time_ns,
        "trigger": "whole",
        "outcome": f"kept by {policy}, weight {weight:g}" if policy else "not sampled",
        "sampled": policy is not None,
        "dropped": False,
        "policy": policy or "none",
        "weight": weight,
        "spans": spans,
        "duration_ns": duration_ns,
        "votes": votes,
    }


def _pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    return [KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value})) for key, value in attributes.items()]
