"""Histograms over integers with explicit edges: exact counts, exact sums, one exemplar a bucket."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from operator import add
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measurement with the ids of a kept trace, so that following it finds that trace."""

    value: int
    """In the histogram's integer unit."""
    time_ns: int
    """Unix time at which the extraction ended."""
    trace_id: int
    span_id: int


@dataclass(frozen=True, slots=True)
class HistogramState:
    """The content of a histogram at one moment."""

    count: int
    total: int
    """Sum of all values, in the histogram's integer unit."""
    least: int | None
    """None while empty, and in a difference of two states, which cannot know it."""
    most: int | None
    buckets: tuple[int, ...]
    """Counts; bucket i holds `edges[i-1] < value <= edges[i]`."""

    def __sub__(self, earlier: HistogramState) -> HistogramState:
        """Return what was recorded since `earlier`."""
        return HistogramState(
            self.count - earlier.count,
            self.total - earlier.total,
            None,
            None,
            tuple(a - b for a, b in zip(self.buckets, earlier.buckets, strict=True)),
        )


class BucketCounts:
    """Counts of integer values between fixed edges, their sum and extremes.

    Values and edges are integers (nanoseconds, bytes) so that an edge is exact and a sum never rounds. Not
    thread-safe: the owner holds the lock.
    """

    __slots__ = ("buckets", "edges", "least", "most", "total")

    def __init__(self, edges: tuple[int, ...]) -> None:
        self.edges = edges
        self.buckets = [0] * (len(edges) + 1)
        self.total = 0
        self.least: float = math.inf
        """Infinite while empty, so that recording needs no special case."""
        self.most: float = -math.inf

    def record(self, value: int) -> None:
        """Count `value`; an edge belongs to the bucket below it, as in OTLP."""
        self.buckets[bisect_left(self.edges, value)] += 1
        self.total += value
        if value < self.least:
            self.least = value
        if value > self.most:
            self.most = value

    def record_times(self, value: int, times: int) -> None:
        """Count `value`, `times` over; at least once."""
        self.buckets[bisect_left(self.edges, value)] += times
        self.total += value * times
        self.least = min(self.least, value)
        self.most = max(self.most, value)

    def merge(self, other: BucketCounts) -> None:
        """Count everything that another has counted between the same edges."""
        self.buckets = list(map(add, self.buckets, other.buckets))
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)


class Histogram(BucketCounts):
    """Counts of integer values between fixed edges, with an exemplar of each bucket."""

    __slots__ = ("_zero", "exemplars", "offered")

    def __init__(self, edges: tuple[int, ...]) -> None:
        super().__init__(edges)
        self._zero = bisect_left(edges, 0)
        self.exemplars: list[Exemplar | None] = [None] * len(self.buckets)
        self.offered = [0] * len(self.buckets)

    def record_zero(self) -> None:
        """Count a value of 0, which is what most extractions grow by."""
        self.buckets[self._zero] += 1
        if self.least > 0:
            self.least = 0
        if self.most < 0:
            self.most = 0

    @property
    def count(self) -> int:
        """The number of recorded values."""
        return sum(self.buckets)

    def draws_exemplar(self, value: int, draw: Callable[[int], int]) -> bool:
        """Return whether an offered exemplar replaces the one in its bucket.

        Of n offered since the last `renew_exemplars`, each stays with probability 1/n.

        Args:
            value: The exemplar's, already recorded.
            draw: Returns a random integer from 0 to its argument less one.
        """
        index = bisect_left(self.edges, value)
        count = self.offered[index] = self.offered[index] + 1
        return draw(count) == 0

    def keep_exemplar(self, exemplar: Exemplar) -> None:
        """Store a drawn exemplar in its bucket."""
        self.exemplars[bisect_left(self.edges, exemplar.value)] = exemplar

    def renew_exemplars(self) -> None:
        """Begin a new round of exemplars; the last of each bucket stays until another is offered."""
        self.offered = [0] * len(self.buckets)

    def state(self) -> HistogramState:
        """Return what the histogram holds now."""
        count = self.count
        if not count:
            return HistogramState(0, 0, None, None, tuple(self.buckets))
        return HistogramState(count, self.total, int(self.least), int(self.most), tuple(self.buckets))
