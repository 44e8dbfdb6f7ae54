"""The traffic and the cells of the benchmark `fleet` are what they say, so that its figures are about that."""

from __future__ import annotations

from collections import defaultdict

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from otel_fe.config.collector import read_collector_config
from tests.bench.fleet_cells import ALL, DEFAULT_CELLS, POLICIES, SMOKE_CELLS, chosen
from tests.bench.fleet_traffic import SERVICES, SPANS_PER_TRACE, requests

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
