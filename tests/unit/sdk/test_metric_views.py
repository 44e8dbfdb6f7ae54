"""Views and preferred aggregations of an application, and our metrics."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import ExponentialHistogram, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    LastValueAggregation,
    View,
)
from opentelemetry.sdk.trace import TracerProvider

import otel_fe
from otel_fe import semconv
from otel_fe.config.settings import Settings
from otel_fe.instrument.instrumentor import FeatureExtractionInstrumentor
from otel_fe.sdk.collection import HISTOGRAMS
from tests.properties.stock_metrics import Pair, figures

DROPPED = "feature_extraction.cpu.time"


def metrics_of(data):
    """Return all metrics of a collection."""
    return [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]


def data_of(views=(), preferred=None):
    """Return the metrics that two extractions leave under these settings, by name."""
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
    return {metric.name: metric for metric in metrics_of(data)}


@pytest.mark.parametrize(
    "view",
    [
        View(instrument_name=DROPPED, aggregation=DropAggregation()),
        View(instrument_name="feature_extraction.cpu.*", aggregation=DropAggregation()),
        View(instrument_type=Histogram, aggregation=DropAggregation()),
    ],
)
def test_a_view_drops_a_metric_as_it_drops_the_sdk_s(view, caplog):
    """A view drops a metric by name, wildcard or type of instrument; the others stay, without a warning."""
    names = data_of([view])
    assert DROPPED not in names
    assert "feature_extraction.slo.events" in names
    assert caplog.text == ""


def test_a_view_of_others_changes_nothing(caplog):
    """A view for another meter, name or type changes nothing."""
    views = [
        View(meter_name="theirs", aggregation=DropAggregation()),
        View(instrument_name="http.*", aggregation=DropAggregation()),
        View(instrument_type=Counter, instrument_name=DROPPED, name="renamed"),
    ]
    assert DROPPED in data_of(views)
    assert caplog.text == ""


def duration_view(**asked):
    """Return a view of durations."""
    return View(instrument_name=semconv.DURATION, **asked)


@pytest.fixture
def pair_of():
    """Make pairs of ours and a stock SDK, and shut them down at the end."""
    made = []

    def make(*args, **kwargs):
        made.append(Pair(*args, **kwargs))
        return made[-1]

    yield make
    for pair in made:
        pair.close()


FED = [
    figures("a", 5_000_000, cpu_ns=1_000_000, error="ValueError"),
    figures("a", 7_000_000, pool_wait_ns=2_000_000, hits=(True, False)),
    figures("b", 250_000_000, growth=5_000_000, hits=(True,)),
]


@pytest.mark.parametrize("delta", [False, True], ids=["cumulative", "delta"])
@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"views": [duration_view(name="seconds", description="How long.")]}, {"seconds"}),
        ({"views": [duration_view(attribute_keys={semconv.FEATURE_SET})]}, {semconv.DURATION}),
        ({"views": [duration_view(name="one"), duration_view(name="all", attribute_keys=set())]}, {"one", "all"}),
        ({"views": [duration_view(name="one"), duration_view(aggregation=DropAggregation())]}, {"one"}),
        ({"views": [duration_view(aggregation=ExplicitBucketHistogramAggregation((0.006, 1)))]}, {semconv.DURATION}),
        (
            {
                "views": [
                    duration_view(name="one"),
                    duration_view(name="two", aggregation=ExponentialBucketHistogramAggregation()),
                ]
            },
            {"one", "two"},
        ),
        ({"preferred": {Histogram: ExponentialBucketHistogramAggregation()}}, {semconv.DURATION}),
        (
            {
                "preferred": {Histogram: ExponentialBucketHistogramAggregation()},
                "views": [duration_view(aggregation=ExplicitBucketHistogramAggregation())],
            },
            {semconv.DURATION},
        ),
        ({"views": [View(instrument_type=Counter, attribute_keys={semconv.RESULT})]}, {semconv.DURATION}),
    ],
)
def test_streams_equal_those_of_stock_instruments(pair_of, settings, names, delta, caplog):
    """Renamed, filtered, several, dropped beside others, with other boundaries, exponential: in each of two intervals."""
    pair = pair_of(delta=delta, **settings)
    for _ in range(2):
        pair.count(*FED)
        ours, stock = pair.collected()
        assert ours == stock
        others = set(HISTOGRAMS) - {semconv.DURATION} | {semconv.CACHE_LOOKUPS_METRIC}
        assert {name for name, *_ in ours} - others == names
    assert caplog.text == ""


@pytest.mark.parametrize(
    "view",
    [
        duration_view(attribute_keys={semconv.FEATURE_SET}),
        duration_view(attribute_keys=set(), aggregation=ExplicitBucketHistogramAggregation((0.006, 1))),
        duration_view(attribute_keys=set(), aggregation=ExponentialBucketHistogramAggregation()),
    ],
    ids=["kept", "other boundaries", "exponential"],
)
def test_exemplars_hold_the_attributes_that_a_view_filters_out(pair_of, view):
    """One a bucket, with the ids of its trace, as the SDK's reservoirs have them."""
    pair = pair_of([view])
    pair.count(*FED)
    ours, stock = ({k: v for k, v in found.items() if k[0] == semconv.DURATION} for found in pair.exemplars())
    assert ours == stock
    assert any(attributes for exemplars in ours.values() for *_, attributes in exemplars)


