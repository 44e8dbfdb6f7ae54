"""Extractions before a change against those after it: p95, the mean, and by cause, each with a test.

The extractions near p95 determine its causes. Each cause is compared in these: its mean time in extractions of the
ranks 0.90 to 0.99. The causes' differences add up to the difference of these extractions' mean durations, which is
close to that of p95.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.changes.student import critical
from otel_fe.changes.weighted import CONFIDENCE, Difference, difference, holm, mean_of
from otel_fe.errors import OtelFeError
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.pipeline.causes import weighted_quantile
from otel_fe.units import MINUTE_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.changes.weighted import Mean
    from otel_fe.pipeline.causes import Explained

_BAND: Final = (0.90, 0.99)
"""Ranks of the extractions round p95."""
_NEAR: Final = 0.02
"""Of the ranks on either side of an edge of the band: what extractions at that edge are like."""
_FEWEST: Final = 40
"""Extractions on each side."""
_FEWEST_CLUSTERS: Final = 3
_FEWEST_IN_BAND: Final = 30
"""The least effective number (by weights) of extractions round p95: with fewer, no cause exceeds chance."""


class TooLittleError(OtelFeError):
    """One side of a change has too few extractions to compare; the message names it."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """An extraction, and when it began."""

    start_ns: int
    """Unix time."""
    explained: Explained
    """Its duration by cause, and its weight."""


@dataclass(frozen=True, slots=True)
class CauseChange:
    """The change of one cause in the extractions round p95."""

    cause: str
    change: Difference
    """The change in ns; its p-value is corrected for the number of causes, and 1 where too few extractions are near p95."""


@dataclass(frozen=True, slots=True)
class BeforeAndAfter:
    """Before against after, in ns."""

    p95: Difference
    """Of the 95th percentile of duration."""
    mean: Difference
    """Of the mean duration."""
    tail: Difference
    """Mean duration of the extractions round p95: what the causes add up to."""
    causes: tuple[CauseChange, ...]
    """The one that changed most first; those without any time on either side are left out."""
    extractions: tuple[int, int]
    """Kept ones before and after."""
    weight: tuple[float, float]
    """Weight before and after."""

    @property
    def significant(self) -> bool:
        """Return whether p95 or the mean changed, with 95 % confidence for the two together."""
        return min(holm([self.p95.p_value, self.mean.p_value])) <= 1 - CONFIDENCE


def compare(before: Sequence[Sampled], after: Sequence[Sampled], cluster_ns: int = MINUTE_NS) -> BeforeAndAfter:
    """Compare the extractions before a change with those after it.

    Args:
        before: Of one kind, weighted.
        after: Of the same kind.
        cluster_ns: Extractions that began within so many ns count as one event as far as chance goes.

    Raises:
        TooLittleError: One side has too few extractions, or all of its extractions are of a minute or two.
    """
    sides = tuple(_Side(name, part, cluster_ns) for name, part in (("before", before), ("after", after)))
    one, other = sides
    tails = [side.tail(list(map(float, side.durations))) for side in sides]
    causes = []
    for cause in CAUSES:
        times = [[float(item.explained.split.get(cause, 0)) for item in side.members] for side in sides]
        if any(map(any, times)):
            parts = [side.tail(values) for side, values in zip(sides, times, strict=True)]
            causes.append((cause, difference(*parts)))
    enough = all(side.in_band >= _FEWEST_IN_BAND for side in sides)
    corrected = holm([change.p_value if enough else 1.0 for _, change in causes])
    found = [
        CauseChange(cause, Difference(change.before, change.after, change.low, change.high, p_value))
        for (cause, change), p_value in zip(causes, corrected, strict=True)
    ]
    means = [mean_of(side.durations, side.weights, side.clusters) for side in sides]
    return BeforeAndAfter(
        _quantiles(one, other),
        difference(*means),
        difference(*tails),
        tuple(sorted(found, key=lambda item: -abs(item.change.value))),
        (len(one.members), len(other.members)),
        (math.fsum(one.weights), math.fsum(other.weights)),
    )


def _quantiles(one: _Side, other: _Side) -> Difference:
    """Compare p95: by the shares above the p95 of both together, which are equal where nothing changed.

    The interval combines those of both sides (G. Zou, A. Donner, "Construction of confidence limits about effect measures", 2008).
    """
    # Each side counts as half, whatever its size: the level lies between both, and not at that of the larger.
    totals = [(side, math.fsum(side.weights)) for side in (one, other)]
    level = weighted_quantile(
        [*one.durations, *other.durations],
        [weight / total for side, total in totals for weight in side.weights],
        0.95,
    )
    shares = [
        mean_of([float(value > level) for value in side.durations], side.weights, side.clusters)
        for side in (one, other)
    ]
    (low, middle, high), (low_2, middle_2, high_2) = one.p95(), other.p95()
    change = middle_2 - middle
    return Difference(
        middle,
        middle_2,
        change - math.hypot(middle_2 - low_2, high - middle),
        change + math.hypot(high_2 - middle_2, middle - low),
        difference(*shares).p_value,
    )


class _Side:
    """The extractions on one side of a change."""

    def __init__(self, name: str, members: Sequence[Sampled], cluster_ns: int) -> None:
        self.members = [one for one in members if one.explained.weight > 0]
        self.durations = [one.explained.duration_ns for one in self.members]
        self.weights = [one.explained.weight for one in self.members]
        self.clusters = [one.start_ns // cluster_ns for one in self.members]
        worth = math.fsum(self.weights) ** 2 / math.fsum(w * w for w in self.weights) if self.weights else 0.0
        if len(self.members) < _FEWEST or worth < _FEWEST / 2:
            raise TooLittleError(f"{len(self.members)} kept extractions {name}; {_FEWEST} are the fewest to compare")
        if len(set(self.clusters)) < _FEWEST_CLUSTERS:
            spans = f"{cluster_ns / 1e9:g} s"
            raise TooLittleError(f"what was kept {name} is all within {_FEWEST_CLUSTERS - 1} intervals of {spans}")
        self._edges = [weighted_quantile(self.durations, self.weights, share) for share in _BAND]
        self._like_edge = [self._near(share) for share in _BAND]
        chosen = [w for w, d in zip(self.weights, self.durations, strict=True) if self._edges[0] < d <= self._edges[1]]
        self.in_band = math.fsum(chosen) ** 2 / math.fsum(w * w for w in chosen) if chosen else 0.0

    def p95(self) -> tuple[float, float, float]:
        """Return p95 with its 95 % interval (R. Woodruff, "Confidence Intervals for Medians and Other Position Measures", 1952)."""
        middle = weighted_quantile(self.durations, self.weights, 0.95)
        share = mean_of([float(value > middle) for value in self.durations], self.weights, self.clusters)
        half = critical(CONFIDENCE, share.degrees) * math.sqrt(share.variance)
        low, high = (
            weighted_quantile(self.durations, self.weights, min(1.0, max(0.0, rank)))
            for rank in (0.95 - half, 0.95 + half)
        )
        return float(low), float(middle), float(high)

    def tail(self, values: Sequence[float]) -> Mean:
        """Return the mean of a value over the extractions round p95.

        Where the band begins and ends is itself estimated. Its part in the variance comes in by the estimate's influence function:
        each member counts with its value if it is in the band, less what members at either edge are like if it is below that edge.
        """
        low, high = self._edges
        at_low, at_high = (self._mean(values, chosen) for chosen in self._like_edge)
        width = _BAND[1] - _BAND[0]
        shifts = at_high * _BAND[1] - at_low * _BAND[0]
        pseudo = [
            (
                (value if low < duration <= high else 0.0)
                - (at_high if duration <= high else 0.0)
                + (at_low if duration <= low else 0.0)
                + shifts
            )
            / width
            for value, duration in zip(values, self.durations, strict=True)
        ]
        return mean_of(pseudo, self.weights, self.clusters)

    def _near(self, share: float) -> list[int]:
        """Return the members whose rank is near to one."""
        ranks = (share - _NEAR / 2, min(1.0, share + _NEAR / 2))
        low, high = (weighted_quantile(self.durations, self.weights, rank) for rank in ranks)
        return [index for index, value in enumerate(self.durations) if low <= value <= high]

    def _mean(self, values: Sequence[float], chosen: Sequence[int]) -> float:
        total = math.fsum(self.weights[index] for index in chosen)
        return math.fsum(self.weights[index] * values[index] for index in chosen) / total if total else 0.0
