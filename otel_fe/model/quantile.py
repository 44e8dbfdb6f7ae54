"""The estimate of a percentile from counts between edges: the one that every page, file, alert and command shows.

A value of rank `share * n` is taken to lie where a straight line through its bucket puts it, as in Prometheus'
`histogram_quantile`; but a bucket ends where the smallest and the largest value that were recorded do. So an estimate never
exceeds the largest value, a bucket without an upper edge does not clip, and of a single value it is that value.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Range(NamedTuple):
    """An interval of values, and how many lie in it."""

    low: float
    """Exclusive, but for the smallest value of all."""
    high: float
    """Inclusive."""
    weight: float
    """The number of values."""


class Estimate(NamedTuple):
    """A percentile estimated from buckets: it lies between `low` and `high`, which are equal where it is exact."""

    value: float
    low: float
    high: float


def quantile(
    share: float, edges: Sequence[float], counts: Sequence[float], least: float | None = None, most: float | None = None
) -> Estimate | None:
    """Return the value that `share` (0..1) of all values do not exceed; None without any.

    Args:
        share: Which.
        edges: Upper edges of all buckets but the last, ascending.
        counts: Of each bucket, one more than edges.
        least: The smallest value recorded; None where that is not known.
        most: The largest. Where it is not known, values above the last edge count as that edge, as in Prometheus.
    """
    ranges = []
    for index, count in enumerate(counts):
        if count:
            low = edges[index - 1] if index else min(0.0, edges[0]) if edges else 0.0
            high = edges[index] if index < len(edges) else math.inf
            ranges.append(narrowed(low, high, count, least, most))
    return of_ranges(share, ranges)


def narrowed(low: float, high: float, count: float, least: float | None, most: float | None) -> Range:
    """Return a bucket without the part where no value can lie."""
    if least is not None and low < least <= high:
        low = least
    if most is not None and low <= most < high:
        high = most
    return Range(low, low if math.isinf(high) else high, count)


def of_ranges(share: float, ranges: Iterable[Range]) -> Estimate | None:
    """Return the same of ranges in order, which do not overlap and have values each."""
    found = list(ranges)
    if not found:
        return None
    reached = list(accumulate(one.weight for one in found))
    rank = share * reached[-1]
    # A whole count times a share such as 0.95 may be off by its last bit, which must not reach into the next bucket.
    place = bisect_left(reached, rank * (1 - 1e-12))
    low, high, count = found[place]
    inside = min(count, max(0.0, rank - (reached[place] - count)))
    return Estimate(min(high, low + (high - low) * inside / count), low, high)
