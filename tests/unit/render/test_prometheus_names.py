from __future__ import annotations

from fractions import Fraction

import pytest

from otel_fe import semconv
from otel_fe.render.prometheus_names import decimal, edge_matcher, label_name, matcher, metric_name, selector


@pytest.mark.parametrize(
    ("name", "translated"),
    [
        (semconv.SLO_EVENTS, "feature_extraction_slo_events_total"),
        (semconv.DURATION, "feature_extraction_duration_seconds"),
        (semconv.CPU_TIME_METRIC, "feature_extraction_cpu_time_seconds"),
        (semconv.MEMORY_GROWTH_METRIC, "feature_extraction_memory_growth_bytes"),
        (semconv.BURN_RATE, "feature_extraction_slo_burn_rate_ratio"),
        (semconv.SPANS_QUEUED, "otel_fe_pipeline_spans_queued"),
    ],
)
def test_metrics_have_their_unit_and_kind_in_their_name(name, translated):
    """Names equal those of the Collector's translator and Prometheus's OTLP receiver."""
    assert metric_name(name) == translated


def test_labels():
    """The service is the job; other dots become underscores; booleans are words and quotes are escaped."""
    assert label_name("service.name") == "job"
    assert matcher(semconv.FEATURE_SET, 'a"b\\') == 'feature_extraction_feature_set="a\\"b\\\\"'
    assert selector("x", [matcher(semconv.GOOD, True)]) == 'x{good="true"}'
    assert selector("x", []) == "x"


@pytest.mark.parametrize(
    ("value", "text"),
    [("1/10", "0.1"), ("0.72", "0.72"), ("3", "3"), ("1/3", "0.33333333333333331"), ("0.0144", "0.0144")],
)
def test_numbers_keep_their_digits(value, text):
    """The digits of rendered numbers end where they should."""
    assert decimal(Fraction(value)) == text


def test_edges_of_whole_numbers_are_written_in_two_ways():
    """`1` by Prometheus 2 and `1.0` by Prometheus 3."""
    assert edge_matcher(Fraction(1, 4)) == 'le="0.25"'
    assert edge_matcher(Fraction(10)) == 'le=~"10(\\\\.0)?"'
