"""Strategies for any OTLP request: the official classes, with every field and some unknown ones."""

from __future__ import annotations

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from otel_fe.wire.fields import delimited, varint

UINT64 = st.integers(0, 2**64 - 1)
UINT32 = st.integers(0, 2**32 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=20) | st.sampled_from(["", "a" * 127, "b" * 128, "ä" * 200, "\n\x0berror.types\x12\x01"])
KEYS = st.sampled_from(["a", "http.route", "error.type", "", "k" * 130, "\ufffd"]) | st.text(max_size=8)
UNKNOWN = st.sampled_from(
    [
        b"",
        varint(200 << 3) + b"\x05",
        varint(201 << 3 | 2) + b"\x03abc",
        varint(202 << 3 | 1) + b"12345678",
        b"\xbb\x0c\x08\x01\xbc\x0c",
    ]
)
"""Fields from the future: a number, bytes, a fixed one, a group."""


def _containers(inner):
    return st.builds(
        AnyValue,
        array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=3)),
    ) | st.builds(
        AnyValue,
        kvlist_value=st.lists(inner, max_size=3).map(
            lambda values: KeyValueList(values=[KeyValue(key=f"n{i}", value=value) for i, value in enumerate(values)])
        ),
    )


VALUES = st.recursive(
    st.just(AnyValue())
    | st.builds(AnyValue, string_value=TEXT)
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, int_value=INT64 | st.integers(-2, 200))
    | st.builds(AnyValue, double_value=st.floats(allow_nan=False))
    | st.builds(AnyValue, bytes_value=st.binary(max_size=200)),
    _containers,
    max_leaves=8,
)


def key_values(most=6):
    return st.dictionaries(KEYS, VALUES, max_size=most).map(
        lambda pairs: [KeyValue(key=key, value=value) for key, value in pairs.items()]
    )


IDS = st.integers(1, 2**64 - 1).map(lambda number: number.to_bytes(8, "big"))
TRACE_IDS = st.sampled_from([bytes([n]) * 16 for n in (1, 2, 255)]) | st.integers(1, 2**128 - 1).map(
    lambda number: number.to_bytes(16, "big")
)
TRACE_STATES = st.sampled_from(
    ["", "ot=th:8", "ot=th:0;rv:00000000000001", "a=1,ot=th:c", "x=y", "broken,,=", "ot=th:zz", "v=" + "z" * 200]
)


def with_unknown(message, extra: bytes):
    message.MergeFromString(extra)
    return message


EVENTS = st.builds(
    Span.Event, time_unix_nano=UINT64, name=TEXT, attributes=key_values(2), dropped_attributes_count=UINT32
)
LINKS = st.builds(Span.Link, trace_id=TRACE_IDS, span_id=IDS, trace_state=TEXT, attributes=key_values(2), flags=UINT32)
SPANS = st.builds(
    with_unknown,
    st.builds(
        Span,
        trace_id=TRACE_IDS,
        span_id=IDS,
        trace_state=TRACE_STATES,
        parent_span_id=st.just(b"") | IDS,
        name=TEXT,
        kind=st.integers(0, 5) | st.sampled_from([77, -1]),
        start_time_unix_nano=UINT64,
        end_time_unix_nano=UINT64,
        attributes=key_values(),
        dropped_attributes_count=UINT32,
        events=st.lists(EVENTS, max_size=2),
        dropped_events_count=UINT32,
        links=st.lists(LINKS, max_size=2),
        dropped_links_count=UINT32,
        status=st.none() | st.builds(Status, code=st.sampled_from([0, 1, 2, 9]), message=TEXT),
        flags=UINT32,
    ),
    UNKNOWN,
)
SCOPE_SPANS = st.builds(
    with_unknown,
    st.builds(
        ScopeSpans,
        scope=st.none() | st.builds(InstrumentationScope, name=TEXT, version=TEXT, attributes=key_values(2)),
        spans=st.lists(SPANS, max_size=3),
        schema_url=TEXT,
    ),
    UNKNOWN,
)
RESOURCE_SPANS = st.builds(
    with_unknown,
    st.builds(
        ResourceSpans,
        resource=st.none() | st.builds(Resource, attributes=key_values(3), dropped_attributes_count=UINT32),
        scope_spans=st.lists(SCOPE_SPANS, max_size=3),
        schema_url=TEXT,
    ),
    UNKNOWN,
)
REQUESTS = st.builds(ExportTraceServiceRequest, resource_spans=st.lists(RESOURCE_SPANS, max_size=3))


def python_value(value: AnyValue):
    """Return what a value means, by the official classes alone."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [python_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return python_attributes(value.kvlist_value.values)
    return getattr(value, kind)


def python_attributes(pairs):
    return {pair.key: python_value(pair.value) for pair in pairs}


def spans_of(request: ExportTraceServiceRequest):
    """Yield each span with its scope and its resource."""
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield resource_spans, scope_spans, span


def pair(key: bytes, value: bytes) -> bytes:
    """Return an encoded attribute of a span with a text, whether or not they are UTF-8."""
    return delimited(9, delimited(1, key) + delimited(2, delimited(1, value)))
