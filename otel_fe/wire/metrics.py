"""Encodes the pipeline's metrics as an `ExportMetricsServiceRequest`."""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from otel_fe.model.exponential import ExponentialState
from otel_fe.model.metric import Buckets, SeriesAttributes
from otel_fe.wire.fields import DELIMITED, delimited, delimited_head, varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_fe.model.metric import Metric, Point, ResourceMetrics
    from otel_fe.model.span import Attributes, Value

_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8
_LONGEST_KNOWN: Final = 128
"""Characters of a value that is remembered encoded."""
_RESOURCE_METRICS: Final = 1
_RESOURCE: Final = 1
_RESOURCE_ATTRIBUTES: Final = 1
_SCOPE_METRICS: Final = 2
_METRICS: Final = 2
_SUM, _HISTOGRAM, _EXPONENTIAL = 7, 9, 10
_DATA_POINTS: Final = 1
_NUMBER_ATTRIBUTES, _NUMBER_EXEMPLARS = 7, 5
_HISTOGRAM_ATTRIBUTES, _HISTOGRAM_EXEMPLARS = 9, 8
_EXPONENTIAL_ATTRIBUTES, _EXPONENTIAL_EXEMPLARS = 1, 11
_TAGS: Final = [bytes((number << 3 | DELIMITED,)) for number in range(16)]
_BUCKET_COUNTS, _EXPLICIT_BOUNDS = 6, 7
# The numbers of a point, each behind its tag.
_TIMES, _TIMES_AND_SUMS = struct.Struct("<BQBQ"), struct.Struct("<BQBQBQBd")
_WHOLE, _REAL = struct.Struct("<Bq"), struct.Struct("<Bd")
_START_TAG, _TIME_TAG, _COUNT_TAG, _SUM_TAG, _WHOLE_TAG, _REAL_TAG = 0x11, 0x19, 0x21, 0x29, 0x31, 0x21
_INT64: Final = range(-(1 << 63), 1 << 63)
_UINT64: Final = range(1 << 64)
"""The largest count in OTLP. A span may say that it counts for 2**56, so a few hundred are more: then the most stays there,
and the metrics of other senders are unaffected."""


def encode_metrics(metrics: Iterable[ResourceMetrics]) -> bytes:
    """Return metrics as an encoded `ExportMetricsServiceRequest`; those without points are left out."""
    return b"".join(
        delimited(
            _RESOURCE_METRICS,
            delimited(_RESOURCE, _pairs(_RESOURCE_ATTRIBUTES, of_resource.attributes))
            + delimited(_SCOPE_METRICS, encode_scope(of_resource.scope, "", of_resource.metrics)),
        )
        for of_resource in metrics
    )


def encode_scope(name: str, version: str, metrics: Iterable[Metric]) -> bytes:
    """Return the metrics of one instrumentation scope as an encoded `ScopeMetrics`; those without points are left out."""
    made = otlp.ScopeMetrics()
    made.scope.name, made.scope.version = name, version
    return bytes(made.SerializeToString()) + b"".join(
        delimited(_METRICS, _metric(metric)) for metric in metrics if metric.points
    )


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


def _pairs(number: int, attributes: Attributes) -> bytes:
    """Return attributes as fields with a number."""
    if not attributes:
        return b""
    if isinstance(attributes, SeriesAttributes):
        found = attributes.encoded
        if found is None:
            found = attributes.encoded = _messages(attributes)
    else:
        found = _messages(attributes)
    tag = _TAGS[number]
    return tag + tag.join(found)


def _messages(attributes: Attributes) -> tuple[bytes, ...]:
    """Return each attribute as a message, behind its size."""
    return tuple(
        _known_text(key, value)
        if isinstance(value, str) and len(value) <= _LONGEST_KNOWN
        else _sized(KeyValue(key=key, value=any_value(value)).SerializeToString())
        for key, value in attributes.items()
    )


@functools.lru_cache(2_048)
def _known_text(key: str, value: str) -> bytes:
    """Return an attribute with a short text, remembered: series mostly have values that others have, too."""
    return _sized(delimited(1, key.encode()) + delimited(2, delimited(1, value.encode("utf-8", "replace"))))


def _sized(message: bytes) -> bytes:
    return varint(len(message)) + message


_head = functools.lru_cache(4_096)(delimited_head)


