"""Requests cut in two without decoding them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.collector.exporters.payload import Payload
from otel_fe.collector.exporters.splitting import split
from tests.unit.collector.exporters.fakes import logs, metrics, span_names, traces


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 35))
def test_by_items_nothing_is_lost_and_the_order_stays(spans, scopes, most):
    payload = traces(spans, scopes=scopes, tally="t")
    head, tail = split(payload, most, by_bytes=False)
    assert head.items == min(most, spans)
    halves = [half for half in (head, tail) if half]
    assert sum(half.items for half in halves) == spans
    assert span_names(*(half.data for half in halves)) == span_names(payload.data)
    for half in halves:
        assert half.tally == "t"
        resource = ExportTraceServiceRequest.FromString(half.data).resource_spans[0]
        assert resource.schema_url == "https://schema/resource"
        assert resource.resource.attributes[0].value.string_value == "shop"
        assert all(scope.scope.name and scope.schema_url == "https://schema/scope" for scope in resource.scope_spans)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 2_000))
def test_by_bytes_the_head_is_within_the_bound(spans, scopes, most):
    payload = traces(spans, scopes=scopes)
    head, tail = split(payload, most, by_bytes=True)
    halves = [half for half in (head, tail) if half]
    assert sum(half.items for half in halves) == spans
    assert span_names(*(half.data for half in halves)) == span_names(payload.data)
    if head is not None:
        assert len(head.data) <= most
    if most >= len(payload.data):
        assert tail is None


def test_metrics_are_cut_between_points():
    parts = []
    rest = metrics()
    while rest is not None:
        part, rest = split(rest, 2, by_bytes=False)
        parts.append(part)
    assert [part.items for part in parts] == [2, 2, 1]
    decoded = [ExportMetricsServiceRequest.FromString(part.data) for part in parts]
    found = [
        [(metric.name, metric.unit) for metric in request.resource_metrics[0].scope_metrics[0].metrics]
        for request in decoded
    ]
    assert found == [[("sum", "1")], [("sum", "1"), ("empty", ""), ("histogram", "s")], [("histogram", "s")]]
    for request in decoded[:2]:
        total = request.resource_metrics[0].scope_metrics[0].metrics[0].sum
        assert total.is_monotonic
        assert total.aggregation_temporality == 2


def test_logs_are_cut_between_records():
    head, tail = split(logs(3), 1, by_bytes=False)
    assert (head.items, tail.items) == (1, 2)


def test_unknown_fields_stay_on_both_sides():
    unknown = b"\xaa\x3f\x03abc"  # field 1013
    payload = traces(2)
    resource = ExportTraceServiceRequest.FromString(payload.data).resource_spans[0].SerializeToString() + unknown
    data = b"\x0a" + bytes([len(resource) & 0x7F | 0x80, len(resource) >> 7]) + resource
    head, tail = split(Payload("traces", data, 2), 1, by_bytes=False)
    assert unknown in head.data
    assert unknown in tail.data


@given(st.binary(max_size=60))
def test_what_is_no_request_is_refused_or_cut_but_never_hangs(data):
    try:
        split(Payload("metrics", data, 1), 1, by_bytes=False)
    except ValueError:
        return


def test_what_ends_too_early_is_refused():
    with pytest.raises(ValueError, match="ends"):
        split(Payload("traces", b"\x0a\x05ab", 1), 1, by_bytes=False)
