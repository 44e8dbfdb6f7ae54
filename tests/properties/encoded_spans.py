"""Encoded spans, what C makes of them, and what they are counted in."""

from __future__ import annotations

from types import SimpleNamespace

from otel_fe import compiled
from otel_fe.pipeline.span_metrics.aggregates import ExplicitDurations
from otel_fe.pipeline.span_metrics.series import Series
from otel_fe.wire.batch import Trace
from otel_fe.wire.decode import Decoder
from otel_fe.wire.fields import delimited
from otel_fe.wire.span import WireSpan

SPAN_IDS = delimited(1, b"t" * 16) + delimited(2, b"s" * 8)


def payload_of(*spans):
    """Return a request with one scope, whose encoded spans are given."""
    return delimited(1, delimited(2, b"".join(delimited(2, span) for span in spans)))


def read(payload, kind=WireSpan, trace_kind=Trace, resources=None):
    """Return what C makes of a request."""
    decoder = Decoder()
    return compiled.backend.batch_of(payload, resources or decoder.resources, decoder.scopes, kind, trace_kind)


def parsed(*spans):
    """Return spans, encoded, as objects."""
    return list(read(payload_of(*spans)).spans)


def encoded(number):
    """Return a span of a trace of its own."""
    return delimited(1, number.to_bytes(16, "big")) + delimited(2, b"s" * 8)


def series(edges=(10,)):
    return Series(ExplicitDurations(edges, 1), {}, 0)


def source(*finders):
    """Return how the spans of a resource are counted."""
    return SimpleNamespace(finders=finders, measured=SimpleNamespace(seen_ns=0))
