"""Encodes the pipeline's metrics as an `ExportMetricsServiceRequest`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from otel_fe.model.exponential import ExponentialState
from otel_fe.model.metric import Buckets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.model.metric import Metric, Point, ResourceMetrics
    from otel_fe.model.span import Attributes, Value

_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8
_INT64: Final = range(-(1 << 63), 1 << 63)
_UINT64: Final = range(1 << 64)
"""The largest count in OTLP. A span may say that it counts for 2**56, so a few hundred are more: then the most stays there,
and the metrics of other senders are unaffected."""


def encode_metrics(metrics: Iterable[ResourceMetrics]) -> bytes:
    """Return metrics as an encoded `ExportMetricsServiceRequest`; those without points are left out."""
    request = ExportMetricsServiceRequest()
    for of_resource in metrics:
        resource_metrics = request.resource_metrics.add()
        resource_metrics.resource.attributes.extend(_key_values(of_resource.attributes))
        resource_metrics.scope_metrics.append(_scope_metrics(of_resource.scope, "", of_resource.metrics))
    return bytes(request.SerializeToString())


def encode_scope(name: str, version: str, metrics: Iterable[Metric]) -> bytes:
    """Return the metrics of one instrumentation scope as an encoded `ScopeMetrics`; those without points are left out."""
    return bytes(_scope_metrics(name, version, metrics).SerializeToString())


def any_value(value: Value) -> AnyValue:
    """Return an attribute's value as an OTLP message."""
    found = AnyValue()
    if isinstance(value, bool):  # an int in Python, so it comes first
        found.bool_value = value
    elif isinstance(value, str):
        found.string_value = value.encode("utf-8", "replace").decode()
    elif isinstance(value, int):
        if value in _INT64:
            found.int_value = value
        else:
            found.double_value = float(value)
    elif isinstance(value, float):
        found.double_value = value
    elif isinstance(value, bytes):
        found.bytes_value = value
    elif isinstance(value, Mapping):
        found.kvlist_value.SetInParent()
        found.kvlist_value.values.extend(_key_values(value))
    elif value is not None:
        found.array_value.SetInParent()
        found.array_value.values.extend(any_value(item) for item in value)
    return found


def _key_values(attributes: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def _scope_metrics(name: str, version: str, metrics: Iterable[Metric]) -> otlp.ScopeMetrics:
    made = otlp.ScopeMetrics(metrics=[_metric(metric) for metric in metrics if metric.points])
    made.scope.name, made.scope.version = name, version
    return made


def _metric(metric: Metric) -> otlp.Metric:
    """Return a metric as an OTLP message: a sum, or a histogram of the kind of its points."""
    made = otlp.Metric(name=metric.name, unit=metric.unit, description=metric.description)
    first = metric.points[0].value
    data: Any
    if isinstance(first, Buckets):
        data, point_of = made.histogram, _histogram_point
    elif isinstance(first, ExponentialState):
        data, point_of = made.exponential_histogram, _exponential_point
    else:
        data, point_of = made.sum, _number_point
        data.is_monotonic = True
    data.aggregation_temporality = (
        otlp.AGGREGATION_TEMPORALITY_DELTA if metric.delta else otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
    )
    data.data_points.extend(map(point_of, metric.points))
    return made


def _frame(point: Point) -> dict[str, Any]:
    """Return the fields that points of every kind have."""
    return {
        "attributes": _key_values(point.attributes),
        "start_time_unix_nano": point.start_ns,
        "time_unix_nano": point.time_ns,
        "exemplars": [
            otlp.Exemplar(
                time_unix_nano=exemplar.time_ns,
                as_double=exemplar.value,
                trace_id=exemplar.trace_id.to_bytes(_TRACE_ID_BYTES, "big"),
                span_id=exemplar.span_id.to_bytes(_SPAN_ID_BYTES, "big"),
            )
            for exemplar in point.exemplars
        ],
    }


def _number_point(point: Point) -> otlp.NumberDataPoint:
    value: Any = point.value
    if isinstance(value, float):
        return otlp.NumberDataPoint(as_double=value, **_frame(point))
    return otlp.NumberDataPoint(as_int=min(value, _INT64[-1]), **_frame(point))


def _counts(counts: Iterable[int]) -> list[int]:
    return [min(count, _UINT64[-1]) for count in counts]


def _histogram_point(point: Point) -> otlp.HistogramDataPoint:
    value: Any = point.value
    return otlp.HistogramDataPoint(
        count=min(value.count, _UINT64[-1]),
        sum=value.total,
        explicit_bounds=value.edges,
        bucket_counts=_counts(value.counts),
        min=value.least,
        max=value.most,
        **_frame(point),
    )


def _exponential_point(point: Point) -> otlp.ExponentialHistogramDataPoint:
    value: Any = point.value
    return otlp.ExponentialHistogramDataPoint(
        count=min(value.count, _UINT64[-1]),
        sum=value.total,
        min=value.least,
        max=value.most,
        scale=value.scale,
        zero_count=min(value.zero_count, _UINT64[-1]),
        positive=otlp.ExponentialHistogramDataPoint.Buckets(offset=value.offset, bucket_counts=_counts(value.buckets)),
        **_frame(point),
    )
