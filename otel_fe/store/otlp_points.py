"""Reads the data points of OTLP metrics, as SDK processes export them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA, MetricsData, ResourceMetrics

from otel_fe.store.counts import Counts, scale_of
from otel_fe.store.points import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    SERVICE,
    MetricPoint,
    Shape,
    counts_of_buckets,
    counts_of_exponential,
    labels_of,
    points_from,
    scaled,
    source_of,
)
from otel_fe.store.store_error import InvalidItemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_fe.model.metric import Metric

_RESOURCES: Final = 512
"""Resources whose identity is remembered."""
_NO_VALUE: Final = 1
"""OTLP's `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`: a point without a value."""


def points_in(payload: bytes) -> Iterator[MetricPoint]:
    """Yield the points of an encoded `ExportMetricsServiceRequest`. Summaries cannot be added up, and are left out.

    Raises:
        InvalidItemError: The bytes are no such request.
    """
    try:
        request = MetricsData.FromString(payload)
    except DecodeError as error:
        raise InvalidItemError(f"no metrics: {error}") from None
    for resource_metrics in request.resource_metrics:
        attributes = attributes_of(resource_metrics.resource.attributes)
        service, source = str(attributes.get(SERVICE) or ""), source_of(attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                for point in _points(metric):
                    made = _point(metric, point, service, source)
                    if made is not None:
                        yield made


def points_under(resource: bytes, metrics: Iterable[Metric]) -> Iterator[MetricPoint]:
    """Return the points of metrics of a resource as `points_in` does once they are encoded.

    Args:
        resource: An encoded `ResourceMetrics` without its scopes.
        metrics: Of this resource.

    Raises:
        InvalidItemError: The bytes are no such resource.
    """
    return points_from(metrics, *_identity(resource))


@lru_cache(maxsize=_RESOURCES)
def _identity(resource: bytes) -> tuple[str, str]:
    """Return the service and the identity of a resource."""
    try:
        attributes = attributes_of(ResourceMetrics.FromString(resource).resource.attributes)
    except DecodeError as error:
        raise InvalidItemError(f"no resource: {error}") from None
    return str(attributes.get(SERVICE) or ""), source_of(attributes)


def _points(metric: Any) -> Any:
    kind = metric.WhichOneof("data")
    if kind in (None, "summary"):
        return ()
    return [point for point in getattr(metric, kind).data_points if not point.flags & _NO_VALUE]


def _point(metric: Any, point: Any, service: str, source: str) -> MetricPoint | None:
    data = getattr(metric, metric.WhichOneof("data"))
    delta = getattr(data, "aggregation_temporality", 0) == AGGREGATION_TEMPORALITY_DELTA
    found = _histogram(metric, point) or _number(metric, point, gauge=_is_gauge(metric, delta=delta))
    if found is None:
        return None
    kind, value, scale, shape = found
    return MetricPoint(
        metric.name,
        metric.unit,
        kind,
        service,
        labels_of(attributes_of(point.attributes)),
        source,
        point.start_time_unix_nano,
        point.time_unix_nano,
        delta,
        value,
        scale,
        shape,
        *_extremes(point, kind),
    )


def _extremes(point: Any, kind: str) -> tuple[float | None, float | None]:
    """Return the smallest and the largest value of a histogram, where the sender has them."""
    if kind != HISTOGRAM:
        return None, None
    found = (getattr(point, name) if point.HasField(name) else math.nan for name in ("min", "max"))
    least, most = (value if math.isfinite(value) else None for value in found)
    return least, most


def _is_gauge(metric: Any, *, delta: bool) -> bool:
    """Return whether the last value counts, as for a cumulative sum that may fall."""
    return metric.WhichOneof("data") == "gauge" or not (delta or metric.sum.is_monotonic)


def _number(metric: Any, point: Any, *, gauge: bool) -> tuple[str, Counts | float, int, Shape] | None:
    kind = point.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(point, kind)
    if not math.isfinite(value):
        return None
    if gauge:
        return GAUGE, float(value), 1, None
    scale = 1 if kind == "as_int" else scale_of(metric.unit)
    return COUNTER, Counts(scaled(value, scale)), scale, None


def _histogram(metric: Any, point: Any) -> tuple[str, Counts | float, int, Shape] | None:
    kind = metric.WhichOneof("data")
    scale = scale_of(metric.unit)
    if kind == "histogram":
        counts = counts_of_buckets(point.bucket_counts, point.count, point.sum, scale)
        return HISTOGRAM, counts, scale, tuple(point.explicit_bounds)
    if kind == "exponential_histogram":
        buckets = dict(enumerate(point.positive.bucket_counts, point.positive.offset))
        zeros = point.zero_count + sum(point.negative.bucket_counts)
        exponential, shape = counts_of_exponential(buckets, zeros, point.sum, point.scale, scale)
        return HISTOGRAM, exponential, scale, shape
    return None


def attributes_of(pairs: Any) -> dict[str, Any]:
    """Return attributes as they come over the wire as a dictionary."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "bytes_value":
        return value.bytes_value.hex()
    if kind in ("array_value", "kvlist_value"):
        return str(getattr(value, kind))
    if kind == "double_value" and not math.isfinite(value.double_value):
        return str(value.double_value)
    return getattr(value, kind)
