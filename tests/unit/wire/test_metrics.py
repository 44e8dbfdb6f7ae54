"""Metrics of the pipeline as OTLP."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otel_fe.model.exponential import ExponentialHistogram, ExponentialState
from otel_fe.model.metric import Buckets, ExemplarPoint, Metric, Point, ResourceMetrics, SeriesAttributes
from otel_fe.wire.metrics import any_value, encode_metrics
from tests.unit.wire.otlp import python_value

STATE = ExponentialState(3, 1.0, 1, 1, 0, 0, 0, (2, 1))
EXEMPLAR = ExemplarPoint(0.25, 7, 0xABC, 0xDEF)


def sent(*metrics):
    request = ExportMetricsServiceRequest.FromString(
        encode_metrics([ResourceMetrics({"service.name": "shop"}, "spanmetricsconnector", metrics)])
    )
    (resource_metrics,) = request.resource_metrics
    (scope_metrics,) = resource_metrics.scope_metrics
    assert resource_metrics.resource.attributes[0].key == "service.name"
    assert scope_metrics.scope.name == "spanmetricsconnector"
    return scope_metrics.metrics


def test_a_count_is_a_monotonic_sum():
    (metric,) = sent(Metric("calls", "{call}", False, [Point({"ok": True}, 1, 2, 5, [EXEMPLAR])]))
    (point,) = metric.sum.data_points
    assert (metric.name, metric.unit) == ("calls", "{call}")
    assert (metric.sum.is_monotonic, metric.sum.aggregation_temporality) == (True, 2)
    assert (point.start_time_unix_nano, point.time_unix_nano, point.as_int) == (1, 2, 5)
    (exemplar,) = point.exemplars
    assert (exemplar.as_double, exemplar.time_unix_nano) == (0.25, 7)
    assert (exemplar.trace_id, exemplar.span_id) == (bytes(14) + b"\x0a\xbc", bytes(6) + b"\x0d\xef")
    assert point.attributes[0].value.bool_value is True


def test_an_explicit_histogram_keeps_its_edges():
    value = Buckets(3, 1.5, (0.1, 1.0), (1, 2, 0))
    (metric,) = sent(Metric("duration", "s", True, [Point({}, 1, 2, value, [EXEMPLAR])]))
    (point,) = metric.histogram.data_points
    assert metric.histogram.aggregation_temporality == 1
    assert (point.count, point.sum) == (3, 1.5)
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([0.1, 1.0], [1, 2, 0])
    assert not point.HasField("min")
    assert len(point.exemplars) == 1


def test_more_than_there_is_room_for_is_the_most_that_there_is():
    """Counts stop at OTLP's maximum: a few hundred spans with a weight of 2**56 once blocked the export of all metrics."""
    huge = 1 << 64
    exponential = ExponentialState(huge, 1.0, 1, 1, huge, 0, 0, (huge, 1))
    calls, duration, odd = sent(
        Metric(
            "calls", "{call}", False, [Point({}, 1, 2, 1 << 63), Point({}, 1, 2, (1 << 63) - 1), Point({}, 1, 2, 3)]
        ),
        Metric("duration", "s", False, [Point({}, 1, 2, Buckets(huge, 1.5, (0.1,), (huge, 1)))]),
        Metric("odd", "s", False, [Point({}, 1, 2, exponential)]),
    )
    assert [point.as_int for point in calls.sum.data_points] == [(1 << 63) - 1, (1 << 63) - 1, 3]
    (point,), (other,) = duration.histogram.data_points, odd.exponential_histogram.data_points
    assert (point.count, list(point.bucket_counts)) == (huge - 1, [huge - 1, 1])
    assert (other.count, other.zero_count, list(other.positive.bucket_counts)) == (huge - 1, huge - 1, [huge - 1, 1])


def test_an_exponential_histogram_keeps_its_buckets():
    histogram = ExponentialHistogram()
    for value in (0, 1, 1.5, 4):
        histogram.record(value)
    state = histogram.state()
    (metric,) = sent(Metric("duration", "s", False, [Point({}, 1, 2, state)]))
    (point,) = metric.exponential_histogram.data_points
    assert (point.count, point.sum, point.zero_count, point.scale) == (4, 6.5, 1, state.scale)
    assert (point.min, point.max) == (0, 4)
    assert (point.positive.offset, tuple(point.positive.bucket_counts)) == (state.offset, state.buckets)


def test_an_empty_exponential_histogram_has_no_extremes():
    (metric,) = sent(Metric("duration", "s", False, [Point({}, 1, 2, ExponentialHistogram().state())]))
    (point,) = metric.exponential_histogram.data_points
    assert (point.HasField("min"), point.HasField("max"), point.count) == (False, False, 0)


def test_a_metric_without_points_is_left_out():
    assert list(sent(Metric("calls", "", False, []))) == []


@pytest.mark.parametrize(
    "value", ["text", True, 1, -(2**63), 0.5, b"bytes", [1, ["x"]], {"k": {"l": None}}, None, [], {}]
)
def test_values_of_every_type(value):
    assert python_value(any_value(value)) == value
    assert type(python_value(any_value(value))) is type(value)


def test_values_that_otlp_cannot_hold_are_brought_near():
    """An integer that is too large becomes a float, half a surrogate pair a question mark."""
    assert any_value(2**64).double_value == 2.0**64
    assert any_value("a\ud800").string_value == "a?"


def test_equal_values_of_other_types_stay_apart():
    """Texts are remembered encoded; 1, True and 1.0 are equal in Python, and so are 0.0 and -0.0."""
    values = [
        "1",
        1,
        True,
        1.0,
        0.0,
        -0.0,
        False,
        0,
        "x" * 200,
        "x" * 200,
        "ü",
        "\ud800",
        None,
        [1, "a"],
        {"k": True},
        b"1",
    ]
    points = [Point({"key": value}, 1, 2, 3, []) for value in values for _ in range(2)]
    (metric,) = sent(Metric("calls", "{call}", False, points))
    found = [point.attributes[0] for point in metric.sum.data_points]
    assert [one.key for one in found] == ["key"] * len(points)
    assert [one.value.SerializeToString() for one in found] == [
        any_value(value).SerializeToString() for value in values for _ in range(2)
    ]


def test_the_attributes_of_a_series_are_encoded_once_for_all_of_its_metrics():
    """Each kind of point has them under another number."""
    attributes = SeriesAttributes({"span.name": "GET", "n": 3, "long": "x" * 200})
    values = {"sum": 3, "histogram": Buckets(3, 1.5, (0.1,), (1, 2)), "exponential_histogram": STATE}
    for _ in range(2):
        for kind, value in values.items():
            (metric,) = sent(Metric(kind, "s", False, [Point(attributes, 1, 2, value, []), Point({}, 1, 2, value, [])]))
            point, without = getattr(metric, kind).data_points
            assert {pair.key: python_value(pair.value) for pair in point.attributes} == attributes
            assert not without.attributes
    assert len(attributes.encoded) == 3


def test_a_histogram_tells_its_least_and_most_where_they_are_known():
    (metric,) = sent(Metric("duration", "s", False, [Point({}, 1, 2, Buckets(3, 1.5, (0.1,), (1, 2), 0.0, 7.5), [])]))
    (point,) = metric.histogram.data_points
    assert (point.HasField("min"), point.min, point.max) == (True, 0.0, 7.5)
