"""Data points of metrics, in the one form that the store takes from all sources."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from otel_fe.model.exponential import ExponentialState
from otel_fe.model.metric import Buckets
from otel_fe.store.counts import FINEST, Counts, scale_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from otel_fe.model.metric import Metric, Point, ResourceMetrics
    from otel_fe.model.span import Attributes

COUNTER: Final = "counter"
HISTOGRAM: Final = "histogram"
GAUGE: Final = "gauge"
SERVICE: Final = "service.name"

Shape = tuple[float, ...] | int | None
"""Shape of a histogram: its edges, or the scale of an exponential one."""
Labels = dict[str, str | bool | int | float]


@dataclass(slots=True)
class MetricPoint:
    """One series of one process at one moment.

    Not to be changed; declared frozen, it would take three times as long to make.
    """

    name: str
    unit: str
    kind: str
    """`counter`, `histogram` or `gauge`."""
    service: str
    labels: Labels
    source: str
    """The identity of the counting process: all attributes of its resource."""
    start_ns: int
    """Unix time at which its counting began, or of a delta its interval; 0 where that is not known."""
    time_ns: int
    delta: bool
    value: Counts | float
    """A number for a gauge."""
    scale: int = 1
    """The parts of a unit in which a counter's value, or a histogram's sum, is given."""
    shape: Shape = None
    least: float | None = None
    """Of a histogram, the smallest value since `start_ns`, in the metric's unit; None where the sender does not say."""
    most: float | None = None


def labels_of(attributes: Attributes) -> Labels:
    """Return attributes as labels: what is neither text nor number becomes text, and what is empty is left out."""
    return {
        key: value if isinstance(value, (str, bool, int, float)) else json.dumps(value, default=str)
        for key, value in sorted(attributes.items())
        if value is not None and value != ""
    }


def source_of(attributes: Attributes) -> str:
    """Return the identity of a resource."""
    return canonical(labels_of(attributes))


def canonical(value: object) -> str:
    """Return a value as a text that is the same for what is the same."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


@lru_cache(maxsize=256)
def shape_text(shape: Shape) -> str:
    """Return a histogram's edges, or scale, as a text."""
    return canonical(shape)


def counts_of_buckets(counts: Sequence[int], count: int, total: float, scale: int) -> Counts:
    """Return an explicit histogram; one without buckets has all that it counted in one."""
    buckets = {index: number for index, number in enumerate(counts) if number} if counts else {0: count}
    return Counts(sum(buckets.values()), scaled(total, scale), 0, buckets if any(buckets.values()) else {})


def counts_of_exponential(
    buckets: Mapping[int, int], zeros: int, total: float, exponent: int, scale: int
) -> tuple[Counts, int]:
    """Return an exponential histogram, no finer than the store keeps it, and the scale that it has then."""
    kept = {index: number for index, number in buckets.items() if number}
    shape = min(exponent, FINEST)
    found = Counts(zeros + sum(kept.values()), scaled(total, scale), zeros, kept)
    return found.coarser(exponent - shape), shape


def scaled(value: float, scale: int) -> int:
    """Return a number as a whole number of parts; 0 for what is not a number."""
    if isinstance(value, int):
        return value * scale
    return round(value * scale) if math.isfinite(value) else 0


def points_of(metrics: ResourceMetrics) -> Iterator[MetricPoint]:
    """Return the points of the pipeline's own metrics."""
    return points_from(metrics.metrics, str(metrics.attributes.get(SERVICE) or ""), source_of(metrics.attributes))


def points_from(metrics: Iterable[Metric], service: str, source: str) -> Iterator[MetricPoint]:
    """Yield the points of the metrics of one resource, given its service and identity."""
    for metric in metrics:
        for point in metric.points:
            yield _point(metric, point, service, source)


def _point(metric: Metric, point: Point, service: str, source: str) -> MetricPoint:
    value = point.value
    kind, scale = HISTOGRAM, scale_of(metric.unit)
    shape: Shape = None
    least = most = None
    if isinstance(value, (Buckets, ExponentialState)):
        least, most = value.least, value.most
    if isinstance(value, Buckets):
        counts, shape = counts_of_buckets(value.counts, value.count, value.total, scale), tuple(value.edges)
    elif isinstance(value, ExponentialState):
        dense = dict(enumerate(value.buckets, value.offset))
        counts, shape = counts_of_exponential(dense, value.zero_count, value.total, value.scale, scale)
    else:
        scale = 1 if isinstance(value, int) else scale
        counts, kind = Counts(scaled(value, scale)), COUNTER
    return MetricPoint(
        metric.name,
        metric.unit,
        kind,
        service,
        labels_of(point.attributes),
        source,
        point.start_ns,
        point.time_ns,
        metric.delta,
        counts,
        scale,
        shape,
        least,
        most,
    )
