"""Derived histograms whose aggregation a view or a reader has changed.

Other boundaries and exponential buckets cannot be read off buckets, so values are recorded a second time, by the SDK's own
aggregations: a few microseconds a value, and only on request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.metrics._internal._view_instrument_match import _hash_attributes
from opentelemetry.sdk.metrics._internal.measurement import Measurement
from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_fe import faults, semconv
from otel_fe.sdk.collection import HISTOGRAMS, series_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.metrics._internal.instrument import _Histogram
    from opentelemetry.sdk.metrics._internal.sdk_configuration import SdkConfiguration
    from opentelemetry.sdk.metrics.export import Metric, MetricReader, MetricsData

    from otel_fe.model.measurements import Measurements
    from otel_fe.pipeline.extraction_series import ExtractionSeries

_NOWHERE = Context()


class RecordedHistograms:
    """The histograms of one reader that the SDK aggregates, with all of their streams.

    Args:
        config: The meter provider's, with its views.
        reader: Its temporality and preferred aggregations count.
    """

    def __init__(self, config: SdkConfiguration, reader: MetricReader) -> None:
        self._config = config
        self._reader: Any = reader
        self._instruments: dict[str, _Histogram] = {}
        self._storages: dict[str, MetricReaderStorage] = {}
        """One each: the SDK (1.45) refuses for good to collect a storage with one exponential histogram of few buckets that
        held only zeros in its first interval."""

    def add(self, instrument: _Histogram) -> None:
        """Record a histogram from now on.

        Raises:
            ValueError: The SDK refuses a view's settings, such as boundaries that do not increase.
        """
        reader = self._reader
        storage = MetricReaderStorage(
            self._config, reader._instrument_class_temporality, reader._instrument_class_aggregation
        )
        storage._get_or_init_view_instrument_match(instrument)
        self._storages[instrument.name] = storage
        self._instruments[instrument.name] = instrument

    @property
    def names(self) -> frozenset[str]:
        """The instruments' names."""
        return frozenset(self._instruments)

    def record(self, attributes: dict[str, Any], values: Sequence[tuple[str, float]]) -> None:
        """Record the values of an extraction, by name of the instrument."""
        for name, value in values:
            instrument = self._instruments.get(name)
            if instrument is not None:
                # Exemplars are offered once the trace is known to be kept.
                self._storages[name].consume_measurement(Measurement(value, 0, instrument, _NOWHERE, attributes), False)  # noqa: FBT003

    def offer(
        self, attributes: dict[str, Any], values: Sequence[tuple[str, float]], time_ns: int, context: Context
    ) -> None:
        """Offer values that have been recorded as exemplars."""
        for name, value in values:
            instrument = self._instruments.get(name)
            if instrument is None or not self._config.exemplar_filter.should_sample(
                value, time_ns, attributes, context
            ):
                continue
            for stream in self._storages[name]._get_or_init_view_instrument_match(instrument):
                keys = stream._view._attribute_keys
                left = attributes if keys is None else {k: v for k, v in attributes.items() if k in keys}
                aggregation = stream._attributes_aggregation.get(_hash_attributes(left))
                if aggregation is not None:
                    aggregation._reservoir.offer(value, time_ns, attributes, context)

    def metrics(self) -> list[Metric]:
        """Return what has been recorded, in the reader's temporality."""
        return [metric for storage in self._storages.values() for metric in _collect(storage)]


def _collect(storage: MetricReaderStorage) -> list[Metric]:
    try:
        return _metrics_in(storage.collect())
    except Exception as fault:
        faults.record("metrics.collect", fault)
        return []


def _metrics_in(collected: MetricsData | None) -> list[Metric]:
    resources = [] if collected is None else collected.resource_metrics
    return [metric for resource in resources for scope in resource.scope_metrics for metric in scope.metrics]


class Recorder:
    """Hands the values of extractions to the recorded histograms of all readers. Never raises: the host has called."""

    def __init__(self, recorded: Sequence[RecordedHistograms]) -> None:
        self._recorded = recorded

    def record(self, series: ExtractionSeries, figures: Measurements) -> None:
        """Record an ended extraction."""
        try:
            attributes, values = dict(series_labels(series)), list(values_of(figures))
            for histograms in self._recorded:
                histograms.record(attributes, values)
        except Exception as fault:
            faults.record("metrics.record", fault)

    def offer(self, series: ExtractionSeries, figures: Measurements, time_ns: int, trace_id: int, span_id: int) -> None:
        """Offer an extraction of a kept trace as an exemplar."""
        try:
            attributes, values = dict(series_labels(series)), list(values_of(figures))
            span = SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
            context = set_span_in_context(NonRecordingSpan(span), _NOWHERE)
            for histograms in self._recorded:
                histograms.offer(attributes, values, time_ns, context)
        except Exception as fault:
            faults.record("metrics.record", fault)


def values_of(figures: Measurements) -> Iterator[tuple[str, float]]:
    """Return what an extraction adds to each histogram, in its exported unit; `ExtractionSeries.record` is the fast form of it."""
    values = [
        (semconv.DURATION, figures.duration_ns),
        (semconv.MEMORY_GROWTH_METRIC, max(0, figures.memory_growth_bytes)),
    ]
    if figures.cpu_ns >= 0:
        values.append((semconv.CPU_TIME_METRIC, figures.cpu_ns))
    if figures.pool_waits:
        values.append((semconv.POOL_WAIT_METRIC, figures.pool_wait_ns))
    for name, value in values:
        per_unit = HISTOGRAMS[name][1]
        yield name, value / per_unit if per_unit != 1 else value
