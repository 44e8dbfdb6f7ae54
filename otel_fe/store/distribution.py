"""A histogram over a window, of however many series, whatever their buckets."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING

from otel_fe.store.counts import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_fe.store.points import Shape


@dataclass(slots=True)
class Distribution:
    """Counts of values between edges. Exact at the edges; in between, values are taken to lie evenly."""

    count: int = 0
    _totals: dict[int, int] = field(default_factory=dict)
    """By scale, in parts of a unit: whole numbers until somebody asks, so that it does not matter how many rows they came in."""
    _zeros: int = 0
    _rows: dict[tuple[Shape, int, int], Sequence[int]] = field(default_factory=dict)
    """By shape, index of the first and number: counts of buckets in a row."""
    _known: list[tuple[float, float]] | None = None
    """The curve, until something is added."""

    @property
    def total(self) -> float:
        """Sum of all values, in the metric's unit."""
        return sum(total / scale for scale, total in sorted(self._totals.items()))

    def add(self, shape: Shape, packed: bytes, count: int, total: int, zeros: int, *, scale: int = 1) -> None:
        """Add a row of a series, whose sum is in so many parts of a unit."""
        self.count += count
        self._known = None
        self._totals[scale] = self._totals.get(scale, 0) + total
        self._zeros += zeros
        if packed:
            # Rows of one series mostly have the same first and last bucket: those are added side by side.
            first, counts = unpacked(packed)
            self._add_row((shape, first, len(counts)), counts)

    def merge(self, other: Distribution) -> None:
        """Add all of another."""
        self.count += other.count
        self._known = None
        self._zeros += other._zeros
        for scale, total in other._totals.items():
            self._totals[scale] = self._totals.get(scale, 0) + total
        for key, counts in other._rows.items():
            self._add_row(key, counts)

    def _add_row(self, key: tuple[Shape, int, int], counts: Sequence[int]) -> None:
        known = self._rows.get(key)
        self._rows[key] = counts if known is None else list(map(add, known, counts))

    def quantile(self, share: float) -> float | None:
        """Return the value that `share` (0..1) of all values do not exceed, in the metric's unit; None without any."""
        curve = self._curve()
        if not curve or not curve[-1][1]:
            return None
        wanted = share * curve[-1][1]
        before, reached = curve[0][0], 0.0
        for value, seen in curve:
            if seen >= wanted and seen > reached:
                return before + (value - before) * max(0.0, wanted - reached) / (seen - reached)
            before, reached = value, seen
        return curve[-1][0]

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
            ranges = list(self._ranges())
            edges = sorted({edge for low, high, _ in ranges for edge in (low, high)})
            one_shape = len({key[0] for key in self._rows}) <= 1
            self._known = _stairs(ranges, edges) if one_shape else _overlapping(ranges, edges)
        return self._known

    def _ranges(self) -> Iterator[tuple[float, float, int]]:
        """Yield from where, exclusively, to where how many values lie."""
        if self._zeros:
            yield *_point(0.0), self._zeros
        for shape, buckets in self._buckets().items():
            for index, count in buckets.items():
                yield *_bounds(shape, index), count

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
        # What has no upper edge is taken to lie just above the last one that there is.
        return _point(math.nextafter(edges[-1], math.inf))
    low = edges[index - 1] if index else min(0.0, edges[0])
    return (low, edges[index]) if low < edges[index] else _point(edges[index])


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
    """Return the curve where they do: the sum of as many lines as there are ranges."""
    slopes, jumps = dict.fromkeys(edges, 0.0), dict.fromkeys(edges, 0.0)
    for low, high, count in ranges:
        if math.nextafter(low, math.inf) == high:
            # No line: so steep a slope would drown all others.
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
