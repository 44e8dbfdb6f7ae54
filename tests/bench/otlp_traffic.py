"""OTLP requests for collectors: whole traces of feature extractions, encoded before the clock starts."""

from __future__ import annotations

import random
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

SPANS_PER_TRACE = 5
TRACES_PER_REQUEST = 100
SERVICES = 3
_SCOPES = ("opentelemetry.instrumentation.redis", "opentelemetry.instrumentation.sqlalchemy", "otel_fe")
"""As the instrumentations have them: a scope for each library."""
_FAILED_SHARE = 0.01
_SLOW_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests, and what is in them."""

    requests: list[bytes]
    trace_ids: list[list[bytes]]
    """Of each request."""
    remarkable: int
    """Traces with an error, or slow."""

    @property
    def spans(self) -> int:
        """All of them."""
        return len(self.requests) * TRACES_PER_REQUEST * SPANS_PER_TRACE


def traffic(requests: int, seed: int = 1) -> Traffic:
    """Return requests of a hundred whole traces each: an extraction with 14 attributes, and four calls with five."""
    draw = random.Random(seed)
    encoded, ids = [], []
    remarkable = 0
    for number in range(requests):
        request = ExportTraceServiceRequest()
        resource_spans = request.resource_spans.add()
        resource_spans.resource.attributes.extend(
            [
                _text("service.name", f"service-{number % SERVICES}"),
                _text("host.name", "host"),
                _text("telemetry.sdk.name", "otel"),
            ]
        )
        scopes = {name: resource_spans.scope_spans.add() for name in _SCOPES}
        for name, scope_spans in scopes.items():
            scope_spans.scope.name = name
        of_request = []
        for _ in range(TRACES_PER_REQUEST):
            failed, slow = draw.random() < _FAILED_SHARE, draw.random() < _SLOW_SHARE
            remarkable += failed or slow
            trace_id = draw.getrandbits(128).to_bytes(16, "big")
            of_request.append(trace_id)
            for span in _trace(draw, trace_id, failed=failed, slow=slow):
                scopes[_SCOPES[("GET", "SELECT").index(span.name) if span.parent_span_id else 2]].spans.append(span)
        encoded.append(request.SerializeToString())
        ids.append(of_request)
    return Traffic(encoded, ids, remarkable)


def _trace(draw: random.Random, trace_id: bytes, *, failed: bool, slow: bool) -> list[Span]:
    root_id = draw.getrandbits(64).to_bytes(8, "big")
    start = 1_790_000_000_000_000_000 + draw.getrandbits(40)
    calls = [
        Span(
            trace_id=trace_id,
            span_id=draw.getrandbits(64).to_bytes(8, "big"),
            parent_span_id=root_id,
            name="GET" if number % 2 else "SELECT",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=start,
            end_time_unix_nano=start + draw.randrange(5_000_000),
            attributes=[
                _text("db.system", "redis" if number % 2 else "postgresql"),
                _text("db.statement", "SELECT features FROM users WHERE id = ?"),
                _text("net.peer.name", "cache.internal"),
                _whole("net.peer.port", 6379),
                _whole("db.redis.args_length", 2),
            ],
        )
        for number in range(SPANS_PER_TRACE - 1)
    ]
    root = Span(
        trace_id=trace_id,
        span_id=root_id,
        name="feature_extraction user_profile",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start,
        end_time_unix_nano=start + (draw.randrange(100, 900) if slow else draw.randrange(1, 90)) * 1_000_000,
        attributes=_extraction(draw),
    )
    if failed:
        root.status.code = Status.STATUS_CODE_ERROR
    return [*calls, root]


def _extraction(draw: random.Random) -> list[KeyValue]:
    prefix = "feature_extraction."
    return [
        _text(f"{prefix}feature_set", "user_profile"),
        _text("code.function.name", "shop.features.UserFeatures.extract"),
        KeyValue(key=f"{prefix}cache.hit", value=AnyValue(bool_value=draw.random() < 0.8)),
        _whole(f"{prefix}cache.lookups", 1),
        _whole(f"{prefix}cache.hits", 1),
        _real(f"{prefix}cache.time", draw.random() / 1000),
        _real(f"{prefix}pool.wait_time", draw.random() / 1000),
        _text(f"{prefix}pool.name", "postgresql://db/features"),
        _whole(f"{prefix}pool.in_use", 3),
        _whole(f"{prefix}pool.size", 8),
        _real(f"{prefix}cpu.time", draw.random() / 100),
        _real(f"{prefix}cpu.utilization", draw.random()),
        _whole(f"{prefix}memory.usage", 180_000_000),
        _whole(f"{prefix}memory.growth", 0),
    ]


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _whole(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))


def _real(key: str, value: float) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(double_value=value))
