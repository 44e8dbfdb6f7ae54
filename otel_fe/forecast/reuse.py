"""The hit ratio that a cache of any size would have, from a bounded sample of its look-ups.

SHARDS: C. Waldspurger, N. Park, A. Garthwaite, I. Ahmad, "Efficient MRC Construction with SHARDS", FAST 2015. A key is in the
sample if its hash lies below a threshold, so that either all references of a key are sampled or none; distances among sampled
keys, divided by the sampling ratio, estimate those among all. When the sample is full the threshold is lowered (fixed-size
SHARDS), and what the sum of counts lacks against its expectation is put at distance 0 (SHARDS-adj).

Distances are those of a least-recently-used cache: R. Mattson et al., "Evaluation techniques for storage hierarchies", 1970.
"""

from __future__ import annotations

import heapq
import math
from typing import Final

from otel_fe.forecast.lifetimes import Lifetimes
from otel_fe.forecast.recency import Recency

HASHES: Final = 1 << 61
"""Hashes are below it."""
_PER_OCTAVE: Final = 32
"""Buckets per doubling of the distance: a size is right to 2 %."""
_SAMPLE: Final = 8192


class ReuseCurve:
    """Hit ratio by cache size and by time to live. Holds hashes of at most `sample` keys. Not thread-safe.

    Args:
        sample: The most keys that are followed; 8 192 are right to about a point.
        lifetimes_s: Times to live to say the hit ratio of, ascending.
    """

    def __init__(self, sample: int = _SAMPLE, lifetimes_s: tuple[float, ...] = ()) -> None:
        if sample < 1:
            raise ValueError(f"sample is {sample!r}; use at least 1")
        self._room = sample
        self.threshold = HASHES
        """Keys with a hash below it are in the sample."""
        self._recency = Recency()
        self._largest: list[int] = []
        self._buckets: dict[int, float] = {}
        self._first = 0.0
        self.references = 0
        """All look-ups since the counts began, sampled or not."""
        self._sampled = 0.0
        self.lifetimes = Lifetimes(lifetimes_s)

    @property
    def ratio(self) -> float:
        """The share of keys that is sampled, 0..1."""
        return self.threshold / HASHES

    @property
    def keys(self) -> float:
        """The estimated number of distinct keys seen."""
        return len(self._recency) / self.ratio

    @property
    def first_ratio(self) -> float:
        """The share of look-ups that were the first of their key, 0..1: no size would make them hits."""
        return self._first / self._sampled if self._sampled else 0.0

    def reference(self, hashed: int, time_ns: int) -> None:
        """Record a look-up of the key with this hash (0..HASHES); `references` is the caller's to count."""
        if hashed >= self.threshold:
            return
        distance = self._recency.reference(hashed)
        self._sampled += 1
        self.lifetimes.reference(hashed, time_ns)
        if distance is None:
            self._first += 1
            heapq.heappush(self._largest, -hashed)
            if len(self._recency) > self._room:
                self._lower()
            return
        bucket = int(_position(distance / self.ratio))
        self._buckets[bucket] = self._buckets.get(bucket, 0.0) + 1

    def restart(self) -> None:
        """Reset the counts, but keep the sampled keys: after a cache has been filled, first look-ups mislead."""
        self._buckets.clear()
        self._first = self._sampled = 0.0
        self.references = 0
        self.lifetimes.restart()

    def hit_ratio(self, entries: float) -> float:
        """Return the share of look-ups, 0..1, that a least-recently-used cache of so many entries would answer."""
        expected = self.references * self.ratio
        if expected <= 0:
            return 0.0
        # What the sample has too few or too many of are references of very popular keys: distances near none.
        adjustment = expected - self._sampled
        position = _position(max(0.0, entries))
        edge = int(position)
        hits = sum(count for bucket, count in self._buckets.items() if bucket < edge)
        hits += self._buckets.get(edge, 0.0) * (position - edge)
        return min(1.0, max(0.0, (hits + adjustment) / expected)) if entries >= 1 else 0.0

    def _lower(self) -> None:
        """Drop the keys with the largest hash, and scale the counts so far."""
        before = self.threshold
        self.threshold = -self._largest[0]
        while self._largest and -self._largest[0] >= self.threshold:
            dropped = -heapq.heappop(self._largest)
            self._recency.forget(dropped)
            self.lifetimes.forget(dropped)
        share = self.threshold / before
        self._buckets = {bucket: count * share for bucket, count in self._buckets.items()}
        self._first *= share
        self._sampled *= share
        self.lifetimes.scale(share)


def _position(distance: float) -> float:
    """Return where a distance in keys lies among the buckets, which are logarithmic; small ones have one each."""
    if distance < _PER_OCTAVE:
        return distance
    return _PER_OCTAVE * (math.log2(distance / _PER_OCTAVE) + 1)
