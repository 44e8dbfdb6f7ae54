"""A histogram over a window, merged from any number of series with any buckets."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING

from otel_fe.model.quantile import Range, narrowed, of_ranges
from otel_fe.store.counts import unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.quantile import Estimate
    from otel_fe.store.points import Shape


@dataclass(slots=True)
class Distribution:
    """Counts of values between edges, exact at the edges, and the extremes as far as they are known."""

    count: int = 0
    _totals: dict[int, int] = field(default_factory=dict)
    """Keyed by scale, in parts of a unit: integers until they are read, so that the number of rows does not matter."""
    _zeros: int = 0
    _rows: dict[tuple[Shape, int, int], Sequence[int]] = field(default_factory=dict)
    """Keyed by shape, index of the first and number: counts of buckets in a row."""
    _least: float = math.inf
    _most: float = -math.inf
    """The largest value; infinite if a row does not have it."""
    _known: list[tuple[float, float]] | None = None
    """The curve, until something is added."""
    _narrowed: list[tuple[Range, bool]] | None = None
    """The buckets, until something is added; see `_ranges`."""

    @property
    def total(self) -> float:
        """Sum of all values, in the metric's unit."""
        return sum(total / scale for scale, total in sorted(self._totals.items()))

    def add(  # noqa: PLR0917 a row
        self,
        shape: Shape,
        packed: bytes,
        count: int,
        total: int,
        zeros: int,
        *,
        scale: int = 1,
        extremes: tuple[float | None, float | None] = (None, None),
    ) -> None:
        """Add a row of a series, whose sum is in so many parts of a unit, with the smallest and the largest value if known."""
        self.count += count
        least, most = extremes
        self._least = min(self._least, -math.inf if least is None else least)
        self._most = max(self._most, math.inf if most is None else most)
        self._known = self._narrowed = None
        self._totals[scale] = self._totals.get(scale, 0) + total
        self._zeros += zeros
        if packed:
            # Rows of one series mostly have the same first and last bucket, and are added bucket by bucket.
            first, counts = unpacked(packed)
            self._add_row((shape, first, len(counts)), counts)

    def merge(self, other: Distribution) -> None:
        """Add all values of another distribution."""
        self.count += other.count
        self._least, self._most = min(self._least, other._least), max(self._most, other._most)
        self._known = self._narrowed = None
        self._zeros += other._zeros
        for scale, total in other._totals.items():
            self._totals[scale] = self._totals.get(scale, 0) + total
        for key, counts in other._rows.items():
            self._add_row(key, counts)

    def _add_row(self, key: tuple[Shape, int, int], counts: Sequence[int]) -> None:
        known = self._rows.get(key)
        self._rows[key] = counts if known is None else list(map(add, known, counts))

    @property
    def most(self) -> float | None:
        """The largest value or an upper bound of it; None if unknown."""
        return self._most if math.isfinite(self._most) else None

    def quantile(self, share: float) -> float | None:
        """Estimate the value that `share` (0..1) of all values do not exceed, in the metric's unit; None without any."""
        found = self.estimate(share)
        return None if found is None else found.value

    def estimate(self, share: float) -> Estimate | None:
        """Return the same estimate with its bounds."""
        if self._of_one_shape():
            # Not from the curve, whose steps have a width: estimates of commands and alerts must be equal to the last bit.
            return of_ranges(share, (one for one, _ in self._ranges()))
        curve = self._curve()
        ranges = []
        before, reached = (curve[0][0], 0.0) if curve else (0.0, 0.0)
        for value, seen in curve:
            if seen > reached:
                ranges.append(Range(before, value, seen - reached))
            before, reached = value, seen
        return of_ranges(share, ranges)

    def at_most(self, value: float) -> float:
        """Return how many values do not exceed one: exact where it is an edge, as an objective is."""
        curve = self._curve()
        place = bisect_right(curve, value, key=lambda point: point[0])
        if not place:
            return 0.0
        low, reached = curve[place - 1]
        if low == value or place == len(curve):
            return reached
        high, seen = curve[place]
        return reached + (seen - reached) * (value - low) / (high - low)

    def _curve(self) -> list[tuple[float, float]]:
        """Return how many values do not exceed each edge, at every edge, in order."""
        if self._known is None:
            ranges = [_step(*one) for one in self._ranges()]
            edges = sorted({edge for low, high, _ in ranges for edge in (low, high)})
            self._known = _stairs(ranges, edges) if self._of_one_shape() else _overlapping(ranges, edges)
        return self._known

    def _of_one_shape(self) -> bool:
        """Return whether no two buckets overlap."""
        return len({key[0] for key in self._rows}) <= 1

    def _ranges(self) -> list[tuple[Range, bool]]:
        """Return each bucket, and whether it has no known end; of one shape in order, zeros first."""
        if self._narrowed is None:
            self._narrowed = [(Range(0.0, 0.0, self._zeros), False)] if self._zeros else []
            least, most = (value if math.isfinite(value) else None for value in (self._least, self._most))
            for shape, buckets in self._buckets().items():
                for index, count in sorted(buckets.items()):
                    low, high = _bounds(shape, index)
                    beyond = math.isinf(high) and (most is None or most <= low)
                    self._narrowed.append((narrowed(low, high, count, least, most), beyond))
        return self._narrowed

    def _buckets(self) -> dict[Shape, dict[int, int]]:
        found: dict[Shape, dict[int, int]] = {}
        for (shape, first, _), counts in self._rows.items():
            buckets = found.setdefault(shape, {})
            for index, count in enumerate(counts, first):
                if count:
                    buckets[index] = buckets.get(index, 0) + count
        return found


