"""OTLP/JSON, and answers in both encodings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.wire.decode import decode
from otel_fe.wire.json import from_protobuf, to_protobuf
from otel_fe.wire.responses import ExportOutcome, read_response, response
from otel_fe.wire.wire_error import WireError
from tests.unit.wire.otlp import IDS, REQUESTS, TEXT, TRACE_IDS, UINT64, spans_of

SPAN = {
    "traceId": "5B8EFFF798038103D269B633813FC60C",
    "spanId": "eee19b7ec3c1b174",
    "parentSpanId": "",
    "name": "I'm a span",
    "startTimeUnixNano": "1544712660000000000",
    "endTimeUnixNano": 1544712661000000000,
    "kind": 2,
    "fromTheFuture": {"traceId": "00"},
    "status": {"code": 2},
    "attributes": [
        {"key": "traceId", "value": {"stringValue": "no hex"}},
        {"key": "int", "value": {"intValue": "-5"}},
        {"key": "number", "value": {"intValue": 7}},
        {"key": "bytes", "value": {"bytesValue": "AP8="}},
        {"key": "double", "value": {"doubleValue": 1}},
        {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}}},
    ],
    "links": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}],
}


def request(**changes) -> bytes:
    spans = [{**SPAN, **changes}]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}], "schemaUrl": "u"}]}).encode()


def test_the_forms_that_the_specification_allows():
    """Hexadecimal ids in either case, 64-bit numbers as texts or numbers, enums as numbers, bytes in base64."""
    payload = to_protobuf("traces", request())
    (span,) = decode(payload).spans
    assert span.trace_id == 0x5B8EFFF798038103D269B633813FC60C
    assert (span.span_id, span.parent_id) == (0xEEE19B7EC3C1B174, 0)
    assert (span.start_ns, span.end_ns) == (1544712660000000000, 1544712661000000000)
    assert (span.kind, span.status) == (2, 2)
    assert dict(span.attributes) == {
        "traceId": "no hex",
        "int": -5,
        "number": 7,
        "bytes": b"\x00\xff",
        "double": 1.0,
        "list": [True, None],
    }
    (link,) = next(spans_of(ExportTraceServiceRequest.FromString(payload)))[2].links
    assert link.trace_id.hex() == "5b8efff798038103d269b633813fc60c"


def test_what_is_written_is_what_the_specification_says():
    """The first example of the specification, in our words."""
    written = json.loads(from_protobuf("traces", to_protobuf("traces", request())))
    (span,) = written["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["traceId"] == "5b8efff798038103d269b633813fc60c"
    assert span["spanId"] == "eee19b7ec3c1b174"
    assert span["endTimeUnixNano"] == "1544712661000000000"
    assert span["kind"] == 2
    assert span["status"] == {"code": 2}
    assert {"key": "int", "value": {"intValue": "-5"}} in span["attributes"]
    assert {"key": "bytes", "value": {"bytesValue": "AP8="}} in span["attributes"]
    assert "fromTheFuture" not in span


@given(REQUESTS)
def test_traces_survive_the_way_there_and_back(request):
    """All that is known of them: JSON has no place for unknown fields."""
    known = ExportTraceServiceRequest()
    known.CopyFrom(request)
    known.DiscardUnknownFields()
    back = to_protobuf("traces", from_protobuf("traces", request.SerializeToString()))
    assert ExportTraceServiceRequest.FromString(back) == known


@given(TRACE_IDS, IDS, TEXT, UINT64, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
def test_metrics_and_logs_survive_too(trace_id, span_id, text, count, integer, number):
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name=text)
    point = metric.histogram.data_points.add(
        count=count, sum=number, bucket_counts=[count, 0], explicit_bounds=[number]
    )
    point.exemplars.add(trace_id=trace_id, span_id=span_id, as_int=integer)
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add(trace_id=trace_id, span_id=span_id)
    record.body.string_value = text
    record.time_unix_nano = count
    for signal, message in (("metrics", metrics), ("logs", logs)):
        written = from_protobuf(signal, message.SerializeToString())
        assert trace_id.hex() in written.decode()
        assert type(message).FromString(to_protobuf(signal, written)) == message


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"7" * 10_000,
        b"[" * 100_000,
        b'{"resourceSpans":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"resourceSpans": 1}',
        b'{"resourceSpans": [null]}',
        b'{"resourceSpans": ["x"]}',
        b'{"resourceSpans": {"a": 1}}',
        request(traceId="xyz"),
        request(traceId="abc"),
        request(traceId="W47/95gDgQPSabYzgT/GDA=="),
        request(traceId=5),
        request(traceId={"a": "b"}),
        request(name=5),
        request(name="\ud800"),
        b'{"\\ud800": 1}',
        request(startTimeUnixNano="-1"),
        request(startTimeUnixNano=2**64),
        request(startTimeUnixNano=1.5),
        request().replace(b'"kind": 2', b'"kind": 1e999'),
        request(startTimeUnixNano="x"),
        request(events={}),
        request(status=[]),
        b'{"resourceSpans": [["x"]]}',
        b'{"resourceSpans": [{"resource": "x"}]}',
        request(flags=-1),
        request(startTimeUnixNano=float("nan")),
        request(attributes=[{"key": "k", "value": {"bytesValue": "?"}}]),
        request(attributes=[{"key": "k", "value": {"stringValue": "a", "intValue": 1}}]),
    ],
)
def test_rubbish_is_refused(payload):
    """Invalid input raises a single error that names the fault."""
    with pytest.raises(WireError, match=r"no (OTLP/)?JSON: .+"):
        to_protobuf("traces", payload)


def test_what_stands_inside_of_something_unknown_is_not_looked_at():
    payload = b'{"resourceSpans": [{"fromTheFuture": {"traceId": "xyz", "spanId": [1]}}], "other": 1}'
    assert len(ExportTraceServiceRequest.FromString(to_protobuf("traces", payload)).resource_spans) == 1


def test_nothing_is_a_request():
    assert to_protobuf("traces", b"{}") == to_protobuf("traces", b'{"resourceSpans": null}') == b""


def test_an_id_of_a_wrong_length_is_left_to_decode():
    """Which rejects its span, and no other."""
    assert decode(to_protobuf("traces", request(spanId="abcd"))).rejected == 1


def test_rubbish_in_protobuf_is_refused():
    with pytest.raises(WireError, match="no request to export logs"):
        from_protobuf("logs", b"\xff")


@pytest.mark.parametrize(
    ("signal", "field"),
    [("traces", "rejectedSpans"), ("metrics", "rejectedDataPoints"), ("logs", "rejectedLogRecords")],
)
def test_answers(signal, field):
    """Full success is empty; a partial one counts and explains; a sender of ours reads what a receiver of ours writes."""
    assert response(signal) == b""
    assert response(signal, as_json=True) == b"{}"
    partial = ExportOutcome(3, "no ids")
    written = json.loads(response(signal, partial, as_json=True))
    assert written == {"partialSuccess": {field: "3", "errorMessage": "no ids"}}
    for as_json in (False, True):
        for outcome in (ExportOutcome(), partial, ExportOutcome(0, "a warning")):
            assert read_response(signal, response(signal, outcome, as_json=as_json), as_json=as_json) == outcome
    assert read_response(signal, b"", as_json=True) == ExportOutcome()
    for as_json in (False, True):
        with pytest.raises(WireError, match=f"no answer to an export of {signal}"):
            read_response(signal, b"\xff", as_json=as_json)
