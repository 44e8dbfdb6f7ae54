"""Metrics as they leave the pipeline: values only, in OTLP's terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.exponential import ExponentialState
    from otel_fe.model.span import Attributes


@dataclass(frozen=True, slots=True)
class ExemplarPoint:
    """One measurement of a trace that is kept."""

    value: float
    """In the metric's unit."""
    time_ns: int
    """Unix time."""
    trace_id: int
    span_id: int


@dataclass(frozen=True, slots=True)
class Buckets:
    """An explicit histogram at one moment."""

    count: int
    total: float
    """In the metric's unit."""
    edges: tuple[float, ...]
    """In the metric's unit; a value equal to an edge is in the bucket below it."""
    counts: tuple[int, ...]
    least: float | None = None
    """The smallest measurement, in the metric's unit; None where that is not known, as of a difference."""
    most: float | None = None


class SeriesAttributes(dict[str, Any]):
    """The attributes of a series, which do not change; an encoder remembers what it made of them."""

    __slots__ = ("encoded",)

    def __init__(self, attributes: Attributes) -> None:
        super().__init__(attributes)
        self.encoded: tuple[bytes, ...] | None = None
        """Each as a message, behind its size; None until they are first encoded."""


@dataclass(frozen=True, slots=True)
class Point:
    """One series at one moment."""

    attributes: Attributes
    start_ns: int
    """Unix time at which its counting began: of the series, or for a delta of the interval."""
    time_ns: int
    value: float | Buckets | ExponentialState
    """A count, whole or not, or a histogram."""
    exemplars: Sequence[ExemplarPoint] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """All series of a metric of one resource."""

    name: str
    unit: str
    """UCUM; may be empty."""
    delta: bool
    """Temporality: since the last collection, rather than since the start."""
    points: Sequence[Point]
    description: str = ""


@dataclass(frozen=True, slots=True)
class ResourceMetrics:
    """The metrics of one resource."""

    attributes: Attributes
    """The resource's."""
    scope: str
    """Name of the instrumentation scope."""
    metrics: Sequence[Metric] = field(default_factory=tuple)
