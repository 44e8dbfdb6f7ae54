"""The traffic and the cells of the benchmark `fleet` are what they say, so that its figures are about that."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from otel_fe import compiled
from otel_fe.config.collector import read_collector_config
from otel_fe.wire.decode import Decoder
from tests.bench.fleet_cells import ALL, DEFAULT_CELLS, POLICIES, SHAPES, SMOKE_CELLS, chosen
from tests.bench.fleet_traffic import APART, SERVICES, SPANS_PER_TRACE, TOGETHER, requests

SPANS = 8_000


def decoded(made):
    """Yield service, place in the order of requests, and span."""
    for place, request in enumerate(made):
        for of_resource in ExportTraceServiceRequest.FromString(request.payload).resource_spans:
            (service,) = [p.value.string_value for p in of_resource.resource.attributes if p.key == "service.name"]
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    yield service, place, span


@pytest.mark.parametrize(("size", "skew_s"), [(1, 0.0), (50, 0.0), (512, 0.5), (512, 3.0), (8_192, 10.0)])
def test_every_trace_is_whole_and_each_request_is_full(size, skew_s):
    """Eight spans of three services in one tree; requests of so many spans, but for the last of each service."""
    made = list(requests(SPANS, size, skew_s))
    assert sum(request.spans for request in made) == SPANS
    assert sum(request.spans < size for request in made) <= (len(SERVICES) if skew_s else 1)
    traces = defaultdict(list)
    for service, place, span in decoded(made):
        traces[span.trace_id.hex()].append((service, place, span))
    assert len(traces) == SPANS // SPANS_PER_TRACE
    for spans in traces.values():
        ids = {span.span_id for _, _, span in spans}
        assert len(ids) == SPANS_PER_TRACE
        assert {service for service, _, _ in spans} == set(SERVICES)
        assert sum(not span.parent_span_id for _, _, span in spans) == 1
        assert all(span.parent_span_id in ids for _, _, span in spans if span.parent_span_id)
    if skew_s:
        assert all({r for s, r, _ in spans if s == "gateway"} for spans in traces.values())
        split = sum(len({place for _, place, _ in spans}) > 1 for spans in traces.values())
        assert split == len(traces)


def test_what_decides_is_the_request_with_the_error_or_the_slow_root():
    """Time to arrival is measured from there."""
    made = list(requests(SPANS, 50, 3.0))
    told = {trace: place for place, request in enumerate(made) for trace in request.decides}
    failed, slow = {}, {}
    for _, place, span in decoded(made):
        trace = span.trace_id.hex()
        if span.status.code == Status.STATUS_CODE_ERROR:
            failed[trace] = place
        if not span.parent_span_id and span.end_time_unix_nano - span.start_time_unix_nano >= 99_000_000:
            slow[trace] = place
    assert told == slow | failed


def of_shape(name, spans, size=512):
    shape = SHAPES[name]
    settings = {"content": shape.content, "joined": shape.joined, "spans_per_s": shape.spans_per_s}
    return list(requests(spans, size, shape.skew_s, **settings))


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_read_in_c_and_tells_what_decides(shape):
    """A request that is read in Python as a whole would be all that is measured."""
    made = of_shape(shape, 12_000)
    spans = [span for _, _, span in decoded(made)]
    assert sum(request.spans for request in made) == len(spans) >= 12_000
    assert len({(span.trace_id, span.span_id) for span in spans}) == len(spans)
    roots = [span.trace_id.hex() for span in spans if not span.parent_span_id]
    assert sorted(roots) == sorted(trace for request in made for trace in request.ends)
    failed = {span.trace_id.hex() for span in spans if span.status.code == Status.STATUS_CODE_ERROR}
    slow = {
        span.trace_id.hex()
        for span in spans
        if not span.parent_span_id and span.end_time_unix_nano - span.start_time_unix_nano >= 99_000_000
    }
    assert {trace for request in made for trace in request.decides} == failed | slow
    if compiled.backend is not None:
        assert all(isinstance(Decoder().decode(request.payload), compiled.backend.Batch) for request in made)


def test_no_two_spans_of_unique_traffic_are_alike():
    spans = [span for _, _, span in decoded(of_shape("unique-3", SPANS))]
    assert len({b"".join(pair.SerializeToString() for pair in span.attributes) for span in spans}) == SPANS
    assert {len({pair.key for pair in span.attributes} & {"user.id", "thread.id"}) for span in spans} == {2}


def test_large_spans_are_large():
    spans = [span for _, _, span in decoded(of_shape("large-3", 800))]
    assert {len(span.attributes) for span in spans} == {40}
    assert all(len(span.links) == 1 for span in spans)
    stacks = [event.attributes[2].value.string_value for span in spans for event in span.events]
    assert 800 / 16 < len(stacks) < 800 / 4
    assert all(len(stack) >= 8_000 for stack in stacks)


@pytest.mark.parametrize(("shape", "pods"), [("gateway-3", 198), ("pods-3", 999)])
def test_a_gateway_sends_spans_of_all_pods_together(shape, pods):
    resources, of_request = set(), []
    for request in of_shape(shape, 40_000):
        found = {
            one.resource.SerializeToString()
            for one in ExportTraceServiceRequest.FromString(request.payload).resource_spans
        }
        resources |= found
        of_request.append(len(found))
    assert len(resources) == pods
    assert min(of_request[:-1]) > 100


def test_half_of_the_spans_are_of_long_traces():
    made = of_shape("long-3", 20_000)
    places = defaultdict(set)
    lengths = Counter()
    for _, place, span in decoded(made):
        lengths[span.trace_id] += 1
        places[span.trace_id].add(place)
    assert Counter(lengths.values()) == {5_000: 2, 1: 10_000}
    assert all(len(places[trace]) > 5 for trace, spans in lengths.items() if spans > 1)


def test_small_requests_have_one_trace_of_one_service():
    for request in of_shape("small-3", SPANS, 50):
        (of_resource,) = ExportTraceServiceRequest.FromString(request.payload).resource_spans
        (of_scope,) = of_resource.scope_spans
        assert len({span.trace_id for span in of_scope.spans}) == 1
        assert request.spans == len(of_scope.spans) in {2, 4}


def test_traffic_is_made_for_the_pace_that_the_sender_keeps():
    """The spans of a trace come at most the skew apart at the cell's pace, so it must be one that the sender keeps."""
    for cell in ALL:
        requests_per_s = cell.spans_per_s / (2 if SHAPES[cell.shape].joined == APART else 1) / int(cell.request)
        assert requests_per_s <= 2_000
    (slow,) = chosen("split-3/rules/plain/1w/1/paced")
    assert slow.spans_per_s == 2_000
    assert SHAPES["gateway-3"].joined == TOGETHER
    assert str(slow) in {str(cell) for cell in ALL}


@pytest.mark.parametrize("policies", POLICIES)
def test_both_collectors_can_be_given_the_configuration(policies):
    """Ours reads it without a warning."""
    (cell,) = chosen(f"split-3/{policies}/plain/1w/512/paced")
    config = read_collector_config(cell.configuration(4317, 4318, 30), "cell.yaml", {})
    assert not config.warnings


def test_cells_are_chosen_by_name_or_pattern():
    """An unknown one is refused, with what there is."""
    assert len(ALL) == len(chosen("*"))
    assert [str(cell) for cell in chosen(DEFAULT_CELLS)] == DEFAULT_CELLS.split(",")
    assert len(chosen(SMOKE_CELLS)) == 3
    assert {cell.shape for cell in chosen("split-*/rules/plain/1w/512/paced")} == {"split-0.5", "split-3", "split-10"}
    with pytest.raises(ValueError, match=r"no cell is called split-7.*split-0\.5"):
        chosen("split-7/*")
