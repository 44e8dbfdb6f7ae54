"""Requests are validated as deeply as any backend does; the compiled scan and its reference agree on every one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otel_fe import compiled
from otel_fe.wire import schema
from otel_fe.wire.signals import SIGNALS
from otel_fe.wire.validation import check, scan
from otel_fe.wire.wire_error import WireError
from tests.effort import examples


def nested(depth: int) -> AnyValue:
    """Return a value within so many lists and maps."""
    value = AnyValue(string_value="é")
    for level in range(depth):
        outer = AnyValue()
        if level % 2:
            outer.array_value.values.append(value)
        else:
            outer.kvlist_value.values.append(KeyValue(key="k", value=value))
        value = outer
    return value


ATTRIBUTES = [
    KeyValue(key="text", value=AnyValue(string_value="größer")),
    KeyValue(key="deep", value=nested(3)),
    KeyValue(key="number", value=AnyValue(int_value=-5)),
    KeyValue(key="raw", value=AnyValue(bytes_value=b"\xff\x00")),
]
IDS = {"trace_id": b"t" * 16, "span_id": b"s" * 8}


def _resource(sender: str) -> Resource:
    return Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value=sender))])


def _traces(senders: int) -> Any:
    request = SIGNALS["traces"].request()
    for sender in range(senders):
        of_resource = request.resource_spans.add(resource=_resource(f"s{sender}"), schema_url="u")
        scope = of_resource.scope_spans.add(scope={"name": "n", "attributes": ATTRIBUTES[:1]})
        for number in range(2):
            span = scope.spans.add(**IDS, name=f"span {number}", attributes=ATTRIBUTES, flags=1, kind=2)
            span.events.add(name="e", time_unix_nano=5, attributes=ATTRIBUTES[:1])
            span.links.add(**IDS, trace_state="a=b", attributes=ATTRIBUTES[1:2])
            span.status.message = "no"
    return request


def _logs(senders: int) -> Any:
    request = SIGNALS["logs"].request()
    for sender in range(senders):
        scope = request.resource_logs.add(resource=_resource(f"s{sender}")).scope_logs.add()
        for number in range(2):
            scope.log_records.add(**IDS, severity_text=f"I{number}", body=nested(2), attributes=ATTRIBUTES[:2])
    return request


def _metrics(senders: int) -> Any:
    request = SIGNALS["metrics"].request()
    point = {"attributes": ATTRIBUTES[:2], "time_unix_nano": 7}
    exemplar = {**IDS, "as_double": 0.5, "filtered_attributes": ATTRIBUTES[:1]}
    for sender in range(senders):
        scope = request.resource_metrics.add(resource=_resource(f"s{sender}")).scope_metrics.add()
        scope.metrics.add(name="g", unit="s", description="d", metadata=ATTRIBUTES[:1]).gauge.data_points.add(
            **point, as_int=-1, exemplars=[exemplar]
        )
        scope.metrics.add(name="c").sum.data_points.add(**point, as_double=1.5)
        scope.metrics.add(name="h").histogram.data_points.add(
            **point, count=3, sum=1.0, bucket_counts=[1, 2], explicit_bounds=[0.5], exemplars=[exemplar]
        )
        scope.metrics.add(name="e").exponential_histogram.data_points.add(
            **point, count=3, scale=-2, positive={"offset": -1, "bucket_counts": [1, 300]}
        )
        scope.metrics.add(name="s").summary.data_points.add(**point, quantile_values=[{"quantile": 0.5, "value": 1.0}])
    return request


MADE = {"traces": _traces, "logs": _logs, "metrics": _metrics}
REQUESTS = {signal: made(2).SerializeToString() for signal, made in MADE.items()}
MUTATIONS = (0x00, 0x01, 0x07, 0x0C, 0x7F, 0x80, 0xC0, 0xED, 0xFF)


def parsed(signal: str, payload: bytes) -> Any:
    """Return what protobuf's C core makes of it; it raises where that cannot read it."""
    return SIGNALS[signal].request.FromString(payload)


def judge(signal: str, payload: bytes, *, identified: bool) -> None:
    """Check that both scans say the same of a request, and that what is left of it can be read by others."""
    root = schema.REQUESTS[signal]
    found = scan(payload, root, identified)
    if compiled.backend is not None:
        twin = compiled.backend.scan(payload, schema.TABLE, root, schema.SPAN, identified)
        assert twin == found, payload.hex()
    try:
        checked = check(signal, payload, identified=identified)
    except WireError:
        return
    parsed(signal, checked.payload)
    again = check(signal, checked.payload, identified=identified)
    assert (again.payload, again.items, again.rejected) == (checked.payload, checked.items, {})


@pytest.mark.thorough
@pytest.mark.parametrize("signal", MADE)
def test_every_byte_of_a_request_may_be_wrong(signal: str):
    """Whatever one byte becomes, what is forwarded is a request, and checking it again changes nothing."""
    payload = REQUESTS[signal]
    for place in range(len(payload)):
        for mutation in MUTATIONS:
            judge(signal, payload[:place] + bytes((mutation,)) + payload[place + 1 :], identified=True)
        judge(signal, payload[:place], identified=False)
        judge(signal, payload[:place] + payload[place + 1 :], identified=False)


@pytest.mark.parametrize("signal", MADE)
def test_what_protobuf_writes_is_valid(signal: str):
    payload = REQUESTS[signal]
    checked = check(signal, payload, identified=True)
    assert checked.payload is payload
    assert (checked.items, checked.rejected) == ({"traces": 4, "logs": 4, "metrics": 10}[signal], {})


@settings(max_examples=examples(300), deadline=None)
@given(
    st.sampled_from(sorted(MADE)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6), st.integers(0, 12)), max_size=4),
    st.booleans(),
)
def test_any_damage(signal: str, damage: list[tuple[float, bytes, int]], identified: bool):  # noqa: FBT001
    payload = REQUESTS[signal]
    for share, inserted, removed in damage:
        place = int(share * len(payload))
        payload = payload[:place] + inserted + payload[place + removed :]
    judge(signal, payload, identified=identified)


@settings(max_examples=examples(200), deadline=None)
@given(st.sampled_from(sorted(MADE)), st.binary(max_size=300))
def test_any_bytes(signal: str, payload: bytes):
    assume(payload)
    judge(signal, payload, identified=True)


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=12))
def test_text_is_utf8_as_python_has_it(text: bytes):
    """Python's decoder and RFC 3629 agree."""
    name = b"\x2a" + bytes((len(text),)) + text
    span = b"\x0a\x10" + IDS["trace_id"] + b"\x12\x08" + IDS["span_id"] + name
    scope = b"\x12" + bytes((len(span),)) + span
    of_resource = b"\x12" + bytes((len(scope),)) + scope
    checked = check("traces", b"\x0a" + bytes((len(of_resource),)) + of_resource)
    try:
        text.decode()
    except UnicodeDecodeError:
        assert checked.rejected == {"invalid_utf8": 1}
    else:
        assert checked.rejected == {}
