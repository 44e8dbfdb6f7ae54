"""The base-2 exponential histogram of OpenTelemetry: exact counts in buckets of a bounded relative width.

Source: OpenTelemetry specification, metrics/data-model.md, "ExponentialHistogram". At scale s the bucket of index i holds
`2**(i / 2**s) < value <= 2**((i + 1) / 2**s)`. A histogram starts at the finest scale and is halved, pairs of buckets becoming
one, as often as its range needs. Its scale so depends on the smallest and the largest value alone: merging is associative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MAX_SCALE: Final = 20
MIN_SCALE: Final = -10
DEFAULT_SIZE: Final = 160
_SMALLEST: Final = 2
"""Fewer buckets could not hold what lies on both sides of 1 at any scale."""


@dataclass(frozen=True, slots=True)
class ExponentialState:
    """The content of an exponential histogram at one moment."""

    count: int
    total: float
    """Sum of all values."""
    least: float | None
    """None while empty."""
    most: float | None
    zero_count: int
    """Values of 0 and below."""
    scale: int
    offset: int
    """Index of the first bucket."""
    buckets: tuple[int, ...]

    def quantile(self, share: float) -> float | None:
        """Return an estimate of the value that `share` (0..1) of all values do not exceed; None while empty.

        Within a bucket, values are taken to lie evenly on the logarithmic scale, and never outside the extremes.
        """
        if not self.count or self.least is None or self.most is None:
            return None
        rank = share * self.count
        seen: float = self.zero_count
        if rank <= seen:
            return min(0.0, self.least)
        for index, count in enumerate(self.buckets, self.offset):
            if count and rank <= seen + count:
                position = index + (rank - seen) / count
                return min(max(math.pow(2.0, math.ldexp(position, -self.scale)), self.least), self.most)
            seen += count
        return self.most


class ExponentialHistogram:
    """Counts of values, in at most `max_size` buckets. Not thread-safe: the owner holds the lock.

    Values of 0 and below count as zero: durations that a clock stepping back has made negative are none.
    """

    __slots__ = ("_factor", "buckets", "high", "least", "low", "max_size", "most", "scale", "total", "zero_count")

    def __init__(self, max_size: int = DEFAULT_SIZE) -> None:
        self.max_size = max(_SMALLEST, max_size)
        self.scale = MAX_SCALE
        self._factor = _factor_of(MAX_SCALE)
        self.buckets: dict[int, int] = {}
        """Counts by index, at `scale`."""
        self.low = 0
        """Smallest index; meaningless while empty."""
        self.high = -1
        self.zero_count = 0
        self.total = 0.0
        self.least = math.inf
        self.most = -math.inf

    @property
    def count(self) -> int:
        """The number of recorded values."""
        return self.zero_count + sum(self.buckets.values())

    def record(self, value: float, times: int = 1) -> None:
        """Count `value`, `times` over."""
        self.total += value * times
        self.least = min(self.least, value)
        self.most = max(self.most, value)
        if value <= 0:
            self.zero_count += times
            return
        index = self._index(value)
        buckets = self.buckets
        if not buckets:
            self.low = self.high = index
        elif index < self.low or index > self.high:
            index = self._widen(index)
        buckets = self.buckets
        buckets[index] = buckets.get(index, 0) + times

    def merge(self, other: ExponentialHistogram) -> None:
        """Count everything that another histogram has counted."""
        self.total += other.total
        self.zero_count += other.zero_count
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        if not other.buckets:
            return
        scale = min(self.scale, other.scale) if self.buckets else other.scale
        self._rescale(scale)
        low, high = other.low >> other.scale - scale, other.high >> other.scale - scale
        low, high = (min(low, self.low), max(high, self.high)) if self.buckets else (low, high)
        shift = _halvings(low, high, self.max_size)
        self._rescale(scale - shift)
        self.low, self.high = low >> shift, high >> shift
        by = other.scale - self.scale
        for index, count in other.buckets.items():
            self.buckets[index >> by] = self.buckets.get(index >> by, 0) + count

    def state(self) -> ExponentialState:
        """Return what the histogram holds now."""
        counts = tuple(self.buckets.get(i, 0) for i in range(self.low, self.high + 1)) if self.buckets else ()
        empty = self.most == -math.inf
        return ExponentialState(
            self.count,
            self.total,
            None if empty else self.least,
            None if empty else self.most,
            self.zero_count,
            self.scale if counts else 0,
            self.low if counts else 0,
            counts,
        )

    def _index(self, value: float) -> int:
        fraction, exponent = math.frexp(value)
        if fraction == 0.5:  # noqa: PLR2004 a power of two is the upper edge of its bucket, exactly
            exponent -= 1
            return (exponent << self.scale) - 1 if self.scale >= 0 else (exponent - 1) >> -self.scale
        if self.scale <= 0:
            return (exponent - 1) >> -self.scale
        # The fraction alone: its logarithm loses no digits to the exponent.
        return ((exponent - 1) << self.scale) + math.floor(math.log(fraction * 2) * self._factor)

    def _widen(self, index: int) -> int:
        """Make room for an index outside of the range, halving as often as that needs; return it at the new scale."""
        low, high = min(self.low, index), max(self.high, index)
        shift = _halvings(low, high, self.max_size)
        if shift:
            self._rescale(self.scale - shift)
        self.low, self.high = low >> shift, high >> shift
        return index >> shift

    def _rescale(self, scale: int) -> None:
        shift = self.scale - scale
        if shift <= 0:
            return
        halved: dict[int, int] = {}
        for index, count in self.buckets.items():
            halved[index >> shift] = halved.get(index >> shift, 0) + count
        self.buckets = halved
        self.low, self.high = self.low >> shift, self.high >> shift
        self.scale = scale
        self._factor = _factor_of(scale)


def _halvings(low: int, high: int, size: int) -> int:
    """Return how often the scale must be halved until `low` to `high` are at most `size` buckets."""
    shift = 0
    while (high >> shift) - (low >> shift) >= size:
        shift += 1
    return shift


def _factor_of(scale: int) -> float:
    return math.ldexp(1 / math.log(2), scale)
