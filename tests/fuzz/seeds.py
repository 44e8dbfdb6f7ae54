"""Requests to begin with: small, and with everything in them."""

from __future__ import annotations

import random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.wire.fields import delimited, varint
from otel_fe.wire.json import from_protobuf

STATES = ("", "ot=th:8", "a=1,ot=th:c;rv:00000000000001", "broken,,", "v=" + "z" * 130)
KEYS = ("error.type", "http.route", "db.system", "a", "k" * 130, "")


def traces(seed: int) -> bytes:
    """Return an encoded request, always the same for a seed."""
    draw = random.Random(seed)
    request = ExportTraceServiceRequest()
    for _ in range(draw.randint(1, 2)):
        resource_spans = request.resource_spans.add(schema_url=draw.choice(("", "https://schema")))
        _add_attributes(draw, resource_spans.resource.attributes)
        for _ in range(draw.randint(1, 2)):
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.scope.name = draw.choice(("", "scope"))
            for _ in range(draw.randint(0, 2)):
                _add_span(draw, scope_spans.spans.add())
    payload = request.SerializeToString()
    if draw.random() < 0.3:  # noqa: PLR2004
        payload += delimited(15, b"future") + varint(300 << 3) + b"\x01"
    return payload


def traces_json(seed: int) -> bytes:
    """Return the same in JSON."""
    return from_protobuf("traces", traces(seed))


def _add_span(draw: random.Random, span) -> None:
    span.trace_id = bytes([draw.randint(1, 3)]) * 16
    span.span_id = draw.randbytes(8)
    span.parent_span_id = draw.choice((b"", b"p" * 8))
    span.name = draw.choice(("GET /", "ä" * 70, ""))
    span.kind = draw.randint(0, 5)
    span.start_time_unix_nano = draw.getrandbits(64)
    span.end_time_unix_nano = draw.getrandbits(64)
    span.trace_state = draw.choice(STATES)
    span.flags = draw.choice((0, 257))
    if draw.random() < 0.5:  # noqa: PLR2004
        span.status.code, span.status.message = draw.randint(0, 2), draw.choice(("", "no"))
    _add_attributes(draw, span.attributes)
    for _ in range(draw.randint(0, 1)):
        event = span.events.add(name="exception", time_unix_nano=5)
        _add_attributes(draw, event.attributes)
        span.links.add(trace_id=b"l" * 16, span_id=b"l" * 8)


def _add_attributes(draw: random.Random, attributes) -> None:
    for key in draw.sample(KEYS, draw.randint(0, 4)):
        value = attributes.add(key=key).value
        kind = draw.randrange(7)
        if kind == 0:
            value.string_value = draw.choice(("GET", "x" * 200, ""))
        elif kind == 1:
            value.bool_value = True
        elif kind == 2:  # noqa: PLR2004
            value.int_value = draw.choice((1, -1, 2**40))
        elif kind == 3:  # noqa: PLR2004
            value.double_value = 0.5
        elif kind == 4:  # noqa: PLR2004
            value.array_value.values.add().kvlist_value.values.add(key="deep").value.int_value = 1
        elif kind == 5:  # noqa: PLR2004
            value.bytes_value = b"\x00\xff"
