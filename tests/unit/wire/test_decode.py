"""Decoding: what our view of a request says, the official classes say too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_fe.wire.decode import Decoder, decode
from otel_fe.wire.fields import delimited
from otel_fe.wire.wire_error import WireError
from tests.unit.wire.otlp import REQUESTS, pair, python_attributes, spans_of


def key(span):
    return span.SerializeToString()


@given(REQUESTS, st.booleans())
def test_every_answer_is_that_of_the_official_classes(request, released):
    """Ids, times, attributes of every type, events, resource and scope; before and after the parsed request is let go."""
    batch = Decoder().decode(request.SerializeToString())
    held = list(batch.spans)  # spans that are still referenced outlive the batch
    if released:
        batch.release()
    expected = sorted(spans_of(request), key=lambda found: key(found[2]))
    found = sorted(held, key=lambda span: Span.FromString(span.raw).SerializeToString())
    assert batch.rejected == 0
    assert len(found) == len(expected)
    for ours, (_, _, theirs) in zip(found, expected, strict=True):
        assert Span.FromString(ours.raw) == theirs
        assert (ours.trace_id, ours.span_id) == (
            int.from_bytes(theirs.trace_id, "big"),
            int.from_bytes(theirs.span_id, "big"),
        )
        assert ours.parent_id == int.from_bytes(theirs.parent_span_id, "big")
        assert (ours.name, ours.kind, ours.flags) == (theirs.name, theirs.kind, theirs.flags)
        assert (ours.start_ns, ours.end_ns) == (theirs.start_time_unix_nano, theirs.end_time_unix_nano)
        assert (ours.status, ours.trace_state) == (theirs.status.code, theirs.trace_state)
        assert [(e.name, e.time_ns, e.attributes) for e in ours.events] == [
            (e.name, e.time_unix_nano, python_attributes(e.attributes)) for e in theirs.events
        ]


@given(REQUESTS, st.booleans())
def test_attributes_are_those_of_the_official_classes(request, released):
    """Attributes are the same one by one, in any order of asking, and all together; absent ones are not found."""
    decoder = Decoder()
    for _ in range(2):  # the second time, places and values are remembered
        batch = decoder.decode(request.SerializeToString())
        if released:
            batch.release()
        for span in batch.spans:
            theirs = python_attributes(Span.FromString(span.raw).attributes)
            ours = span.attributes
            for name, value in reversed(theirs.items()):
                assert name in ours
                assert ours.get(name) == ours[name] == value
                assert type(ours.get(name)) is type(value)
            for name in ("absent", "a", "error.type", "\ufffd", "n0"):
                assert ours.get(name, ours) == theirs.get(name, ours)
            assert ours == theirs
            assert (list(ours), len(ours), dict(ours.items())) == (list(theirs), len(theirs), theirs)


@given(REQUESTS)
def test_resources_and_scopes_are_told_apart_by_identity(request):
    """Equal ones are one object, in all requests; their attributes are decoded."""
    decoder = Decoder()
    twice = [list(decoder.decode(request.SerializeToString()).spans) for _ in range(2)]
    for first, second in zip(*twice, strict=True):
        assert first.resource is second.resource
        assert first.scope is second.scope
    places = {}
    for resource_spans, scope_spans, span in spans_of(request):
        places.setdefault(key(span), []).append((resource_spans, scope_spans))
    for span in twice[0]:
        around = places[Span.FromString(span.raw).SerializeToString()]
        assert any(span.resource.attributes == python_attributes(rs.resource.attributes) for rs, _ in around)
        assert any(
            (span.scope.name, span.scope.version, span.scope.attributes)
            == (ss.scope.name, ss.scope.version, python_attributes(ss.scope.attributes))
            for _, ss in around
        )


@given(REQUESTS)
def test_sizes_are_those_of_the_requests_regrouped_by_trace(request):
    """Sizes are counted as in the Collector: each ResourceSpans by trace, empty parents, statuses, resources and scopes encoded."""
    expected: dict[int, int] = {}
    for resource_spans in request.resource_spans:
        ids = {span.trace_id for scope_spans in resource_spans.scope_spans for span in scope_spans.spans}
        for trace_id in ids:
            part = type(resource_spans)()
            part.CopyFrom(resource_spans)
            part.resource.SetInParent()
            del part.scope_spans[:]
            missing = 0
            for scope_spans in resource_spans.scope_spans:
                spans = [span for span in scope_spans.spans if span.trace_id == trace_id]
                if spans:
                    scope = part.scope_spans.add()
                    scope.CopyFrom(scope_spans)
                    scope.scope.SetInParent()
                    del scope.spans[:]
                    scope.spans.extend(spans)
                    for span in scope.spans:
                        span.status.SetInParent()
                        missing += not span.parent_span_id
            number = int.from_bytes(trace_id, "big")
            expected[number] = expected.get(number, 0) + part.ByteSize() + 2 * missing
    sizes = {trace.trace_id: trace.size_bytes for trace in decode(request.SerializeToString()).traces}
    assert sizes.keys() == expected.keys()
    for trace_id, size in sizes.items():  # two bytes more in a span may make its length one byte longer
        assert 0 <= size - expected[trace_id] <= 8
    assert all(t.size_bytes == 0 for t in decode(request.SerializeToString(), sized=False).traces)


SPAN = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "name": "n"}


def request_of(*spans):
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


@pytest.mark.parametrize(
    "wrong",
    [
        {"trace_id": b""},
        {"trace_id": b"short"},
        {"trace_id": bytes(16)},
        {"trace_id": b"t" * 17},
        {"span_id": b""},
        {"span_id": bytes(8)},
        {"span_id": b"s" * 9},
        {"parent_span_id": b"short"},
    ],
)
def test_a_span_without_valid_ids_is_rejected_and_the_rest_accepted(wrong):
    """A span without valid ids is counted, and the message for its sender names the reason."""
    batch = decode(request_of(Span(**{**SPAN, **wrong}), Span(**SPAN)))
    assert batch.rejected == 1
    assert "1 spans have no valid" in batch.message
    assert [span.name for span in batch.spans] == ["n"]
    assert [trace.trace_id for trace in batch.traces] == [int.from_bytes(b"t" * 16, "big")]


def test_a_parent_of_zeros_is_none():
    (span,) = decode(request_of(Span(**SPAN, parent_span_id=bytes(8)))).spans
    assert span.parent_id == 0


def test_an_empty_request_is_one():
    """OTLP: it is answered with success."""
    batch = decode(b"")
    assert (list(batch.traces), batch.rejected, batch.message, list(batch.spans)) == ([], 0, "", [])


SMALL = delimited(1, b"t" * 16) + delimited(2, b"s" * 8)


def raw_request(span: bytes) -> bytes:
    return delimited(1, delimited(2, delimited(2, span)))


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"\x0a\x05ab",
        b"\x00\x01",
        b"\x0b\x08\x01",
        b"\x0c",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        delimited(1, delimited(1, b"\xff")),
        delimited(1, delimited(3, b"\xff")),
        delimited(1, delimited(2, b"\xff")),
        delimited(1, delimited(2, delimited(1, b"\xff\xff"))),
        raw_request(b"\xff"),
        raw_request(SMALL + delimited(5, b"\xff")),
        raw_request(SMALL + delimited(3, b"\xc3")),
        raw_request(SMALL + delimited(15, b"\x18")),
        b'{"resourceSpans":[]}',
        b"\x0b" * 200_000,
    ],
)
def test_what_is_no_request_is_refused(payload):
    """Just where protobuf refuses it."""
    with pytest.raises(Exception, match=r"pars|Pars"):
        ExportTraceServiceRequest.FromString(payload)
    with pytest.raises(WireError):
        decode(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x0a\x00" * 100_001,
        delimited(1, b"\x12\x00" * 100_001),
        delimited(1, delimited(2, b"\x12\x00" * 2_000)),
    ],
)
def test_unreasonable_numbers_of_nothing_are_refused(payload):
    """Too many empty messages are refused: two bytes each here, but hundreds once parsed."""
    with pytest.raises(WireError):
        decode(payload)


TOLERATED = {
    "a key that is no UTF-8": (pair(b"\xff", b"v"), {"\ufffd": "v"}),
    "a text that is no UTF-8": (pair(b"k", b"\xff"), {"k": "\ufffd"}),
    "a value that is none": (delimited(9, delimited(1, b"k") + delimited(2, b"\x0a\x05a")), {"k": None}),
    "an attribute that is none": (delimited(9, b"\xff") + pair(b"k", b"v"), {"k": "v"}),
    "a value before its key": (delimited(9, delimited(2, delimited(1, b"v")) + delimited(1, b"k")), {"k": "v"}),
    "a key twice, of which the last counts": (
        delimited(9, delimited(1, b"k") + delimited(2, b"\x10\x01") + delimited(1, b"l")),
        {"l": True},
    ),
    "a length in two bytes": (delimited(9, b"\x0a\x81\x00k" + delimited(2, b"\x10\x00")), {"k": False}),
    "a number in two bytes": (delimited(9, delimited(1, b"k") + delimited(2, b"\x18\x81\x00")), {"k": 1}),
    "an attribute without a value": (delimited(9, delimited(1, b"k")), {"k": None}),
    "an attribute in a value": (pair(b"x", pair(b"k", b"v")), {"x": pair(b"k", b"v").decode()}),
    "an attribute in an event": (delimited(11, pair(b"k", b"v")), {}),
}


@pytest.mark.parametrize("fields, expected", TOLERATED.values(), ids=TOLERATED)
def test_attributes_in_strange_encodings(fields, expected):
    """Whatever protobuf let through can be asked without an error, and what looks like an attribute must be one."""
    for released in (False, True):
        batch = decode(raw_request(SMALL + fields))
        (span,) = batch.spans
        if released:
            batch.release()
        for name in ("k", "l", "\ufffd", "x"):
            assert span.attributes.get(name, "absent") == expected.get(name, "absent")
        assert dict(span.attributes) == expected
        assert 5 not in span.attributes


def test_what_one_span_taught_is_not_believed_of_the_next():
    """Places and values are only where to look first."""
    decoder = Decoder()
    orders = [b"abc", b"cab", b"b", b"bca", b"", b"abc"]
    for number, order in enumerate(orders * 3):
        fields = b"".join(pair(bytes([k]), b"%c%d" % (k, number % 4)) for k in order)
        (span,) = decoder.decode(raw_request(SMALL + fields)).spans
        for k in b"abcd":
            expected = f"{k:c}{number % 4}" if k in order else None
            assert span.attributes.get(chr(k)) == expected


def test_events_that_cannot_be_read_are_none():
    (span,) = decode(raw_request(SMALL + delimited(11, b"\xff"))).spans
    assert span.events == ()
    (span,) = decode(raw_request(SMALL + delimited(11, delimited(2, b"\xff")))).spans
    assert [event.name for event in span.events] == ["\ufffd"]


def nested(depth: int) -> bytes:
    value = delimited(1, b"end")
    for _ in range(depth):
        value = delimited(5, delimited(1, value))
    return value


def test_values_within_values_have_an_end():
    """Nested values are all there as deep as protobuf takes them; deeper ones are cut off, without an error."""
    for depth, reached in ((40, 40), (60, 60), (5_000, 64)):
        (span,) = decode(raw_request(SMALL + delimited(9, delimited(1, b"k") + delimited(2, nested(depth))))).spans
        value, seen = span.attributes["k"], 0
        while isinstance(value, list) and value:
            value, seen = value[0], seen + 1
        assert seen == reached
        assert value == ("end" if depth < 64 else [])


def test_a_resource_in_two_parts_is_one():
    """Protobuf merges them, and nothing of either is lost."""
    first, second = (delimited(1, delimited(1, delimited(1, k) + delimited(2, b"\x18\x01"))) for k in (b"a", b"b"))
    (span,) = decode(delimited(1, first + delimited(2, delimited(2, SMALL)) + second)).spans
    assert span.resource.attributes == {"a": 1, "b": 1}
    assert span.resource.frame == first + second