def test_the_standard_variable_makes_histograms_exponential(monkeypatch):
    """`OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`, as the OTLP exporter hands it to its reader."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram")
    exporter = OTLPMetricExporter()
    metrics = data_of(preferred=exporter._preferred_aggregation)
    exporter.shutdown()
    assert {type(metrics[name].data) for name in (semconv.DURATION, DROPPED)} == {ExponentialHistogram}
    assert metrics[semconv.DURATION].data.data_points[0].count == 2


def test_a_reader_added_later_gets_what_it_prefers_and_the_first_what_it_prefers(pair_of):
    """Each reader has its own streams, from the moment at which it is added."""
    pair = pair_of()
    pair.count(FED[0])
    later = InMemoryMetricReader(preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()})
    pair.ours.provider.add_metric_reader(later)
    pair.count(FED[1])
    (found,) = [m for m in metrics_of(later.get_metrics_data()) if m.name == semconv.DURATION]
    assert isinstance(found.data, ExponentialHistogram)
    assert [point.count for point in found.data.data_points] == [1]
    ours, stock = pair.collected()
    assert ours == stock
    pair.ours.provider.remove_metric_reader(later)
    pair.count(FED[2])
    ours, stock = pair.collected()
    assert ours == stock


def test_nothing_is_recorded_twice_unless_asked_for(pair_of):
    """Views that only rename, filter or drop cost an extraction nothing."""
    views = [duration_view(name="seconds"), View(instrument_type=Counter, attribute_keys=set())]
    assert pair_of(views).ours.engine.metrics._also_in is None
    exponential = pair_of([duration_view(aggregation=ExponentialBucketHistogramAggregation())])
    assert exponential.ours.engine.metrics._also_in is not None
    exponential.ours.source.remove()
    assert exponential.ours.engine.metrics._also_in is None


def test_a_child_starts_at_zero(pair_of):
    """A forked child starts at zero, like all derived metrics."""
    pair = pair_of([duration_view(aggregation=ExponentialBucketHistogramAggregation())])
    pair.count(FED[0])
    pair.ours.source.forget()
    pair.count(FED[1])
    (found,) = [m for m in metrics_of(pair.ours.reader.get_metrics_data()) if m.name == semconv.DURATION]
    assert [point.count for point in found.data.data_points] == [1]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"preferred": {Counter: LastValueAggregation()}}, "LastValueAggregation of a reader is not applied to"),
        ({"views": [View(instrument_type=Counter, aggregation=LastValueAggregation())]}, "LastValueAggregation"),
        ({"views": [duration_view(aggregation=ExplicitBucketHistogramAggregation((2, 1)))]}, "strictly increasing"),
    ],
)
def test_what_cannot_be_applied_is_said_once(settings, what, caplog):
    """One warning says that the metrics keep their aggregation."""
    metrics = data_of(**settings)
    assert {"feature_extraction.slo.events", semconv.DURATION} <= metrics.keys()
    assert len(caplog.messages) == 1
    assert what in caplog.text
