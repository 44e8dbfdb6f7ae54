"""The health score: its parts, what each weighs, and how it was reached, so that nobody has to believe a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.pipeline.slo import REQUIREMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

WEIGHTS: Final = {"latency": 40, "error_rate": 30, "cache_hit_rate": 20, "memory": 10}
"""In per cent, by requirement."""
TITLES: Final = {
    "latency": "p95 latency below 100 ms",
    "error_rate": "Errors below 1 %",
    "cache_hit_rate": "Cache hits above 70 %",
    "memory": "Memory below 1 GB per operation",
}
_GOOD: Final = 90
_FAIR: Final = 70


@dataclass(frozen=True, slots=True)
class HealthPart:
    """One requirement in the score."""

    name: str
    title: str
    weight: float
    """Share of the score, 0..1; those that nothing is known of leave theirs to the others."""
    points: float
    """0..100: 100 where the objective is met, else allowed bad events over those there were."""
    good: int
    total: int
    met: bool | None
    """None without events."""
    allowed_ratio: float
    bad_ratio: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """The score."""

    score: float | None
    """0..100; None where nothing is known."""
    status: str
    """`healthy`, `degraded`, `unhealthy` or `no data`."""
    parts: tuple[HealthPart, ...]


def health(counts: Mapping[str, tuple[int, int]]) -> Health:
    """Return the score of a window.

    Args:
        counts: By requirement, how many events were good, and how many there were.
    """
    known = sum(WEIGHTS[slo.name] for slo in REQUIREMENTS if counts.get(slo.name, (0, 0))[1])
    parts = []
    for slo in REQUIREMENTS:
        good, total = counts.get(slo.name, (0, 0))
        numerator, denominator = slo.objective
        allowed = 1 - numerator / denominator
        bad = (total - good) / total if total else None
        met = slo.met(good, total)
        points = 100.0 if met else 0.0 if not bad else 100 * min(1.0, allowed / bad)
        weight = WEIGHTS[slo.name] / known if known and total else 0.0
        parts.append(HealthPart(slo.name, TITLES[slo.name], weight, points, good, total, met, allowed, bad))
    if not known:
        return Health(None, "no data", tuple(parts))
    score = sum(part.weight * part.points for part in parts)
    status = "healthy" if score >= _GOOD else "degraded" if score >= _FAIR else "unhealthy"
    # A broken requirement is never called healthy, whatever it weighs.
    if status == "healthy" and any(part.met is False for part in parts):
        status = "degraded"
    return Health(score, status, tuple(parts))
