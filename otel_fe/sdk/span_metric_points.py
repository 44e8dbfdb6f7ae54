"""The metrics of `span_metrics` connectors as the SDK has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics._internal.exemplar import Exemplar
from opentelemetry.sdk.metrics._internal.point import Buckets as SdkBuckets
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)

from otel_fe.model.exponential import ExponentialState
from otel_fe.model.metric import Buckets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.model import metric as ours


def sdk_metrics(collected: Iterable[ours.ResourceMetrics]) -> list[Metric]:
    """Return what has been collected; all of it is of this process's one resource."""
    return [_metric(metric) for resource in collected for metric in resource.metrics if metric.points]


def _metric(metric: ours.Metric) -> Metric:
    temporality = AggregationTemporality.DELTA if metric.delta else AggregationTemporality.CUMULATIVE
    points: list[Any] = [_point(point) for point in metric.points]
    data: Any
    if isinstance(metric.points[0].value, int):
        data = Sum(points, temporality, is_monotonic=True)
    elif isinstance(metric.points[0].value, Buckets):
        data = Histogram(points, temporality)
    else:
        data = ExponentialHistogram(points, temporality)
    return Metric(metric.name, "", metric.unit, data)


def _point(point: ours.Point) -> Any:
    value = point.value
    place: dict[str, Any] = {
        "attributes": dict(point.attributes),
        "start_time_unix_nano": point.start_ns,
        "time_unix_nano": point.time_ns,
        "exemplars": [Exemplar({}, e.value, e.time_ns, e.span_id, e.trace_id) for e in point.exemplars],
    }
    if isinstance(value, Buckets):
        return HistogramDataPoint(
            **place,
            count=value.count,
            sum=value.total,
            bucket_counts=list(value.counts),
            explicit_bounds=list(value.edges),
            # Optional in OTLP, and not kept.
            min=None,  # type: ignore[arg-type]
            max=None,  # type: ignore[arg-type]
        )
    if isinstance(value, ExponentialState):
        return _exponential(place, value)
    return NumberDataPoint(**place, value=value)


def _exponential(place: dict[str, Any], state: ExponentialState) -> ExponentialHistogramDataPoint:
    return ExponentialHistogramDataPoint(
        **place,
        count=state.count,
        sum=state.total,
        scale=state.scale,
        zero_count=state.zero_count,
        positive=SdkBuckets(state.offset, list(state.buckets)),
        negative=SdkBuckets(0, []),
        flags=0,
        min=state.least or 0.0,
        max=state.most or 0.0,
    )
