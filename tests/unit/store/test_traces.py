"""Kept traces: what goes in comes out, by id and by what it is like."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe import semconv
from otel_fe.model.decision import Decision
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.store import Selection, kept_trace
from otel_fe.store.latency import EDGES_NS, bounds_of, bucket_of
from otel_fe.store.slots import SPLIT_CAUSES
from otel_fe.wire.decode import decode
from tests.effort import examples
from tests.unit.store.parts import HOUR, MINUTE, T0, bed, extraction, otlp, trace

ALL = Selection(0, 1 << 62)


def test_the_columns_are_those_of_the_pipeline_s_causes():
    """A new cause needs a migration."""
    assert sorted(SPLIT_CAUSES) == sorted(CAUSES)


def test_a_trace_comes_out_as_it_went_in(store):
    """All of it: spans and logs to the byte, extractions, decision record; a text that is no text does not matter."""
    made = trace(
        (1 << 128) - 1,
        extraction(error=True, error_type="TimeoutError", library="sklearn", cache_hit=False, lookups=3, hits=1),
        extraction(T0 + 5, 1, feature_set="", cache_hit=True, cpu_ns=0, span_id=(1 << 64) - 1),
        spans=b"\x0a\x03abc" * 50,
        logs=b"\x0a\x01x",
        error=True,
        weight=None,
        record={"outcome": "kept by slow", "votes": [{"saw": "231 ms ≥ 100 ms"}]},
    )
    store.write("trace", made)
    assert store.reader.traces.by_id(made.trace_id) == made
    assert store.reader.traces.by_id(5) is None


def test_what_comes_late_is_part_of_the_trace(store):
    """Spans and logs of later parts follow those of the first; a part without an extraction adds none."""
    first, late = otlp((1, 2, 0, "root", {})), otlp((1, 3, 2, "late", {}))
    store.write("logs", (1, b"\x0a\x01x"))
    assert store.reader.traces.by_id(1) is None
    store.write("trace", trace(1, spans=first))
    part = trace(1, extraction(T0 + HOUR), spans=late, root="")
    store.write("trace", part)
    found = store.reader.traces.by_id(1)
    request = ExportTraceServiceRequest.FromString(found.spans)
    names = [span.name for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]
    assert names == ["root", "late"]
    assert (found.root, found.span_count, found.logs) == ("GET /", 2, b"\x0a\x01x")
    assert (found.start_ns, found.end_ns) == (T0, part.end_ns)


def received(payload):
    """Return the id and the spans of the trace in a payload as the pipeline received it."""
    (found,) = decode(payload).traces
    return found.trace_id, found.spans


def test_a_summary_says_what_the_spans_say():
    """Service, feature set, look-ups and causes are read as the pipeline reads them."""
    name = f"{semconv.SPAN_NAME} user"
    attributes = {
        semconv.FEATURE_SET: "user",
        semconv.CACHE_LOOKUPS: 2,
        semconv.CACHE_HITS: 1,
        semconv.CPU_TIME: 0.25,
        semconv.BOTTLENECK: "cpu",
        semconv.TIME["cpu"]: 0.2,
    }
    payload = otlp((1, 2, 0, "GET /", {}), (1, 3, 2, name, attributes))
    made = kept_trace(*received(payload), Decision(sampled=True, reason="slow", threshold=0), payload)
    assert (made.root, made.service, made.policy, made.weight, made.span_count) == ("GET /", "shop", "slow", 1.0, 2)
    (found,) = made.extractions
    assert (found.feature_set, found.cache_hit, found.lookups, found.hits, found.cause) == ("user", False, 2, 1, "cpu")
    assert found.duration_ns == sum(found.split.values()) == 250_000_000


def test_a_trace_without_an_extraction_is_found_when_asked_for(store):
    """A trace without an extraction has one row; a late part of one has none."""
    payload = otlp((1, 2, 0, "GET /", {}))
    decision = Decision(sampled=True, reason="slow", threshold=0)
    made = kept_trace(*received(payload), decision, payload)
    assert [item.feature_set for item in made.extractions] == [None]
    assert kept_trace(*received(payload), decision, payload, late=True).extractions == ()
    store.write("trace", made)
    assert store.reader.traces.find(ALL) == []
    (found,) = store.reader.traces.find(Selection(0, 1 << 62, whole_traces=True))
    assert found.extraction == made.extractions[0]


def test_the_objective_is_an_edge():
    """100 ms is not less than 100 ms: it lies above the line, and a nanosecond less below it."""
    at, below = bucket_of(100_000_000), bucket_of(99_999_999)
    assert (bounds_of(at)[0], bounds_of(below)[1]) == (100_000_000, 100_000_000)
    assert bounds_of(0)[0] == 0
    assert bounds_of(bucket_of(1 << 62)) == (EDGES_NS[-1], None)


extractions = st.builds(
    extraction,
    start_ns=st.integers(T0, T0 + 3 * HOUR),
    duration_ns=st.sampled_from((0, 99_999_999, 100_000_000, 150_000_000, 10**10)) | st.integers(0, 10**11),
    service=st.sampled_from(("shop", "ads")),
    feature_set=st.sampled_from(("user", "", "geo", None)),
    error=st.booleans(),
    cache_hit=st.sampled_from((None, True, False)),
    cause=st.sampled_from(("cpu", "pool_wait", "")),
)
selections = st.builds(
    Selection,
    since_ns=st.integers(T0 - HOUR, T0 + 3 * HOUR),
    until_ns=st.integers(T0, T0 + 4 * HOUR),
    service=st.sampled_from((None, "shop", "nobody")),
    feature_set=st.sampled_from((None, "user", "")),
    min_duration_ns=st.sampled_from((None, 100_000_000)),
    max_duration_ns=st.sampled_from((None, 100_000_000, 10**10)),
    error=st.sampled_from((None, True, False)),
    cache_hit=st.sampled_from((None, True, False)),
    cause=st.sampled_from((None, "cpu")),
    policy=st.sampled_from((None, "slow")),
    whole_traces=st.booleans(),
)


def selected(selection, made):
    """Return whether an extraction is selected, plainly."""
    wanted = (
        (selection.service, made.service),
        (selection.feature_set, made.feature_set),
        (selection.error, made.error),
        (selection.cache_hit, made.cache_hit),
        (selection.cause, made.cause),
    )
    return (
        selection.since_ns <= made.start_ns < selection.until_ns
        and all(want is None or want == have for want, have in wanted)
        and (selection.min_duration_ns or 0) <= made.duration_ns
        and (selection.max_duration_ns is None or made.duration_ns < selection.max_duration_ns)
        and (selection.whole_traces or made.feature_set is not None)
    )


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(st.tuples(extractions, st.sampled_from((None, 1.0, 20.0, 2.5))), max_size=30), selections, st.data())
def test_queries_agree_with_a_plain_reference(tmp_path_factory, made, selection, data):
    """Finding, counting by cell, and adding up: the same extractions, with the same weights."""
    step = data.draw(st.sampled_from((10 * MINUTE, HOUR, 7 * MINUTE)))
    with bed(tmp_path_factory.mktemp("store")) as store:
        store.write("trace", *(trace(i, item, weight=weight) for i, (item, weight) in enumerate(made, 1)))
        wanted = [(i, item, weight) for i, (item, weight) in enumerate(made, 1) if selected(selection, item)]
        found = store.reader.traces.find(selection, order="slowest")
        assert sorted(item.trace_id for item in found) == [i for i, _, _ in wanted]
        durations = [item.extraction.duration_ns for item in found]
        assert durations == sorted(durations, reverse=True)
        cells, weights = Counter(), Counter()
        for _, item, weight in wanted:
            cell = (item.start_ns // step * step, bounds_of(bucket_of(item.duration_ns)))
            cells[cell] += 1
            weights[cell] += 1 if weight is None else weight
        heat = store.reader.totals.heat_map(selection, step).cells
        assert {(cell.time_ns, (cell.low_ns, cell.high_ns)): cell.extractions for cell in heat} == cells
        assert {(cell.time_ns, (cell.low_ns, cell.high_ns)): cell.weight for cell in heat} == weights
        totals = store.reader.totals.totals(selection)
        assert (totals.extractions, totals.weight) == (len(wanted), sum(weights.values()))
        assert totals.duration_ns == pytest.approx(
            sum(item.duration_ns * (1 if weight is None else weight) for _, item, weight in wanted)
        )
        assert sum(item.weight for item in store.reader.totals.explained(selection)) == sum(weights.values())


def test_limits_and_offsets_page_through(store):
    """Every extraction is on one page."""
    store.write("trace", *(trace(i, extraction(T0 + i)) for i in range(1, 8)))
    pages = [store.reader.traces.find(ALL, limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [item.trace_id for page in pages for item in page] == [7, 6, 5, 4, 3, 2, 1]


def test_attribute_counts_are_by_weight_and_of_categories_only(store):
    """Texts, booleans, whole numbers; no measurements, no long texts; the resource's too; a sample stands for the rest."""
    name = f"{semconv.SPAN_NAME} user"
    for i in range(1, 41):
        attributes = {
            "plan": "free" if i % 4 else "paid",
            "big": True,
            semconv.MEMORY_USAGE: i,
            semconv.CPU_TIME: 0.1,
            "text": "x" * 200,
            semconv.BATCH_SIZE: 8,
        }
        payload = otlp((i, 2, 0, "root", {"plan": "other"}), (i, 3, 2, name, attributes))
        store.write("trace", trace(i, extraction(span_id=3), weight=10.0, spans=payload))
    counts = store.reader.attribute_counts(ALL)
    assert counts.values == {
        "big": {True: 400.0},
        semconv.BATCH_SIZE: {8: 400.0},
        "plan": {"free": 300.0, "paid": 100.0},
        "service.name": {"shop": 400.0},
    }
    assert 1 <= store.reader.attribute_counts(ALL, limit=10).sampled <= 20


def test_groups_are_the_services_and_feature_sets_that_there_are(store):
    """Groups are sorted, and limited to those since a time."""
    store.write("trace", trace(1, extraction(feature_set="b"), extraction(feature_set="a", start_ns=T0 + HOUR)))
    assert store.reader.totals.groups() == [("shop", "a"), ("shop", "b")]
    assert store.reader.totals.groups(T0 + HOUR) == [("shop", "a")]


def test_one_bad_item_does_not_take_its_batch_with_it(store):
    """An invalid item is counted and leaves no rows; the rest of its batch is stored."""
    done = store.write(
        "trace", trace(1), trace(1 << 200), trace(2, extraction(span_id=-1, feature_set="new")), trace(3)
    )
    assert done == {"trace": 2, "invalid": 2}
    assert [found.trace_id for found in store.reader.traces.find(ALL)] == [3, 1]
    store.write("trace", trace(4, extraction(feature_set="new")))
    assert [found.trace_id for found in store.reader.traces.find(Selection(0, 1 << 62, feature_set="new"))] == [4]
