"""A batch that a callback releases while it is processed: nothing is read that is no longer there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from otel_fe import compiled
from otel_fe.pipeline.received_metrics import ReceivedMetrics
from otel_fe.wire.batch import Trace
from otel_fe.wire.fields import delimited
from otel_fe.wire.span import WireSpan
from tests.properties.encoded_spans import SPAN_IDS, encoded, parsed, payload_of, read, series

pytestmark = pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")


class _Releasing:
    """Releases its batch when it is called, and writes over the memory that has become free."""

    def __init__(self, result=None):
        self.batch = None
        self.result = result
        self.written = []

    def __call__(self, *_):
        self.batch.release()
        self.written = [b"\xee" * (len(_brought()) - n) for n in range(40)]
        return self.result


def _brought():
    """Return a request of three traces, to which only its reader holds a reference."""
    return payload_of(encoded(1) + delimited(5, b"a"), encoded(2) + delimited(5, b"a"), encoded(3))


def test_a_batch_may_be_released_by_whoever_makes_its_traces():
    """A batch that is released while its traces are being made raises RuntimeError; it used to read beyond its lists."""
    for ask in (lambda b: list(b.traces), lambda b: list(b.spans), lambda b: b.traces[0]):
        releasing = _Releasing(Trace(1))
        releasing.batch = batch = read(_brought(), trace_kind=releasing)
        with pytest.raises(RuntimeError, match="was released"):
            ask(batch)


def test_a_batch_may_be_released_while_its_spans_are_handed_over():
    """By whatever has the bytes of a resource: nothing is written from a request that is gone."""
    releasing = _Releasing(b"")
    resource = type("Resource", (), {"frame": property(releasing), "size_bytes": 0})()
    releasing.batch = batch = read(_brought(), resources={b"": resource})
    with pytest.raises(RuntimeError, match="was released"):
        compiled.backend.hand_over(batch, 0, 1)


def test_a_batch_may_be_released_by_whoever_makes_its_spans():
    """The one that is being made has its bytes all the same."""
    releasing = _Releasing()

    class Odd(WireSpan):
        def __new__(cls):
            releasing()
            return super().__new__(cls)

    releasing.batch = batch = read(_brought(), kind=Odd)
    with pytest.raises(RuntimeError, match="was released"):
        list(batch.spans)
    releasing.batch = batch = read(payload_of(encoded(1)), kind=Odd)
    assert [span.raw for span in batch.spans] == [encoded(1)]


@pytest.mark.parametrize("by", ["told", "metrics_of"])
def test_a_batch_may_be_released_by_whoever_is_asked_about_extractions(by):
    """The extraction in question is counted, although no other reference to its bytes is left."""
    metrics = ReceivedMetrics(9, lambda _: 0)
    metrics.record_spans(parsed(SPAN_IDS + delimited(5, b"a")))
    releasing = _Releasing(False if by == "told" else metrics)
    asked = {"told": lambda _: False, "metrics_of": lambda _: metrics, by: releasing}
    releasing.batch = read(
        payload_of(encoded(1) + delimited(3, b"a=b") + delimited(5, b"a"), encoded(2) + delimited(5, b"a"))
    )
    with pytest.raises(RuntimeError, match="was released"):
        compiled.backend.counted(releasing.batch.spans, "a", asked["metrics_of"], asked["told"])
    assert [one.duration.count for one in metrics.all_series()] == [2]


def test_a_batch_may_be_released_by_whoever_counts_its_spans():
    """The one that it was about is counted, and the next one is no more."""
    finder, one, releasing = compiled.backend.Finder([]), series(), _Releasing()
    finder.learn(*parsed(SPAN_IDS + delimited(5, b"a")), one)

    class Measured:
        seen_ns = property(lambda _: 0, releasing)

    releasing.batch = batch = read(_brought(), resources={b"": "resource"})
    sources = {"resource": SimpleNamespace(finders=(finder,), measured=Measured())}
    with pytest.raises(RuntimeError, match="was released"):
        compiled.backend.record(batch.spans, sources, 1)
    assert one.aggregate.count == 1
