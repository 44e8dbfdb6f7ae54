"""The derived metrics as one more source of every metric reader: periodic OTLP export, Prometheus, in memory.

The SDK for Python has no `MetricProducer` yet (specification: metrics/sdk.md#metricproducer), and recording through its
instruments costs 6 µs a histogram. So each reader's collection is extended by what the engine has aggregated itself.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.sdk.metrics._internal.instrument import _Counter, _Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality

from otel_fe import faults
from otel_fe.sdk import summed_counter
from otel_fe.sdk.collected import with_ours
from otel_fe.sdk.metric_views import ReaderViews
from otel_fe.sdk.recorded_histograms import Recorder

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import Metric, MetricReader, MetricsData

    from otel_fe.pipeline.derive import ValueRecorder
    from otel_fe.sdk.metric_points import Collection


class CountingPipeline(Protocol):
    """The pipeline that counts extractions."""

    def collect(self) -> Collection:
        """Return the derived metrics as they are now."""
        ...

    def collect_more(self) -> list[Metric]:
        """Return metrics beside those, in the SDK's form."""
        ...

    def record_also_in(self, recorder: ValueRecorder | None) -> None:
        """Have another recorder record every extraction as well."""
        ...


@dataclass(slots=True)
class _Reader:
    """The state of a reader."""

    views: ReaderViews
    previous: Collection | None = None
    """Its last collection."""


class MetricSource:
    """Adds the engine's metrics to what the readers of a meter provider collect.

    Args:
        provider: An SDK meter provider.
        counting: Whose metrics they are.
    """

    def __init__(self, provider: MeterProvider, counting: CountingPipeline) -> None:
        self._provider = provider
        self._counting = counting
        self._lock = threading.Lock()
        """Guards changes of `_readers`."""
        self._readers: dict[MetricReader, _Reader] = {}
        self._warned: set[str] = set()
        consumer: Any = provider._measurement_consumer
        self._consumer = consumer
        self._original = consumer.collect
        self._original_add = consumer.add_metric_reader

    def install(self) -> None:
        """Extend the readers that there are, and those that will be added."""
        self._consumer.collect = self._extended
        self._consumer.add_metric_reader = self._added
        self._redirect(self._extended)
        self._meet_readers()
        summed_counter.begin(self)

    def remove(self) -> None:
        """Let the readers collect as before."""
        summed_counter.end(self)
        self._counting.record_also_in(None)
        if self._consumer.__dict__.get("add_metric_reader") == self._added:
            del self._consumer.add_metric_reader
        if self._consumer.__dict__.get("collect") == self._extended:
            del self._consumer.collect
            self._redirect(self._original)

    def forget(self) -> None:
        """Reset in a forked child, whose metrics start at zero."""
        self._lock = threading.Lock()
        self._readers = {}
        self._meet_readers()

    def _redirect(self, collect: Any) -> None:
        for reader in list(self._consumer._reader_storages):
            reader._set_collect_callback(collect)

    def _added(self, metric_reader: MetricReader) -> None:
        self._original_add(metric_reader)
        self._meet_readers()

    def _meet_readers(self) -> None:
        """Update the list of readers, and record the histograms that they need from now on."""
        try:
            config = self._provider._sdk_config
            with self._lock:
                known = self._readers
                self._readers = {
                    reader: known.get(reader) or _Reader(ReaderViews(config, reader, self._warned))
                    for reader in list(self._consumer._reader_storages)
                }
                recorded = [one.views.recorded for one in self._readers.values() if one.views.recorded is not None]
                self._counting.record_also_in(Recorder(recorded) if recorded else None)
        except Exception as fault:
            faults.record("metrics.views", fault)

    def _extended(self, reader: MetricReader, timeout_millis: float = 10_000) -> MetricsData | None:
        summed_counter.flush_all()
        collected: MetricsData | None = self._original(reader, timeout_millis=timeout_millis)
        try:
            return self._add(reader, collected)
        except Exception as fault:
            faults.record("metrics.collect", fault)
            return collected

    def _add(self, reader: MetricReader, collected: MetricsData | None) -> MetricsData | None:
        if self._readers.keys() != self._consumer._reader_storages.keys():
            self._meet_readers()
        known = self._readers[reader]
        now = self._counting.collect()
        temporality = reader._instrument_class_temporality
        metrics = now.metrics(
            known.previous,
            delta_histograms=temporality[_Histogram] is AggregationTemporality.DELTA,
            delta_counters=temporality[_Counter] is AggregationTemporality.DELTA,
        )
        known.previous = now
        metrics = known.views.apply(metrics + self._counting.collect_more())
        return with_ours(collected, metrics, self._provider._sdk_config.resource)