def _bounds(shape: Shape, index: int) -> tuple[float, float]:
    if isinstance(shape, int):
        width = 2.0**-shape
        return 2.0 ** (index * width), 2.0 ** ((index + 1) * width)
    edges = shape or (0.0,)
    if index >= len(edges):
        return edges[-1], math.inf
    low = edges[index - 1] if index else min(0.0, edges[0])
    return low, edges[index]


def _step(bucket: Range, beyond: bool) -> tuple[float, float, int]:  # noqa: FBT001 as it comes
    """Return a bucket as a part of the curve: one value is a step as narrow as can be."""
    low, high, count = bucket
    if low == high:
        # Values without a known upper end are placed just above the last edge, so that counts at the edge stay exact.
        low, high = _point(math.nextafter(high, math.inf) if beyond else high)
    return low, high, int(count)


def _point(value: float) -> tuple[float, float]:
    return math.nextafter(value, -math.inf), value


def _stairs(ranges: list[tuple[float, float, int]], edges: list[float]) -> list[tuple[float, float]]:
    """Return the curve where no two ranges overlap: whole numbers throughout."""
    ended: dict[float, int] = {}
    for _, high, count in ranges:
        ended[high] = ended.get(high, 0) + count
    seen = itertools.accumulate(ended.get(edge, 0) for edge in edges)
    return [(edge, float(count)) for edge, count in zip(edges, seen, strict=True)]


def _overlapping(ranges: list[tuple[float, float, int]], edges: list[float]) -> list[tuple[float, float]]:
    """Return the curve where ranges overlap: the sum of one line per range."""
    slopes, jumps = dict.fromkeys(edges, 0.0), dict.fromkeys(edges, 0.0)
    for low, high, count in ranges:
        if math.nextafter(low, math.inf) == high:
            # Not a line: its slope would be so steep that it dominated all others.
            jumps[high] += count
        else:
            slopes[low] += count / (high - low)
            slopes[high] -= count / (high - low)
    curve: list[tuple[float, float]] = []
    seen = slope = before = 0.0
    for edge in edges:
        seen += slope * (edge - before) + jumps[edge]
        slope = max(0.0, slope + slopes[edge])
        before = edge
        curve.append((edge, seen))
    return curve
