"""The derived metrics as one more source of every metric reader: periodic OTLP export, Prometheus, in memory.

The SDK for Python has no `MetricProducer` yet (specification: metrics/sdk.md#metricproducer), and recording through its
instruments costs 6 µs a histogram. So each reader's collection is extended by what the engine has aggregated itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics._internal.instrument import _Counter, _Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality

from otel_fe.instrument import faults
from otel_fe.instrument.collected import with_ours
from otel_fe.instrument.metric_views import Views

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import Metric, MetricReader, MetricsData

    from otel_fe.instrument.metric_points import Collection


@dataclass(slots=True)
class _Previous:
    """What a reader that wants deltas has been given so far."""

    collection: Collection | None = None


class MetricSource:
    """Adds the engine's metrics to what the readers of a meter provider collect.

    Args:
        provider: An SDK meter provider.
        collect: Returns the engine's metrics as they are now.
        more: Returns metrics beside those, in the SDK's form.
    """

    def __init__(
        self, provider: MeterProvider, collect: Callable[[], Collection], more: Callable[[], list[Metric]]
    ) -> None:
        self._provider = provider
        self._collect = collect
        self._more = more
        self._previous: dict[MetricReader, _Previous] = {}
        self._views = Views(provider._sdk_config.views)
        consumer: Any = provider._measurement_consumer
        self._consumer = consumer
        self._original = consumer.collect

    def install(self) -> None:
        """Extend the readers that there are, and those that will be added."""
        self._consumer.collect = self._extended
        self._redirect(self._extended)

    def remove(self) -> None:
        """Let the readers collect as before."""
        if self._consumer.__dict__.get("collect") == self._extended:
            del self._consumer.collect
            self._redirect(self._original)

    def forget(self) -> None:
        """Start deltas anew; in a forked child, whose metrics start at zero."""
        self._previous.clear()

    def _redirect(self, collect: Any) -> None:
        for reader in list(self._consumer._reader_storages):
            reader._set_collect_callback(collect)

    def _extended(self, reader: MetricReader, timeout_millis: float = 10_000) -> MetricsData | None:
        collected: MetricsData | None = self._original(reader, timeout_millis=timeout_millis)
        try:
            return self._add(reader, collected)
        except Exception as fault:
            faults.record("metrics.collect", fault)
            return collected

    def _add(self, reader: MetricReader, collected: MetricsData | None) -> MetricsData | None:
        previous = self._previous.setdefault(reader, _Previous())
        now = self._collect()
        temporality = reader._instrument_class_temporality
        metrics = now.metrics(
            previous.collection,
            delta_histograms=temporality[_Histogram] is AggregationTemporality.DELTA,
            delta_counters=temporality[_Counter] is AggregationTemporality.DELTA,
        )
        previous.collection = now
        metrics += self._more()
        metrics = self._views.apply(metrics, reader)
        return with_ours(collected, metrics, self._provider._sdk_config.resource)
