"""The sums of a series: a count of spans, or a histogram of their durations."""

from __future__ import annotations

import functools
import math
from bisect import bisect_left
from typing import TYPE_CHECKING, Protocol

from otel_fe.config.span_metrics import Explicit, Exponential
from otel_fe.model.exponential import ExponentialHistogram, ExponentialState
from otel_fe.model.metric import Buckets

if TYPE_CHECKING:
    from collections.abc import Callable


class Aggregate(Protocol):
    """An aggregate that spans are counted in."""

    @property
    def count(self) -> int:
        """The number of spans."""
        ...

    def record(self, duration_ns: int, times: int) -> None:
        """Count a span, `times` over."""
        ...

    def bucket(self, duration_ns: int) -> int:
        """Return the bucket in which an exemplar of this duration competes with others."""
        ...

    def value(self) -> int | Buckets | ExponentialState:
        """Return what has been counted."""
        ...


class Count:
    """The number of spans."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def record(self, duration_ns: int, times: int) -> None:  # noqa: ARG002
        """Count a span, `times` over."""
        self.count += times

    def bucket(self, duration_ns: int) -> int:
        """Return the doubling that a duration is in."""
        return math.frexp(duration_ns)[1]

    def value(self) -> int:
        """Return the count."""
        return self.count


class ExplicitDurations:
    """Durations between fixed edges; exact, in nanoseconds."""

    __slots__ = ("buckets", "edges", "per_unit", "total_ns")

    def __init__(self, edges_ns: tuple[int, ...], per_unit: int) -> None:
        self.edges = edges_ns
        self.per_unit = per_unit
        self.buckets = [0] * (len(edges_ns) + 1)
        self.total_ns = 0

    @property
    def count(self) -> int:
        """The number of recorded durations."""
        return sum(self.buckets)

    def record(self, duration_ns: int, times: int) -> None:
        """Count a duration; one equal to an edge belongs to the bucket below it."""
        self.buckets[bisect_left(self.edges, duration_ns)] += times
        self.total_ns += duration_ns * times

    def bucket(self, duration_ns: int) -> int:
        """Return the bucket that a duration is counted in."""
        return bisect_left(self.edges, duration_ns)

    def value(self) -> Buckets:
        """Return the buckets in the metric's unit."""
        edges = _in_unit(self.edges, self.per_unit)
        return Buckets(self.count, self.total_ns / self.per_unit, edges, tuple(self.buckets))


@functools.lru_cache(64)
def _in_unit(edges_ns: tuple[int, ...], per_unit: int) -> tuple[float, ...]:
    """Return edges in a metric's unit: one tuple for all of its series."""
    return tuple(edge / per_unit for edge in edges_ns)


class ExponentialDurations:
    """Durations in exponential buckets."""

    __slots__ = ("histogram", "per_unit")

    def __init__(self, max_size: int, per_unit: int) -> None:
        self.histogram = ExponentialHistogram(max_size)
        self.per_unit = per_unit

    @property
    def count(self) -> int:
        """The number of recorded durations."""
        return self.histogram.count

    def record(self, duration_ns: int, times: int) -> None:
        """Count a duration."""
        if times:
            self.histogram.record(duration_ns / self.per_unit, times)

    def bucket(self, duration_ns: int) -> int:
        """Return the doubling that a duration is in: the histogram's own buckets move when its scale does."""
        return math.frexp(duration_ns)[1]

    def value(self) -> ExponentialState:
        """Return the state of the histogram."""
        return self.histogram.state()


def durations(histogram: Explicit | Exponential, per_unit: int) -> Callable[[], Aggregate]:
    """Return what makes the aggregate of a duration histogram; `per_unit` ns make one of its unit."""
    if isinstance(histogram, Explicit):
        edges = histogram.edges_ns
        return lambda: ExplicitDurations(edges, per_unit)
    size = histogram.max_size
    return lambda: ExponentialDurations(size, per_unit)
