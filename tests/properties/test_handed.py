"""Spans that another worker decides, taken out of a request in C: they are what the plain way takes out."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from otel_fe import compiled
from otel_fe.wire.decode import Decoder
from otel_fe.wire.fields import delimited
from otel_fe.wire.handed import hand_over
from tests.effort import examples

pytestmark = pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")

SPANS = st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0, 3, 130, 17_000])), max_size=5)
SCOPES = st.lists(st.tuples(st.sampled_from(["", "a", "b" * 200]), SPANS), max_size=3)
REQUESTS = st.lists(st.tuples(st.sampled_from(["", "x", "y" * 20_000]), SCOPES), max_size=4)


def payload_of(request) -> bytes:
    """Return a request with spans whose ids are distinct."""
    number = 0
    written = []
    for service, scopes in request:
        resource = ResourceSpans(schema_url=service)
        if service:
            resource.resource.attributes.add(key="service.name").value.string_value = service
        for name, spans in scopes:
            scope = ScopeSpans()
            scope.scope.name = name
            for trace, length in spans:
                number += 1
                span = Span(trace_id=trace.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="n" * length)
                scope.spans.append(span)
            resource.scope_spans.append(scope)
        written.append(delimited(1, resource.SerializeToString()))
    return b"".join(written)


def spans_of(batch) -> Counter:
    """Return the spans of a request with all that is around them."""
    return Counter((span.resource.frame, span.scope.frame, span.raw) for span in batch.spans)


def sizes_of(batch) -> Counter:
    return Counter((trace.trace_id, trace.size_bytes) for trace in batch.traces)


@settings(max_examples=examples(100), deadline=None)
@given(REQUESTS, st.integers(1, 3))
def test_nothing_is_changed_and_nothing_is_lost(request, workers):
    """Of all workers together, the requests hold every span once, in its resource and scope, and traces are as large as before."""
    payload = payload_of(request)
    whole = Decoder().decode(payload)
    expected_of_all = spans_of(whole) + sizes_of(whole)
    found, plain = Decoder().decode(payload), Decoder()._decode(payload, sized=True)
    together: Counter = Counter()
    for worker in range(workers):
        handed, spans = hand_over(found, worker, workers)
        expected, expected_spans = hand_over(plain, worker, workers)
        again = Decoder().decode(handed)
        assert spans_of(again) == spans_of(Decoder().decode(expected))
        assert spans == expected_spans == again.accepted
        together += spans_of(again) + sizes_of(again)
    assert together == expected_of_all
    assert found.accepted == plain.accepted == 0


@pytest.mark.parametrize("frame", ["text", None])
def test_a_resource_without_its_bytes_is_an_error(frame):
    """Nothing is removed then."""
    decoder = Decoder()
    batch = decoder.decode(payload_of([("x", [("a", [(1, 0)])])]))
    next(iter(batch.spans)).resource.frame = frame
    with pytest.raises(TypeError):
        hand_over(batch, 0, 1)
    assert batch.accepted == 1
