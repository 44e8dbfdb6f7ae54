"""Stacks out of the spans of kept traces."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe import semconv
from otel_fe.profiles.stacks import Frame
from otel_fe.store import Selection
from tests.unit.store.parts import MINUTE, T0, bed, extraction, otlp, trace

ALL = Selection(T0 - 60 * MINUTE, T0 + 60 * MINUTE)


@pytest.fixture
def store(tmp_path):
    with bed(tmp_path) as made:
        yield made


def with_stacks(span_id, folded, top):
    """Return an encoded trace whose span has an event with stacks."""
    request = ExportTraceServiceRequest.FromString(otlp((1, span_id, 0, "feature_extraction image", {})))
    (span,) = request.resource_spans[0].scope_spans[0].spans
    event = span.events.add(name=semconv.STACKS_EVENT)
    for key, lines in ((semconv.STACKS_FOLDED, folded), (semconv.STACKS_TOP, top)):
        values = event.attributes.add(key=key).value.array_value.values
        for line in lines:
            values.add(string_value=line)
    return request.SerializeToString()


def test_stacks_of_slow_extractions_come_with_their_weight_and_their_span(store):
    spans = with_stacks(7, ["cpu;a.py:1 f;b.py:2 g 5000"], ["cpu b.py:2 g 5000"])
    store.write("trace", trace(3, extraction(span_id=7, feature_set="image"), weight=20.0, spans=spans))
    store.write("trace", trace(4, extraction(cause="", split={}), spans=otlp((4, 7, 0, "feature_extraction", {}))))

    found = store.reader.slow_extractions(ALL)

    assert (found.extractions, found.weight) == (1, 20.0)
    (one,) = found.sampled
    assert (one.trace_id, one.span_id, one.service, one.feature_set, one.weight) == (3, 7, "shop", "image", 20.0)
    assert (one.start_ns, one.duration_ns) == (T0, 50_000_000)
    assert [(stack.cause, stack.microseconds) for stack in one.stacks] == [("cpu", 5_000)]
    assert [line.frames[0] for line in one.lines] == [Frame("b.py", 2, "g")]
    assert store.reader.slow_extractions_of(3) == found.sampled
    assert store.reader.slow_extractions_of(4) == ()
    assert store.reader.slow_extractions_of(5) == ()


def test_slow_extraction_that_was_not_sampled_counts_without_stacks(store):
    store.write("trace", trace(3, extraction(span_id=7), spans=otlp((3, 7, 0, "feature_extraction", {}))))
    (one,) = store.reader.slow_extractions(ALL).sampled
    assert (one.stacks, one.lines) == ((), ())


def test_many_are_sampled_and_all_are_counted(store):
    spans = with_stacks(7, ["cpu;a.py:1 f 5000"], [])
    store.write("trace", *(trace(number, extraction(span_id=7), spans=spans) for number in range(1, 401)))
    found = store.reader.slow_extractions(ALL, limit=40)
    assert (found.extractions, found.weight) == (400, 400.0)
    assert 10 <= len(found.sampled) <= 80


def test_filters_hold(store):
    spans = with_stacks(7, ["cpu;a.py:1 f 5000"], [])
    store.write("trace", trace(3, extraction(span_id=7, feature_set="image"), spans=spans))
    other = Selection(ALL.since_ns, ALL.until_ns, feature_set="text")
    assert store.reader.slow_extractions(other).sampled == ()


def test_spans_that_cannot_be_read_have_no_stacks(store):
    store.write("trace", trace(3, extraction(span_id=7), spans=b"\xff\xff"))
    (one,) = store.reader.slow_extractions(ALL).sampled
    assert one.stacks == ()


def test_the_rest_has_none_of_a_selection_however_many_it_has(store):
    """A sample of either side never holds one of the other's: 500 of 600 slow ones are selected."""
    spans = with_stacks(7, ["cpu;a.py:1 f 5000"], [])
    chosen = range(1, 501)
    store.write("trace", *(trace(n, extraction(span_id=7, cache_hit=False), spans=spans) for n in chosen))
    others = [trace(n, extraction(span_id=7, cache_hit=None if n % 2 else True), spans=spans) for n in range(501, 601)]
    store.write("trace", *others)
    selected = replace(ALL, cache_hit=False)
    rest = store.reader.slow_extractions(ALL, limit=200, without=selected)
    assert rest.extractions == 100
    assert {one.trace_id for one in rest.sampled} == set(range(501, 601))
    mine = store.reader.slow_extractions(selected, limit=200)
    assert mine.extractions == 500
    assert all(one.trace_id in chosen for one in mine.sampled)
