"""The watched figures, each with the scale on which its noise is uniform."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_FEWEST_PER_S: Final = 1e-3
_EDGE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class SeriesKind:
    """A series of figures."""

    name: str
    """The figure, as alerts name it."""
    unit: str
    """Of its values: `ms`, `ratio` or `per s`."""
    rising_is_bad: bool
    """False where a fall is the problem."""
    even: Callable[[float], float]
    """Onto a scale on which noise is about as large everywhere."""
    back: Callable[[float], float]
    """The inverse of `even`."""
    least: float
    """On that scale: a smaller deviation is never worth an alert, however regular the series."""


def _logit(ratio: float) -> float:
    inside = min(max(ratio, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))


LATENCY_P95: Final = SeriesKind("p95 latency", "ms", True, lambda ms: math.log(max(ms, 1e-3)), math.exp, 0.15)
CACHE_HIT_RATE: Final = SeriesKind("cache hit rate", "ratio", False, _logit, lambda x: 1 / (1 + math.exp(-x)), 0.3)
THROUGHPUT: Final = SeriesKind(
    "throughput", "per s", False, lambda rate: math.log(max(rate, _FEWEST_PER_S)), math.exp, 0.25
)
KINDS: Final = (LATENCY_P95, CACHE_HIT_RATE, THROUGHPUT)
