"""Faults in the pipeline behind the spans: deciding, exporting, metrics, the background."""

from __future__ import annotations

from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

import otel_fe
from otel_fe.instrument import runtime
from otel_fe.sdk.summed_counter import SummedCounter
from tests.integration.faulty.injection import injected


def names(app):
    """Return the exported spans of the application's own."""
    return [span.name for span in app.captured.spans if not span.name.startswith("feature_extraction")]


def traced(app):
    """Leave a span of the application's own with an extraction in it."""
    with app.captured.traces.get_tracer("mine").start_as_current_span("mine"), otel_fe.extraction("x"):
        return 5


@injected("export.settle", "sdk.export", "otel_fe.pipeline.counters:Counters.settle")
def exported_spans(app):
    return traced(app), app.captured.traces.force_flush(), names(app)


@injected("pipeline.keep", "instrument.process", "otel_fe.sdk.export:_stamped")
@injected("pipeline.decide", "instrument.process", "otel_fe.pipeline.engine:Engine.settle")
def flushing(app):
    return [(traced(app), app.captured.traces.force_flush()) for _ in range(40)]


@injected("alerts.close", "instrument.process", "otel_fe.instrument.alerts:ProcessAlerts.close")
@injected("pipeline.decide", "instrument.process", "otel_fe.pipeline.assembler:Assembler.decide_all")
def shutting_down(app):
    return traced(app), app.captured.traces.shutdown(), app.captured.metrics.force_flush()


def ours_left_out(data):
    """Return the metrics of the application's own, by name and value."""
    return [
        (metric.name, point.value)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if scope.scope.name == "mine"
    ]


@injected("metrics.collect", "sdk.metric_source", "otel_fe.sdk.metric_points:Collection.metrics")
@injected("metrics.collect", "sdk.metric_source", "otel_fe.sdk.metric_points:Collection.take")
def metrics_of_its_own(app):
    app.captured.metrics.get_meter("mine").create_counter("mine").add(3)
    traced(app)
    return ours_left_out(app.captured.reader.get_metrics_data())


@injected("metrics.summed", "sdk.summed_counter", "otel_fe.sdk.summed_counter:SummedCounter.flush")
def metrics_of_an_instrumentation(app):
    app.captured.metrics.get_meter("mine").create_counter("mine").add(3)
    summed = SummedCounter(app.captured.metrics.get_meter("an instrumentation's").create_up_down_counter("used"))
    summed.add(1)
    traced(app)
    return ours_left_out(app.captured.reader.get_metrics_data())


RECORDED = "otel_fe.sdk.recorded_histograms"


@injected("metrics.views", "sdk.metric_source", "otel_fe.sdk.metric_views:ReaderViews._record")
@injected("metrics.record", "sdk.recorded_histograms", f"{RECORDED}:values_of")
@injected("metrics.collect", "sdk.recorded_histograms", f"{RECORDED}:_metrics_in")
def metrics_in_exponential_buckets(app):
    app.captured.metrics.get_meter("mine").create_counter("mine").add(3)
    reader = InMemoryMetricReader(preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()})
    app.captured.metrics.add_metric_reader(reader)
    app.captured.metrics.get_meter("mine").create_counter("later").add(5)
    traced(app)
    return ours_left_out(app.captured.reader.get_metrics_data()), ours_left_out(reader.get_metrics_data())


QUICK = "otel_fe.instrument.background"


@injected(
    "background.sweep", "instrument.background", "otel_fe.pipeline.assembler:Assembler.decide_overdue", when="before"
)
@injected("background.rss", "instrument.background", "otel_fe.instrument.process:sample_rss", when="before")
@injected("background.alerts", "instrument.background", "otel_fe.instrument.alerts:ProcessAlerts.tick", when="before")
@injected("background.gpu", "instrument.background", "otel_fe.instrument.process:GpuSampler", when="before")
@injected(
    "background.load", "instrument.background", "otel_fe.instrument.process_load:ProcessLoad.sample", when="before"
)
def work_while_the_background_fails(app):
    found = [traced(app)]
    app.await_fault()
    return [*found, traced(app)], names(app)


@injected("alerts", "instrument.alerts", "otel_fe.live.source:LiveSource.refresh", when="work")
def work_while_alerts_fail(app):
    found = [traced(app)]
    if app.injection is not None:
        alerts = runtime.current._alerts
        alerts._begin_ns = 0
        alerts.tick()
        app.arm()
        alerts._attached._next_ns = 0
        alerts.tick()
    return [*found, traced(app)], names(app)
