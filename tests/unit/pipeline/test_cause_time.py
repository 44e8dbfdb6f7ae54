"""`feature_extraction.time`: where the time of slow extractions went, exact, wherever it is counted."""

from __future__ import annotations

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from otel_fe import semconv
from otel_fe.model.measurements import Measurements
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.pipeline.extraction_series import Dimensions, ExtractionSeries
from otel_fe.pipeline.extractions import told_split
from otel_fe.pipeline.received_metrics import ReceivedMetrics
from otel_fe.render.collector_extractions import extraction_metrics
from otel_fe.render.prometheus_names import metric_name
from otel_fe.wire.decode import Decoder
from tests.properties.extractions import encoded_span, request


def test_every_slow_extraction_adds_its_times_and_a_quick_one_adds_none():
    series = ExtractionSeries(Dimensions("a", None, "", ""))
    for split in ({"cpu": 70, "gc": 30, "lock": 0}, None, {"cpu": 5, "unexplained": 95}):
        one = Measurements()
        one.duration_ns, one.split = 100, split
        series.record(one)
    assert series.causes == {"cpu": 75, "gc": 30, "unexplained": 95}


def test_a_received_extraction_counts_as_the_process_would_have_counted_it():
    """Seconds on the span are those ns, exactly."""
    split = {"downstream": 123_456_789, "gc": 1, "unexplained": 76_543_210}
    names = [(semconv.TIME[cause], AnyValue(double_value=ns / 1e9).SerializeToString()) for cause, ns in split.items()]
    span = encoded_span(end_ns=sum(split.values()), attributes=names)
    (received,) = Decoder().decode(request([(0, span)])).spans
    metrics = ReceivedMetrics(9, lambda _: 0)
    metrics.record_spans([received])
    (series,) = metrics.all_series()
    assert series.causes == split


def test_an_extraction_that_says_nothing_of_its_time_has_no_split():
    (received,) = Decoder().decode(request([(0, encoded_span(end_ns=9))])).spans
    assert told_split(received, 9) is None


def test_the_real_collector_counts_every_cause():
    """One entry of `signal_to_metrics` for each, all of one metric."""
    entries = [one for one in extraction_metrics() if one["name"] == semconv.CAUSE_TIME]
    assert {one["attributes"][0]["default_value"] for one in entries} == set(CAUSES)
    assert all(one["sum"]["monotonic"] for one in entries)
    assert metric_name(semconv.CAUSE_TIME) == "feature_extraction_time_seconds_total"
