"""The engine's metrics at one moment, as data points of the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics._internal.exemplar import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)

from otel_fe import semconv
from otel_fe.sdk.collection import COUNTED_IN, HISTOGRAMS, Collected

if TYPE_CHECKING:
    from otel_fe.model.histogram import Exemplar, HistogramState
    from otel_fe.sdk.collection import Labels


class Collection(Collected):
    """A collection for readers of the SDK."""

    __slots__ = ()

    def metrics(self, previous: Collection | None, *, delta_histograms: bool, delta_counters: bool) -> list[Metric]:
        """Return the SDK's form of this collection.

        Args:
            previous: The last collection of the same reader, if any.
            delta_histograms: Whether that reader wants the difference for histograms.
            delta_counters: The same for counters.
        """
        since = previous.time_ns if previous is not None else self.start_ns
        found = [
            self._histogram_metric(name, points, previous if delta_histograms else None, since, delta_histograms)
            for name, points in self.histograms.items()
        ]
        found += [
            self._counter_metric(name, points, previous if delta_counters else None, since, delta_counters)
            for name, points in self.counters.items()
        ]
        found += [
            _metric(name, Gauge([NumberDataPoint({}, self.start_ns, self.time_ns, value)]))
            for name, value in self.gauges.items()
        ]
        found += [
            _metric(
                name,
                Gauge(
                    [
                        NumberDataPoint(dict(labels), self.start_ns, self.time_ns, value)
                        for labels, value in points.items()
                    ]
                ),
            )
            for name, points in self.labelled_gauges.items()
        ]
        return found

    def _histogram_metric(
        self,
        name: str,
        points: dict[Labels, HistogramState],
        previous: Collection | None,
        since: int,
        delta: bool,  # noqa: FBT001
    ) -> Metric:
        edges, per_unit = HISTOGRAMS[name]
        before = previous.histograms.get(name, {}) if previous is not None else {}
        bounds = [edge / per_unit for edge in edges]
        data = []
        for labels, total in points.items():
            state = total - before[labels] if labels in before else total
            if not state.count:
                continue
            # A delta shows the exemplars of its own interval, a cumulative point the latest of each bucket.
            exemplars = self.exemplars.get(labels, ()) if name == semconv.DURATION else ()
            fresh = [e for e in exemplars if e.time_ns >= since] if delta else exemplars
            data.append(
                HistogramDataPoint(
                    attributes=dict(labels),
                    start_time_unix_nano=since if delta else self.start_ns,
                    time_unix_nano=self.time_ns,
                    count=state.count,
                    sum=state.total / per_unit,
                    bucket_counts=list(state.buckets),
                    explicit_bounds=bounds,
                    # A difference of two states has no minimum or maximum; both are optional in OTLP.
                    min=None if state.least is None else state.least / per_unit,  # type: ignore[arg-type]
                    max=None if state.most is None else state.most / per_unit,  # type: ignore[arg-type]
                    exemplars=[_exemplar(e, per_unit) for e in fresh],
                )
            )
        return _metric(name, Histogram(data, _temporality(delta=delta)))

    def _counter_metric(
        self,
        name: str,
        points: dict[Labels, int],
        previous: Collection | None,
        since: int,
        delta: bool,  # noqa: FBT001
    ) -> Metric:
        before = previous.counters.get(name, {}) if previous is not None else {}
        start = since if delta else self.start_ns
        per_unit = COUNTED_IN.get(name)
        data = [
            NumberDataPoint(dict(labels), start, self.time_ns, _exported(value - before.get(labels, 0), per_unit))
            for labels, value in points.items()
        ]
        return _metric(name, Sum(data, _temporality(delta=delta), is_monotonic=True))


def _exported(value: int, per_unit: int | None) -> float:
    return value if per_unit is None else value / per_unit


def _exemplar(exemplar: Exemplar, per_unit: int) -> SdkExemplar:
    return SdkExemplar({}, exemplar.value / per_unit, exemplar.time_ns, exemplar.span_id, exemplar.trace_id)


def _temporality(*, delta: bool) -> AggregationTemporality:
    return AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE


def _metric(name: str, data: Any) -> Metric:
    meta = semconv.METRIC_BY_NAME[name]
    return Metric(name, meta.meaning, meta.unit, data)
