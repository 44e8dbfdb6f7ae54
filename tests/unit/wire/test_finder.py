"""Spans counted by their bytes are counted as the same spans decoded."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe import compiled
from otel_fe.config.span_metrics import Dimension, Exemplars, Explicit, Exponential, SpanMetrics
from otel_fe.model.span import Span
from otel_fe.pipeline.span_metrics.connector import SpanMetricsConnector
from otel_fe.wire.decode import Decoder
from tests.corpus.wire import encode
from tests.properties.traffic import ATTRIBUTES, RESOURCES, SCOPES, TRACE_STATES, clock

# Few names, kinds and orders, so that most spans are like one before them.
FEW = st.one_of(
    st.sampled_from(
        [{"shop": "x", "n": 3}, {"n": 3, "shop": "x"}, {"n": 4, "shop": "x"}, {"ok": "shop"}, {"": 1, "n": 3}]
    ),
    ATTRIBUTES,
)
SPANS = st.builds(
    Span,
    trace_id=st.integers(1, 5),
    span_id=st.integers(1, 6),
    name=st.sampled_from(["a", "b", "shop"]),
    kind=st.integers(0, 2),
    start_ns=st.just(0),
    end_ns=st.integers(0, 10**6) | st.integers(2**61, 2**64 - 1),
    status=st.integers(0, 2),
    trace_state=st.just("") | TRACE_STATES,
    attributes=FEW,
    resource=st.sampled_from(RESOURCES),
    scope=st.sampled_from(SCOPES),
)
DIMENSIONS = (Dimension("shop", "none"), Dimension("n"), Dimension(""))
HISTOGRAMS = (Exponential(8), Explicit((0, 1, 500_000, 10**6)))
ALIKE = [Span(1, n, name="a", attributes={"shop": "x", "n": 3}, resource=RESOURCES[0]) for n in range(1, 9)]


def connector(histogram=HISTOGRAMS[0]):
    settings = SpanMetrics(histogram, dimensions=DIMENSIONS, cardinality_limit=6, exemplars=Exemplars(True, 99))
    return SpanMetricsConnector(settings, clock(), random.Random(1).randrange, "i")


def collected(one):
    """Return every series with what it says; sums of fractions apart, for they depend on the order in which they were added."""
    points = [
        (metric.name, repr(sorted(point.attributes.items())), point.value)
        for resource in one.collect(last=True)
        for metric in resource.metrics
        for point in metric.points
    ]
    points.sort(key=repr)
    sums = [value.total for _, _, value in points if not isinstance(value, int)]
    return [(*of, value if isinstance(value, int) else replace(value, total=0)) for *of, value in points], sums


def offered(one):
    """Return every series with how many exemplars it was offered, and how many it has, by bucket."""
    return sorted(
        (
            repr(sorted(series.attributes.items())),
            sorted(series.reservoir._offered.items()),
            len(series.reservoir._kept),
        )
        for measured in one._resources.values()
        for measure in measured.all
        for _, series in measure.series.items()
    )


def by_trace(batch):
    """Return spans in the order in which `decode` hands them out: which series overflow depends on it."""
    begun = list(dict.fromkeys(span.trace_id for span in batch))
    return sorted(batch, key=lambda span: begun.index(span.trace_id))


@pytest.mark.parametrize("histogram", HISTOGRAMS)
@given(batches=st.lists(st.lists(SPANS, max_size=10), max_size=4))
def test_the_series_are_the_same(histogram, batches):
    plain, wire, decoder = connector(histogram), connector(histogram), Decoder()
    for batch in batches:
        plain.record(by_trace(batch))
        wire.record(decoder.decode(encode(batch)).spans)
        (found, found_sums), (expected, expected_sums) = collected(wire), collected(plain)
        assert found == expected
        assert found_sums == pytest.approx(expected_sums)


@pytest.mark.parametrize("histogram", HISTOGRAMS)
@given(batches=st.lists(st.lists(SPANS, max_size=10), max_size=4))
def test_as_many_exemplars_are_offered(histogram, batches):
    """Unusual spans after all others, so that not the same ones are drawn."""
    plain, wire, decoder = connector(histogram), connector(histogram), Decoder()
    for batch in batches:
        decoded = list(decoder.decode(encode(batch)).spans)
        for one, spans in ((plain, by_trace(batch)), (wire, decoded)):
            one.record(spans)
            one.offer(spans)
        assert offered(wire) == offered(plain)


@pytest.mark.skipif(
    compiled.backend is None, reason="not compiled; tests/properties/test_compiled.py fails where it should be"
)
def test_exemplars_are_drawn_by_their_bytes():
    """The test above would pass if none were."""
    one, decoded = connector(HISTOGRAMS[1]), list(Decoder().decode(encode(ALIKE)).spans)
    one.record(decoded)
    left, drawn = compiled.backend.drawn(decoded, one._sources, lambda below: below % 4)
    assert left == []
    assert [(bucket, span.span_id) for _, bucket, _, span in drawn] == [(0, 1), (0, 4), (0, 8)]


@pytest.mark.skipif(
    compiled.backend is None, reason="not compiled; tests/properties/test_compiled.py fails where it should be"
)
def test_spans_are_found_by_their_bytes():
    """The test above would pass if every span were decoded."""
    one, decoded = connector(), list(Decoder().decode(encode(ALIKE)).spans)
    one.record(decoded[:1])
    (counted,) = one._sources[decoded[0].resource].counted
    (series,) = counted.by_key.values()
    assert all(counted.finder.find(span) is series for span in decoded)
    assert compiled.backend.record(decoded, one._sources, 1) == []
    assert series.aggregate.count == 9
    counted.series.expire(1)
    counted.forget()
    assert counted.finder.find(decoded[0]) is None


@pytest.mark.skipif(
    compiled.backend is None, reason="not compiled; tests/properties/test_compiled.py fails where it should be"
)
def test_what_finders_remember_is_bounded_and_given_back():
    """Values that never come twice, from many resources, are counted right, and do not fill the memory."""
    before = compiled.backend.remembered_bytes()
    finder, series = compiled.backend.Finder(["shop"]), SimpleNamespace(aggregate=None)
    decoder = Decoder()
    for batch in range(100):
        attributes = [{"shop": f"{batch}-{n}-{'x' * 900}"} for n in range(500)]
        spans = [Span(1, n + 1, name="a", attributes=held, resource=RESOURCES[0]) for n, held in enumerate(attributes)]
        for span in decoder.decode(encode(spans)).spans:
            finder.learn(span, series)
    assert 30 << 20 < compiled.backend.remembered_bytes() <= 32 << 20
    finder.clear()
    assert compiled.backend.remembered_bytes() == before


@pytest.mark.skipif(
    compiled.backend is None, reason="not compiled; tests/properties/test_compiled.py fails where it should be"
)
@pytest.mark.parametrize("value", ["u-{}", "ü-{}", 10_000, False])
def test_past_the_limit_values_that_come_once_are_counted_by_their_bytes_and_not_remembered(value):
    """The series for all that no longer fit: with a user's id as a dimension nearly each span belongs to it."""
    one, decoder = connector(HISTOGRAMS[1]), Decoder()

    def spans(first, count):
        values = [value.format(n) if isinstance(value, str) else value + n for n in range(first, first + count)]
        batch = [Span(1, n + 1, name="a", attributes={"shop": v}, resource=RESOURCES[0]) for n, v in enumerate(values)]
        return decoder.decode(encode(batch)).spans

    one.record(spans(0, 7))
    before = compiled.backend.remembered_bytes()
    assert compiled.backend.record(spans(7, 50), one._sources, 1) == []
    (measured,) = one._resources.values()
    (measure,) = measured.measures
    assert measure.series.overflow.aggregate.count == 51
    assert [series.aggregate.count for series in measure.series.by_key.values()] == [1] * 6
    assert compiled.backend.remembered_bytes() == before


@pytest.mark.skipif(
    compiled.backend is None, reason="not compiled; tests/properties/test_compiled.py fails where it should be"
)
@pytest.mark.parametrize(
    ("state", "count"), [("shop=keep", 8), ("ot=rv:ffffffffffffff", 8), ("ot=th:8", 16), ("a=ot,ot=th:c", 32)]
)
def test_spans_with_a_tracestate_are_counted_by_their_bytes(state, count):
    """Each counts for as many as it says: a sampler before this one writes one on every span."""
    one, decoder = connector(HISTOGRAMS[1]), Decoder()
    one.record(decoder.decode(encode(ALIKE[:1])).spans)
    decoded = decoder.decode(encode([replace(span, trace_state=state) for span in ALIKE])).spans
    weigh = {"ot=th:8": 2 << 64, "a=ot,ot=th:c": 4 << 64}.get
    assert compiled.backend.record(decoded, one._sources, 1, weigh) == []
    (source,) = one._sources.values()
    (series,) = source.counted[0].by_key.values()
    assert series.aggregate.count == 1 + count