def _field(number: int, content: bytes) -> bytes:
    """Return what `delimited` does: the points of a metric mostly have few sizes."""
    return _head(number, len(content)) + content


def _metric(metric: Metric) -> bytes:
    """Return a metric, encoded: a sum, or a histogram of the kind of its points.

    Points are appended as bytes: a collector has thousands, whose messages took ten times as long.
    """
    made = otlp.Metric(name=metric.name, unit=metric.unit, description=metric.description)
    first = metric.points[0].value
    data: Any
    if isinstance(first, Buckets):
        number, data, point_of = _HISTOGRAM, otlp.Histogram(), _histogram_point
    elif isinstance(first, ExponentialState):
        number, data, point_of = _EXPONENTIAL, otlp.ExponentialHistogram(), _exponential_point
    else:
        number, data, point_of = _SUM, otlp.Sum(is_monotonic=True), _number_point
    data.aggregation_temporality = (
        otlp.AGGREGATION_TEMPORALITY_DELTA if metric.delta else otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
    )
    points = b"".join([_field(_DATA_POINTS, point_of(point)) for point in metric.points])
    return bytes(made.SerializeToString()) + delimited(number, points + data.SerializeToString())


def _labels(point: Point, attributes: int, exemplars: int) -> bytes:
    """Return the attributes and exemplars of a point as fields with these numbers."""
    found = _pairs(attributes, point.attributes)
    for exemplar in point.exemplars:
        made = otlp.Exemplar(
            time_unix_nano=exemplar.time_ns,
            as_double=exemplar.value,
            trace_id=exemplar.trace_id.to_bytes(_TRACE_ID_BYTES, "big"),
            span_id=exemplar.span_id.to_bytes(_SPAN_ID_BYTES, "big"),
        )
        found += _field(exemplars, made.SerializeToString())
    return found


def _number_point(point: Point) -> bytes:
    value: Any = point.value
    times = _TIMES.pack(_START_TAG, point.start_ns, _TIME_TAG, point.time_ns)
    real = isinstance(value, float)
    number = _REAL.pack(_REAL_TAG, value) if real else _WHOLE.pack(_WHOLE_TAG, min(value, _INT64[-1]))
    return times + number + _labels(point, _NUMBER_ATTRIBUTES, _NUMBER_EXEMPLARS)


def _counts(counts: Sequence[int]) -> Sequence[int]:
    return [min(count, _UINT64[-1]) for count in counts] if max(counts, default=0) > _UINT64[-1] else counts


def _histogram_point(point: Point) -> bytes:
    value: Any = point.value
    counts = _counts(value.counts)
    sums = _TIMES_AND_SUMS.pack(
        *(_START_TAG, point.start_ns, _TIME_TAG, point.time_ns),
        *(_COUNT_TAG, min(value.count, _UINT64[-1]), _SUM_TAG, value.total),
    )
    packed = _field(_BUCKET_COUNTS, struct.pack(f"<{len(counts)}Q", *counts))
    if value.least is not None or value.most is not None:
        packed += otlp.HistogramDataPoint(min=value.least, max=value.most).SerializeToString()
    return sums + packed + _bounds(value.edges) + _labels(point, _HISTOGRAM_ATTRIBUTES, _HISTOGRAM_EXEMPLARS)


@functools.lru_cache(64)
def _bounds(edges: tuple[float, ...]) -> bytes:
    """Return the bounds of a histogram: those of a metric are the same."""
    return delimited(_EXPLICIT_BOUNDS, struct.pack(f"<{len(edges)}d", *edges))


def _exponential_point(point: Point) -> bytes:
    value: Any = point.value
    made = otlp.ExponentialHistogramDataPoint(
        start_time_unix_nano=point.start_ns,
        time_unix_nano=point.time_ns,
        count=min(value.count, _UINT64[-1]),
        sum=value.total,
        min=value.least,
        max=value.most,
        scale=value.scale,
        zero_count=min(value.zero_count, _UINT64[-1]),
        positive=otlp.ExponentialHistogramDataPoint.Buckets(offset=value.offset, bucket_counts=_counts(value.buckets)),
    )
    return bytes(made.SerializeToString()) + _labels(point, _EXPONENTIAL_ATTRIBUTES, _EXPONENTIAL_EXEMPLARS)
