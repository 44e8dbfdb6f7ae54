"""Means of weighted samples that come in clusters, and the test of two of them.

Extractions are kept with unequal chances, so that each represents `weight` of them, and those of one minute have more in common
than those of two: one burst is one event, not five hundred. The variance is therefore that of the clusters' sums, linearised (the
"sandwich" of survey sampling: C. Skinner, D. Holt, T. Smith, "Analysis of Complex Surveys", 1989, chapter 2). Means are compared by
Welch's test (B. Welch, "The Generalization of Student's Problem when Several Different Population Variances are Involved",
1947).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.changes.student import critical, two_sided

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE: Final = 0.95
_ROUNDING: Final = 1e-9
"""A smaller difference, relative to both, is that of floating-point sums."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A weighted mean, and how well it is known."""

    value: float
    variance: float
    """Variance of the mean."""
    degrees: float
    """Degrees of freedom: clusters - 1."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The value after, minus the value before."""

    before: float
    """The value before, in the unit of what is compared (durations: ns)."""
    after: float
    """The value after, in the same unit."""
    low: float
    """Lower end of the 95 % interval of the difference."""
    high: float
    """Likewise."""
    p_value: float
    """Two-sided: the chance of a difference this large where nothing changed."""

    @property
    def value(self) -> float:
        """The difference."""
        return self.after - self.before

    @property
    def significant(self) -> bool:
        """Return whether it is there with 95 % confidence."""
        return self.p_value <= 1 - CONFIDENCE


def mean_of(values: Sequence[float], weights: Sequence[float], clusters: Sequence[int]) -> Mean:
    """Return the mean of a sample.

    Args:
        values: One for each member.
        weights: The weight of each; their sum is above 0.
        clusters: Which members belong together; at least two different ones.
    """
    total = math.fsum(weights)
    mean = math.fsum(weight * value for value, weight in zip(values, weights, strict=True)) / total
    sums: dict[int, float] = {}
    for value, weight, cluster in zip(values, weights, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + weight * (value - mean)
    count = len(sums)
    spread = math.fsum(one * one for one in sums.values()) * count / (count - 1)
    return Mean(mean, spread / (total * total), count - 1)


def difference(before: Mean, after: Mean) -> Difference:
    """Compare two means by Welch's test."""
    variance = before.variance + after.variance
    change = after.value - before.value
    if abs(change) <= _ROUNDING * (abs(before.value) + abs(after.value)):
        half = critical(CONFIDENCE, before.degrees + after.degrees) * math.sqrt(max(0.0, variance))
        return Difference(before.value, after.value, change - half, change + half, 1.0)
    if variance <= 0:
        return Difference(before.value, after.value, change, change, 0.0)
    degrees = variance**2 / (before.variance**2 / before.degrees + after.variance**2 / after.degrees)
    error = math.sqrt(variance)
    half = critical(CONFIDENCE, degrees) * error
    return Difference(before.value, after.value, change - half, change + half, two_sided(change / error, degrees))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for being several, by S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
