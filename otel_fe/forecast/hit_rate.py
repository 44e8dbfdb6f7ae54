"""The mix of extractions at another hit rate: only the weights of hits and misses change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.forecast.forecast_error import ForecastError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.forecast.prediction import Observed


def hit_ratio(group: Sequence[Observed]) -> float | None:
    """Return the share, 0..1 by weight, of the extractions that look up whose every look-up hits; None where none looks up."""
    hits, misses = _weights(group)
    return hits / (hits + misses) if hits + misses else None


def at_hit_ratio(group: Sequence[Observed], ratio: float) -> list[float]:
    """Return the weights that the group has at another hit ratio, one for each member; their sum stays the same.

    Extractions without a look-up keep theirs.

    Args:
        group: As it was.
        ratio: The share of extractions whose every look-up hits, 0..1.

    Raises:
        ForecastError: No extraction hit, none missed, or none looked anything up.
    """
    hits, misses = _weights(group)
    if not hits + misses:
        raise ForecastError("No kept extraction looked anything up in a cache, so there is no hit rate to change.")
    if not hits and ratio > 0:
        raise ForecastError("No kept extraction had only cache hits, so the duration of one that does is unknown.")
    if not misses and ratio < 1:
        raise ForecastError("Every kept extraction had only cache hits, so the duration of one that misses is unknown.")
    factors = {
        None: 1.0,
        True: ratio * (hits + misses) / hits if hits else 0.0,
        False: (1 - ratio) * (hits + misses) / misses if misses else 0.0,
    }
    return [one.weight * factors[one.hit] for one in group]


def _weights(group: Sequence[Observed]) -> tuple[float, float]:
    """Return the weight of those that hit, and of those that missed."""
    hits = sum(one.weight for one in group if one.hit is True)
    return hits, sum(one.weight for one in group if one.hit is False)
