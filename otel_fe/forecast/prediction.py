"""The predicted duration of a group of extractions: a percentile with its interval, and the share that meets the objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.pipeline.causes import weighted_quantile
from otel_fe.pipeline.confidence import interval

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Observed:
    """One extraction as it was, with all that a forecast changes."""

    duration_ns: int
    weight: float
    """Its weight."""
    hit: bool | None
    """Whether every look-up hit; None without a look-up."""
    wait_ns: int
    """Part of the duration spent waiting for connections."""
    start_ns: int = 0
    """Unix time."""
    cpu_ns: int = -1
    """CPU time of its thread; -1 where it is not known."""
    feature_set: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A group's durations in short."""

    quantile_ns: int
    low_ns: int
    """Lower end of the quantile's 95 % interval."""
    high_ns: int
    under_share: float
    """0..1 of the weight takes less than the limit, as the objective has it: strictly."""


def predict(durations_ns: Sequence[int], weights: Sequence[float], limit_ns: int, share: float = 0.95) -> Prediction:
    """Return what a weighted group takes; the weights' sum is above 0.

    The interval is that of the quantile's rank among as many extractions as the weights are worth: (sum w)^2 / sum w^2
    (L. Kish, "Survey Sampling", 1965, section 11.7).

    Args:
        durations_ns: One for each member.
        weights: The weight of each, 0 or more and finite.
        limit_ns: Of the objective.
        share: Which quantile, 0..1.
    """
    total = sum(weights)
    worth = total**2 / sum(weight * weight for weight in weights)
    low, high = interval(share * worth, worth)
    under = sum(weight for value, weight in zip(durations_ns, weights, strict=True) if value < limit_ns)
    quantile, least, most = (weighted_quantile(durations_ns, weights, part) for part in (share, low, high))
    return Prediction(quantile, least, most, under / total)
