"""The memory that a processed request leaves behind."""

from __future__ import annotations

import sys

import pytest

from otel_fe.model.span import Resource, Scope, Span
from otel_fe.wire.decode import Decoder
from tests.corpus.wire import encode

RESOURCE, SCOPE = Resource({"service.name": "a"}), Scope("lib", "1")
KEEPS = {
    "a span": lambda batch: batch.traces[0].spans[1],
    "the spans of a trace": lambda batch: batch.traces[0].spans,
    "a trace": lambda batch: batch.traces[0],
    "other spans, in a list of their own": lambda batch: list(batch.traces[1].spans),
}


def request():
    """Return a request of two traces with two spans each."""
    return encode(
        [
            Span(trace, number, name="a", attributes={"n": number}, resource=RESOURCE, scope=SCOPE)
            for trace in (1, 2)
            for number in (1, 2)
        ]
    )


@pytest.mark.parametrize("kept", KEEPS)
def test_what_is_kept_does_not_hold_the_request(kept):
    """A pending span would otherwise cost as much as all that it came with."""
    payload = request()
    batch = Decoder().decode(payload, sized=False)
    held = KEEPS[kept](batch)
    before = sys.getrefcount(payload)
    batch.release()
    del batch
    assert held
    assert sys.getrefcount(payload) == 2 <= before


def test_spans_say_the_same_afterwards():
    """Spans keep their bytes and attributes, whether these were read before or not."""
    payload = request()
    batch, other = (Decoder().decode(payload, sized=False) for _ in range(2))
    spans, expected = list(batch.spans), list(other.spans)
    assert spans[0].attributes["n"] == 1
    batch.release()
    for span, same in zip(spans, expected, strict=True):
        assert (span.raw, dict(span.attributes), span.name) == (same.raw, dict(same.attributes), same.name)
