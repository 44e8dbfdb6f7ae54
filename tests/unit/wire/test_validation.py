"""One malformed item refuses itself alone, by name, whatever else is in the request."""

from __future__ import annotations

import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.wire import schema
from otel_fe.wire.fields import delimited
from otel_fe.wire.json import convert
from otel_fe.wire.signals import SIGNALS
from otel_fe.wire.validation import check
from otel_fe.wire.wire_error import WireError

IDS = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8
GOOD = IDS + b"\x2a\x04good"


def value_in_lists(depth: int) -> bytes:
    """Return an `AnyValue` within so many lists."""
    value = b""
    for _ in range(depth):
        value = delimited(5, delimited(1, value))
    return value


def attribute(value: bytes) -> bytes:
    return delimited(9, delimited(1, b"k") + delimited(2, value))


def request(*spans: bytes, scope: bytes = b"", resource: bytes = b"") -> bytes:
    """Return a request with these spans in one scope."""
    in_scope = scope + b"".join(delimited(2, span) for span in spans)
    return delimited(1, resource + delimited(2, in_scope))


BAD_SPANS = {
    "truncated attribute": (IDS + b"\x4a\x03\x0a\x7f\x6b", "malformed"),
    "truncated value": (IDS + attribute(b"\x0a\x05ab"), "malformed"),
    "attribute's key is no UTF-8": (IDS + delimited(9, delimited(1, b"\xff")), "invalid_utf8"),
    "attribute's value is no UTF-8": (IDS + attribute(delimited(1, b"\xc3")), "invalid_utf8"),
    "half a surrogate pair": (IDS + delimited(5, b"\xed\xa0\x80"), "invalid_utf8"),
    "tracestate is no UTF-8": (IDS + delimited(3, b"\x80"), "invalid_utf8"),
    "status message is no UTF-8": (IDS + delimited(15, delimited(2, b"\xfe")), "invalid_utf8"),
    "truncated event": (IDS + delimited(11, b"\x12\x09x"), "malformed"),
    "event's name is no UTF-8": (IDS + delimited(11, delimited(2, b"\xff")), "invalid_utf8"),
    "truncated link": (IDS + delimited(13, b"\x0a\x10short"), "malformed"),
    "link's trace id of a wrong length": (IDS + delimited(13, delimited(1, b"abc")), "invalid_id"),
    "nested 200 deep": (IDS + attribute(value_in_lists(200)), "too_deep"),
    "nested one message too deep": (IDS + attribute(value_in_lists(48)), "too_deep"),
    "trace id of a wrong length": (b"\x0a\x03abc\x12\x08" + b"s" * 8, "invalid_id"),
    "span id of a wrong length": (b"\x0a\x10" + b"t" * 16 + b"\x12\x01s", "invalid_id"),
    "parent id of a wrong length": (IDS + b"\x22\x02pp", "invalid_id"),
    "name in a wrong wire type": (IDS + b"\x28\x01", "malformed"),
    "times in a wrong wire type": (IDS + b"\x38\x01", "malformed"),
    "an unknown field that ends too late": (IDS + b"\xa2\x06\x7f", "malformed"),
    "an unknown group": (IDS + b"\xa3\x06\xa4\x06", "malformed"),
    "field 0": (IDS + b"\x02\x00", "malformed"),
    "wire type 6": (IDS + b"\xa6\x06", "malformed"),
    "a number of 11 bytes": (IDS + b"\x30" + b"\xff" * 10 + b"\x01", "malformed"),
}


@pytest.mark.parametrize("name", BAD_SPANS)
def test_a_bad_span_is_cut_out_and_the_others_stay(name: str):
    """Byte for byte; and official protobuf reads what is left."""
    bad, reason = BAD_SPANS[name]
    checked = check("traces", request(GOOD, bad, GOOD) + request(GOOD))
    assert (checked.payload, checked.items, checked.rejected) == (request(GOOD, GOOD) + request(GOOD), 3, {reason: 1})
    ExportTraceServiceRequest.FromString(checked.payload)


