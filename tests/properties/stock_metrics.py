"""Extractions counted by our engine, and the same values recorded by instruments of a stock SDK, under the same views."""

from __future__ import annotations

from dataclasses import asdict
from itertools import count
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

from otel_fe import semconv
from otel_fe.clock import SystemClock
from otel_fe.config.settings import Settings
from otel_fe.model.measurements import Measurements
from otel_fe.pipeline.engine import Engine
from otel_fe.sdk.collection import HISTOGRAMS, labels_of
from otel_fe.sdk.metric_points import Collection
from otel_fe.sdk.metric_source import MetricSource
from otel_fe.version import __version__

_TIMES = ("start_time_unix_nano", "time_unix_nano")


def figures(feature_set="x", duration_ns=1_000_000, cpu_ns=-1, pool_wait_ns=None, growth=0, hits=(), error=""):
    """Return what an ended extraction measured; `hits` has one boolean a look-up."""
    made = Measurements()
    made.feature_set, made.duration_ns, made.cpu_ns = feature_set, duration_ns, cpu_ns
    made.pool_waits, made.pool_wait_ns = (0, 0) if pool_wait_ns is None else (1, pool_wait_ns)
    made.memory_growth_bytes, made.error_type = growth, error
    made.cache_lookups, made.cache_hits = len(hits), sum(hits)
    return made


class Ours:
    """An engine whose metrics a reader collects; what the pipeline of a process is to `MetricSource`."""

    def __init__(self, reader: InMemoryMetricReader, views: Any) -> None:
        self.clock = SystemClock()
        self.engine = Engine(Settings(), self.clock, lambda _: 0, lambda *_: "")
        self.started_ns = self.clock.time_ns()
        self.reader = reader
        self.provider = MeterProvider([reader], views=views, shutdown_on_exit=False)
        self.source = MetricSource(self.provider, self)
        self.source.install()

    def collect(self) -> Collection:
        self.engine.settle()
        found = Collection.take(self.engine, self.started_ns, self.clock.time_ns(), {})
        # What the SDK has no instrument for here is left out.
        found.counters = {k: v for k, v in found.counters.items() if k == semconv.CACHE_LOOKUPS_METRIC}
        found.gauges = {}
        return found

    def collect_more(self) -> list[Any]:
        return []

    def record_also_in(self, recorder: Any) -> None:
        self.engine.metrics.record_also_in(recorder)

    def count(self, extraction: Measurements, trace_id: int) -> None:
        """Count an extraction of a trace that is kept."""
        self.engine.derive(extraction, None, 0, 0)
        self.engine.settle()
        self.engine.metrics.offer(trace_id, [(extraction, self.clock.time_ns(), trace_id)])


class Stock:
    """Instruments of the SDK with the names, units and boundaries of ours."""

    def __init__(self, reader: InMemoryMetricReader, views: Any) -> None:
        self.reader = reader
        self.provider = MeterProvider([reader], views=views, shutdown_on_exit=False)
        meter = self.provider.get_meter(semconv.SCOPE_NAME, __version__)
        self.histograms = {}
        for name, (edges, per_unit) in HISTOGRAMS.items():
            meta = semconv.METRIC_BY_NAME[name]
            bounds = [edge / per_unit for edge in edges]
            self.histograms[name] = meter.create_histogram(
                name, meta.unit, meta.meaning, explicit_bucket_boundaries_advisory=bounds
            )
        meta = semconv.METRIC_BY_NAME[semconv.CACHE_LOOKUPS_METRIC]
        self.lookups = meter.create_counter(meta.name, meta.unit, meta.meaning)

    def count(self, extraction: Measurements, trace_id: int) -> None:
        """Record the values of an extraction inside of a sampled span."""
        attributes = dict(
            labels_of(
                {
                    semconv.FEATURE_SET: extraction.feature_set,
                    semconv.CACHE_HIT: extraction.all_hit,
                    semconv.ERROR_TYPE: extraction.error_type,
                }
            )
        )
        span = trace.SpanContext(trace_id, trace_id, is_remote=False, trace_flags=trace.TraceFlags(1))
        context = trace.set_span_in_context(trace.NonRecordingSpan(span))
        record = {name: histogram.record for name, histogram in self.histograms.items()}
        record[semconv.DURATION](extraction.duration_ns / 1e9, attributes, context)
        record[semconv.MEMORY_GROWTH_METRIC](max(0, extraction.memory_growth_bytes), attributes, context)
        if extraction.cpu_ns >= 0:
            record[semconv.CPU_TIME_METRIC](extraction.cpu_ns / 1e9, attributes, context)
        if extraction.pool_waits:
            record[semconv.POOL_WAIT_METRIC](extraction.pool_wait_ns / 1e9, attributes, context)
        for result, times in (
            ("hit", extraction.cache_hits),
            ("miss", extraction.cache_lookups - extraction.cache_hits),
        ):
            if times:
                self.lookups.add(times, {semconv.FEATURE_SET: extraction.feature_set, semconv.RESULT: result})


