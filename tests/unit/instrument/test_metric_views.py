"""Views and preferred aggregations of an application, and our metrics."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider

import otel_fe
from otel_fe.config.settings import Settings
from otel_fe.instrument.instrumentor import FeatureExtractionInstrumentor

DROPPED = "feature_extraction.cpu.time"


def collected(views=(), preferred=None):
    """Return the names of the metrics that one extraction leaves under these settings."""
    reader = InMemoryMetricReader(preferred_aggregation=preferred)
    traces, metrics = (
        TracerProvider(shutdown_on_exit=False),
        MeterProvider([reader], views=views, shutdown_on_exit=False),
    )
    instrumentor = FeatureExtractionInstrumentor()
    instrumentor.instrument(tracer_provider=traces, meter_provider=metrics, settings=Settings())
    try:
        for _ in range(2):
            with otel_fe.extraction("x"):
                pass
            data = reader.get_metrics_data()
    finally:
        instrumentor.uninstrument()
        traces.shutdown()
        metrics.shutdown()
    return {m.name for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics}


@pytest.mark.parametrize(
    "view",
    [
        View(instrument_name=DROPPED, aggregation=DropAggregation()),
        View(instrument_name="feature_extraction.cpu.*", aggregation=DropAggregation()),
        View(instrument_type=Histogram, aggregation=DropAggregation()),
    ],
)
def test_a_view_drops_a_metric_as_it_drops_the_sdk_s(view, caplog):
    """By name, wildcard or type of instrument; the others stay, and nothing is to be said."""
    names = collected([view])
    assert DROPPED not in names
    assert "feature_extraction.slo.events" in names
    assert caplog.text == ""


def test_a_view_of_others_changes_nothing(caplog):
    """Another meter's, another name's, another type's."""
    views = [
        View(meter_name="theirs", aggregation=DropAggregation()),
        View(instrument_name="http.*", aggregation=DropAggregation()),
        View(instrument_type=Counter, instrument_name=DROPPED, name="renamed"),
    ]
    assert DROPPED in collected(views)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"views": [View(instrument_name=DROPPED, attribute_keys=set())]}, f"a view of {DROPPED}"),
        ({"preferred": {Histogram: ExponentialBucketHistogramAggregation()}}, "ExponentialBucketHistogramAggregation"),
    ],
)
def test_what_cannot_be_applied_is_said_once(settings, what, caplog):
    """Not in silence: the metrics keep their explicit buckets and attributes."""
    assert DROPPED in collected(**settings)
    (message,) = caplog.messages
    assert what in message
    assert "is not applied to feature_extraction.*" in message
