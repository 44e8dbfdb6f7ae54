"""The stream that a view makes of a metric which is aggregated already: another name, fewer attributes.

Semantics: OpenTelemetry specification, metrics/sdk.md, "View", as the SDK's `_ViewInstrumentMatch` has them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
    Gauge,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from opentelemetry.sdk.metrics._internal.exemplar import Exemplar


@dataclass(frozen=True, slots=True)
class Stream:
    """One metric stream of an instrument."""

    name: str | None = None
    """None for the instrument's."""
    description: str | None = None
    """None for the instrument's."""
    attribute_keys: AbstractSet[str] | None = None
    """The attributes that points keep; None for all."""

    def of(self, metric: Metric) -> Metric:
        """Return the stream's form of a metric; points whose remaining attributes are equal are merged."""
        data: Any = metric.data
        if self.attribute_keys is not None and not isinstance(data, ExponentialHistogram):
            data = replace(data, data_points=_merged(data, self.attribute_keys))
        return Metric(self.name or metric.name, self.description or metric.description, metric.unit, data)


def _merged(data: Any, keys: AbstractSet[str]) -> list[Any]:
    together: dict[object, list[Any]] = {}
    for point in data.data_points:
        left = {key: value for key, value in point.attributes.items() if key in keys}
        dropped = {key: value for key, value in point.attributes.items() if key not in keys}
        exemplars = [_with_dropped(exemplar, dropped) for exemplar in point.exemplars]
        # Values that Python takes for equal, such as True and 1, are different attributes.
        same = tuple(sorted((key, type(value).__name__, repr(value)) for key, value in left.items()))
        together.setdefault(same, []).append(replace(point, attributes=left, exemplars=exemplars))
    if isinstance(data, Gauge):
        return [points[-1] for points in together.values()]  # the last value, as for any gauge
    add = _sum if isinstance(data, Sum) else _histogram
    return [points[0] if len(points) == 1 else add(points) for points in together.values()]


def _with_dropped(exemplar: Exemplar, dropped: dict[str, Any]) -> Exemplar:
    """Return an exemplar with the attributes that its point no longer has: metrics/sdk.md, "Exemplar"."""
    return replace(exemplar, filtered_attributes={**dropped, **(exemplar.filtered_attributes or {})})


def _sum(points: Sequence[NumberDataPoint]) -> NumberDataPoint:
    exemplars = [exemplar for point in points for exemplar in point.exemplars]
    return replace(points[0], value=sum(point.value for point in points), exemplars=exemplars)


def _histogram(points: Sequence[HistogramDataPoint]) -> HistogramDataPoint:
    bounds = points[0].explicit_bounds
    least, most = [point.min for point in points], [point.max for point in points]
    latest: dict[int, Exemplar] = {}
    for exemplar in sorted((e for point in points for e in point.exemplars), key=lambda e: e.time_unix_nano):
        latest[bisect_left(bounds, exemplar.value)] = exemplar
    return replace(
        points[0],
        count=sum(point.count for point in points),
        sum=sum(point.sum for point in points),
        bucket_counts=[sum(counts) for counts in zip(*(point.bucket_counts for point in points), strict=True)],
        # Deltas have none: see `HistogramState`.
        min=None if None in least else min(least),  # type: ignore[arg-type]
        max=None if None in most else max(most),  # type: ignore[arg-type]
        exemplars=[latest[bucket] for bucket in sorted(latest)],
    )
