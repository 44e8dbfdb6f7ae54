"""An instrumented process whose spans and metrics stay in memory: the real SDK, the real pipeline."""

from __future__ import annotations

from contextlib import contextmanager

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_fe import FeatureExtractionInstrumentor
from otel_fe.config.settings import Settings


class Observed:
    """What left the process."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.traces = TracerProvider(shutdown_on_exit=False)
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.metrics = MeterProvider([self.reader], shutdown_on_exit=False)

    def extractions(self):
        """Return the exported extraction spans, in the order in which they ended."""
        found = [span for span in self.spans if span.name.startswith("feature_extraction")]
        return sorted(found, key=lambda span: span.end_time)

    @property
    def spans(self):
        """Return the exported spans."""
        self.traces.force_flush()
        return self.exporter.get_finished_spans()

    def points(self, name: str):
        """Return the data points of a metric, as they are now."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def total(self, name: str, **dimensions: object) -> float:
        """Return the sum of a metric over its points with these dimensions; dots are written as `__`."""
        wanted = {key.replace("__", "."): value for key, value in dimensions.items()}
        return sum(
            getattr(point, "count", getattr(point, "value", 0))
            for point in self.points(name)
            if wanted.items() <= dict(point.attributes).items()
        )


@contextmanager
def instrumented(**settings):
    """Instrument this process with exporters in memory, keeping every trace unless told otherwise."""
    observed = Observed()
    instrumentor = FeatureExtractionInstrumentor()
    instrumentor.instrument(
        tracer_provider=observed.traces,
        meter_provider=observed.metrics,
        settings=Settings(**{"baseline_ratio": 1.0, **settings}),
    )
    try:
        yield observed
    finally:
        instrumentor.uninstrument()
        observed.traces.shutdown()
        observed.metrics.shutdown()