class Pair:
    """Ours and the SDK's, with a reader each, fed the same.

    Args:
        views: Of both meter providers.
        delta: Whether the readers want differences.
        preferred: The readers' preferred aggregations.
    """

    def __init__(self, views: Any = (), *, delta: bool = False, preferred: Any = None) -> None:
        temporality = dict.fromkeys((Histogram, Counter), AggregationTemporality.DELTA) if delta else None
        self.ours = Ours(InMemoryMetricReader(temporality, preferred), views)
        self.stock = Stock(InMemoryMetricReader(temporality, preferred), views)
        self._ids = count(1)

    def count(self, *extractions: Measurements) -> None:
        """Count extractions in both."""
        for extraction in extractions:
            trace_id = next(self._ids)
            self.ours.count(extraction, trace_id)
            self.stock.count(extraction, trace_id)

    def collected(self) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Return the streams that our reader collects, and those that the SDK's does: points by attributes."""
        ours, stock = _streams(self.ours.reader), _streams(self.stock.reader)
        for stream, points in ours.items():
            for attributes, point in points.items():
                # Differences of our own histograms have neither least nor greatest value: see `HistogramState`.
                if point.get("min", 0) is None and attributes in stock.get(stream, {}):
                    stock[stream][attributes].update(min=None, max=None)
        return ours, stock

    def exemplars(self) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Return the exemplars that our reader collects, and those that the SDK's does."""
        return _exemplars(self.ours.reader), _exemplars(self.stock.reader)

    def close(self) -> None:
        """Shut both providers down."""
        self.ours.source.remove()
        self.ours.provider.shutdown()
        self.stock.provider.shutdown()


def _metrics(reader: InMemoryMetricReader) -> list[Any]:
    data = reader.get_metrics_data()
    resources = [] if data is None else data.resource_metrics
    return [metric for r in resources for scope in r.scope_metrics for metric in scope.metrics]


def _attributes(attributes: Any) -> Any:
    return tuple(sorted((attributes or {}).items()))


def _streams(reader: InMemoryMetricReader) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for metric in _metrics(reader):
        data = metric.data
        kind = type(data).__name__, getattr(data, "aggregation_temporality", None), getattr(data, "is_monotonic", None)
        points = {_attributes(point.attributes): _values(point) for point in data.data_points}
        # A counter of ours also says 0 of what has not been counted yet.
        points = {attributes: values for attributes, values in points.items() if values.get("value") != 0}
        if points:
            stream = found.setdefault((metric.name, metric.description, metric.unit, kind), {})
            assert not stream.keys() & points.keys()
            stream.update(points)
    return found


def _values(point: Any) -> dict[str, Any]:
    """Return what a point says, apart from times and exemplars."""
    values = {k: v for k, v in asdict(point).items() if k not in {"attributes", "exemplars", *_TIMES}}
    for name in ("bucket_counts", "explicit_bounds"):
        if name in values:
            values[name] = tuple(values[name])
    for name in ("positive", "negative"):
        if name in values:
            counts = dict(enumerate(values[name]["bucket_counts"], values[name]["offset"]))
            values[name] = {index: times for index, times in counts.items() if times}
    if "sum" in values:
        values["sum"] = round(values["sum"], 9)  # of whole nanoseconds
    return values


def _exemplars(reader: InMemoryMetricReader) -> dict[Any, Any]:
    return {
        (metric.name, _attributes(point.attributes)): sorted(
            (e.value, e.trace_id, e.span_id, _attributes(e.filtered_attributes)) for e in point.exemplars
        )
        for metric in _metrics(reader)
        for point in metric.data.data_points
        if point.exemplars
    }