def test_nesting_as_deep_as_protobuf_reads_is_fine():
    """100 messages below the request: 47 lists in an attribute of a span."""
    payload = request(IDS + attribute(value_in_lists(47)))
    ExportTraceServiceRequest.FromString(payload)
    assert check("traces", payload).payload is payload


@pytest.mark.parametrize(
    ("scope", "resource", "reason"),
    [
        (delimited(1, delimited(1, b"\xff")), b"", "invalid_utf8"),
        (delimited(3, b"\xff"), b"", "invalid_utf8"),
        (b"", delimited(1, delimited(1, b"\x0a\x7f")), "malformed"),
        (b"", delimited(3, b"\xff"), "invalid_utf8"),
        (b"\x0a\x7f", b"", "malformed"),
    ],
    ids=[
        "scope's name",
        "scope's schema URL",
        "resource's attribute",
        "resource's schema URL",
        "scope that does not end",
    ],
)
def test_what_encloses_items_takes_them_with_it(scope: bytes, resource: bytes, reason: str):
    """A malformed scope or resource takes its spans with it; other senders' spans stay."""
    checked = check("traces", request(GOOD, GOOD, scope=scope, resource=resource) + request(GOOD))
    expected = 1 if scope == b"\x0a\x7f" else 2  # a part that cannot be split counts as one item
    assert (checked.payload, checked.items, checked.rejected) == (request(GOOD), 1, {reason: expected})


@pytest.mark.parametrize("ids", [b"", b"\x0a\x10" + bytes(16) + b"\x12\x08" + b"s" * 8, b"\x0a\x10" + b"t" * 16])
def test_a_span_without_ids_is_bad_only_where_it_is_decoded(ids: bytes):
    """The Collector forwards such spans."""
    payload = request(ids, GOOD)
    assert check("traces", payload).payload is payload
    checked = check("traces", payload, identified=True)
    assert (checked.payload, checked.rejected) == (request(GOOD), {"invalid_id": 1})


def test_what_is_no_request_is_refused():
    with pytest.raises(WireError, match="it is not protobuf"):
        check("traces", b"rubbish")
    with pytest.raises(WireError, match="nothing in it can be read"):
        check("traces", request(BAD_SPANS["truncated attribute"][0]))


def test_a_bad_data_point_leaves_its_metric_and_the_others():
    """A bad metric takes its points with it."""
    point = b"\x19" + bytes(8)
    bad = delimited(7, delimited(1, b"\xff"))
    metric = delimited(1, b"name") + delimited(5, delimited(1, point) + delimited(1, bad))
    left = delimited(1, b"name") + delimited(5, delimited(1, point))
    only_bad = delimited(1, b"gone") + delimited(5, delimited(1, bad))
    bad_name = delimited(1, b"\xff") + delimited(5, delimited(1, point) + delimited(1, point))

    def of(*metrics: bytes) -> bytes:
        return delimited(1, delimited(2, b"".join(delimited(2, one) for one in metrics)))

    checked = check("metrics", of(metric, only_bad, bad_name))
    assert (checked.payload, checked.items, checked.rejected) == (of(left), 1, {"invalid_utf8": 4})


def test_a_bad_log_record_is_cut_out():
    good, bad = b"\x1a\x01I", b"\x4a\x03abc"

    def of(*records: bytes) -> bytes:
        return delimited(1, delimited(2, b"".join(delimited(2, one) for one in records)))

    checked = check("logs", of(good, bad))
    assert (checked.payload, checked.items, checked.rejected) == (of(good), 1, {"invalid_id": 1})


def _own_name(message) -> str:
    """Return the name of a message in the table: of the two links, that of profiles has another."""
    of_profiles = message.full_name == "opentelemetry.proto.profiles.v1development.Link"
    return "ProfileLink" if of_profiles else message.name


