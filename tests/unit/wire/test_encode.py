"""Encoding: a span leaves as it came, but for what the decision adds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_fe.model import trace_state
from otel_fe.model.decision import Decision
from otel_fe.wire.decode import decode
from otel_fe.wire.encode import POLICY, encode, stamped
from otel_fe.wire.fields import delimited
from tests.unit.wire.otlp import REQUESTS, pair, spans_of

THRESHOLDS = st.sampled_from([None, 0, 1 << 55, 3 << 54])


def kept(request, threshold, reason="slow"):
    decision = Decision(sampled=True, reason=reason, threshold=threshold)
    return [(trace.spans, decision) for trace in decode(request.SerializeToString()).traces]


def sorted_spans(request):
    """Return every span with what stands around it, in an order that does not depend on the request's."""
    found = []
    for resource_spans, scope_spans, span in spans_of(request):
        resource, scope = type(resource_spans)(), type(scope_spans)()
        resource.CopyFrom(resource_spans)
        scope.CopyFrom(scope_spans)
        del resource.scope_spans[:]
        del scope.spans[:]
        found.append(tuple(message.SerializeToString(deterministic=True) for message in (span, resource, scope)))
    return sorted(found)


@given(REQUESTS, THRESHOLDS, st.sampled_from([100, 600, 10_000_000]))
def test_spans_leave_as_they_came_but_for_the_threshold(request, threshold, maximum_bytes):
    """Spans leave with their resources and scopes, schema URLs and unknown fields, in as many requests as that takes."""
    expected = ExportTraceServiceRequest()
    expected.CopyFrom(request)
    for _, _, span in spans_of(expected):
        state = trace_state.stamped(span.trace_state, threshold)
        span.trace_state = span.trace_state if state is None else state
    merged, count = ExportTraceServiceRequest(), 0
    for payload, spans in encode(kept(request, threshold), maximum_bytes=maximum_bytes):
        assert spans == 1 or len(payload) <= maximum_bytes
        part = ExportTraceServiceRequest.FromString(payload)
        assert sum(1 for _ in spans_of(part)) == spans
        merged.MergeFrom(part)
        count += spans
    assert count == sum(1 for _ in spans_of(request))
    assert sorted_spans(merged) == sorted_spans(expected)


@given(REQUESTS, THRESHOLDS)
def test_what_the_decision_does_not_change_leaves_byte_for_byte(request, threshold):
    """A span that already has its weight is sent on byte for byte."""
    once = b"".join(payload for payload, _ in encode(kept(request, threshold)))
    first = [span.raw for span in decode(once).spans]
    again = [stamped(span, Decision(sampled=True, reason="", threshold=threshold)) for span in decode(once).spans]
    assert again == first
    twice = b"".join(payload for payload, _ in encode(kept(ExportTraceServiceRequest.FromString(once), threshold)))
    assert sorted_spans(ExportTraceServiceRequest.FromString(twice)) == sorted_spans(
        ExportTraceServiceRequest.FromString(once)
    )


SMALL = delimited(1, b"t" * 16) + delimited(2, b"s" * 8)


def span_of(raw: bytes):
    (span,) = decode(delimited(1, delimited(2, delimited(2, raw)))).spans
    return span


HALF = Decision(sampled=True, reason="baseline", threshold=1 << 55)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SMALL, SMALL + delimited(3, b"ot=th:8")),
        (SMALL + delimited(3, b"ot=th:c"), SMALL + delimited(3, b"ot=th:c")),
        (SMALL + delimited(3, b"ot=th:4") + b"*\x01n", SMALL + b"*\x01n" + delimited(3, b"ot=th:8")),
        (SMALL + b"*\x01n" + delimited(3, b"ot=th:4"), SMALL + b"*\x01n" + delimited(3, b"ot=th:8")),
        (delimited(3, b"a=1") + SMALL, SMALL + delimited(3, b"ot=th:8,a=1")),
        (SMALL + b"*\x01n" + delimited(3, b"a=1") * 2, SMALL + b"*\x01n" + delimited(3, b"ot=th:8,a=1")),
        (SMALL + delimited(3, b"no tracestate"), SMALL + delimited(3, b"no tracestate")),
        (SMALL + pair(b"k", delimited(3, b"a=1")), SMALL + pair(b"k", delimited(3, b"a=1")) + delimited(3, b"ot=th:8")),
    ],
)
def test_the_bytes_of_a_tracestate(before, after):
    """The old one is taken out wherever it stands, ours comes last, nothing else moves."""
    assert stamped(span_of(before), HALF) == after


def test_a_long_tracestate_is_replaced():
    """A long tracestate's length takes two bytes, and so does that of a name before it."""
    before = SMALL + delimited(5, b"n" * 300) + delimited(3, b"a=" + b"b" * 200)
    message = Span.FromString(stamped(span_of(before), HALF))
    assert message.trace_state == "ot=th:8,a=" + "b" * 200
    assert message.name == "n" * 300


def test_an_unknown_probability_erases_the_threshold():
    erased = Decision(sampled=True, reason="x", threshold=None)
    assert stamped(span_of(SMALL + delimited(3, b"ot=th:8")), erased) == SMALL


def test_the_policy_is_recorded_where_asked():
    """The policy is recorded on the span, after everything that came; one that is there already stays."""
    raw = stamped(span_of(SMALL), HALF, record_policy=True)
    assert raw.startswith(SMALL)
    (attribute,) = Span.FromString(raw).attributes
    assert (attribute.key, attribute.value.string_value) == (POLICY, "baseline")
    other = Decision(sampled=True, reason="slow", threshold=1 << 55)
    assert stamped(span_of(raw), other, record_policy=True) == raw
    assert b"baseline" not in stamped(span_of(SMALL), HALF)


def test_what_has_the_same_resource_and_scope_is_sent_together():
    """Spans with equal resource and scope are sent together, also from several traces and requests."""
    request = ExportTraceServiceRequest()
    for name in ("a", "b", "a"):
        resource_spans = request.resource_spans.add(schema_url="r")
        resource_spans.resource.attributes.add(key="service.name").value.string_value = name
        for number in range(3):
            scope_spans = resource_spans.scope_spans.add(schema_url="s")
            scope_spans.scope.name = "scope"
            scope_spans.spans.add(trace_id=bytes([number + 1]) * 16, span_id=b"s" * 8)
    ((payload, spans),) = encode(kept(request, 0))
    sent = ExportTraceServiceRequest.FromString(payload)
    assert spans == 9
    assert [r.resource.attributes[0].value.string_value for r in sent.resource_spans] == ["a", "b"]
    assert [[len(s.spans) for s in r.scope_spans] for r in sent.resource_spans] == [[6], [3]]
    assert {r.schema_url for r in sent.resource_spans} == {"r"}
    assert {s.schema_url for r in sent.resource_spans for s in r.scope_spans} == {"s"}


def test_nothing_kept_is_no_request():
    assert list(encode([])) == []