def test_the_table_declares_what_the_official_messages_do():
    """Every message and every field of the installed opentelemetry-proto, with the wire type that protobuf writes."""
    kinds = {1: "I64", 2: "I32", 3: "V", 4: "V", 5: "V", 6: "I64", 7: "I32", 8: "V", 9: "S", 12: "B", 13: "V"}
    kinds |= {14: "V", 15: "I32", 16: "I64", 17: "V", 18: "V"}
    names = {schema.VARINT: "V", schema.I64: "I64", schema.I32: "I32", schema.STRING: "S", schema.BYTES: "B"}
    names |= {schema.TRACE_ID: "B", schema.SPAN_ID: "B", schema.PACKED_I64: "I64", schema.PACKED_VARINT: "V"}
    waiting, seen = [signal.request.DESCRIPTOR for signal in SIGNALS.values()], set()
    while waiting:
        message = waiting.pop()
        name = _own_name(message)
        if name in seen:
            continue
        seen.add(name)
        declared = schema.MESSAGES[name]
        for field in message.fields:
            found = declared[field.number]
            if field.message_type is not None:
                assert found.message == _own_name(field.message_type), field.full_name
                waiting.append(field.message_type)
            else:
                assert names[found.kind] == kinds[field.type], field.full_name
    assert seen == schema.MESSAGES.keys()


# --- JSON ------------------------------------------------------------------------------------------------------------------


def json_request(*spans: object) -> bytes:
    return json.dumps({"resourceSpans": [{"schemaUrl": "u", "scopeSpans": [{"spans": list(spans)}]}]}).encode()


JSON_SPAN = {"traceId": "74" * 16, "spanId": "73" * 8, "name": "good"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"traceId": "zz"}, "malformed"),
        ({"name": 5}, "malformed"),
        ({"name": "\ud800"}, "invalid_utf8"),
        ({"kind": float("nan")}, "malformed"),
        ({"attributes": [{"key": "k", "value": {"intValue": "x"}}]}, "malformed"),
        ({"attributes": {}}, "malformed"),
    ],
)
def test_a_bad_span_in_json_refuses_itself_alone(changes: dict[str, object], reason: str):
    converted = convert("traces", json_request(JSON_SPAN, {**JSON_SPAN, **changes}, JSON_SPAN))
    assert converted.rejected == {reason: 1}
    (of_resource,) = ExportTraceServiceRequest.FromString(converted.payload).resource_spans
    assert of_resource.schema_url == "u"
    assert [span.name for span in of_resource.scope_spans[0].spans] == ["good", "good"]
    assert of_resource.scope_spans[0].spans[0].trace_id == b"t" * 16


def test_json_that_is_no_utf8_in_one_span_refuses_that_span():
    payload = json_request(JSON_SPAN, {**JSON_SPAN, "name": "XXXX"}).replace(b"XXXX", b"\xff")
    converted = convert("traces", payload)
    assert converted.rejected == {"invalid_utf8": 1}


def test_json_with_a_bad_resource_loses_its_spans_alone():
    bad = {"resource": 7, "scopeSpans": [{"spans": [JSON_SPAN, JSON_SPAN]}]}
    good = {"scopeSpans": [{"spans": [JSON_SPAN]}]}
    converted = convert("traces", json.dumps({"resourceSpans": [bad, good]}).encode())
    assert converted.rejected == {"malformed": 2}
    assert len(ExportTraceServiceRequest.FromString(converted.payload).resource_spans) == 1


def test_a_bad_metric_in_json_is_counted_by_its_points():
    good = {"name": "g", "gauge": {"dataPoints": [{"asInt": "1"}]}}
    bad = {"name": "b", "sum": {"dataPoints": [{"asInt": "1"}, {"asInt": "x"}]}}
    content = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [good, bad]}]}]}
    converted = convert("metrics", json.dumps(content).encode())
    assert converted.rejected == {"malformed": 2}
    assert check("metrics", converted.payload).items == 1


def test_json_of_which_nothing_can_be_read_is_refused():
    for payload in (json_request({"name": 5}), b"{", b"[" * 100_000):
        with pytest.raises(WireError):
            convert("traces", payload)
