"""The health score: the four requirements with their weights, consistent with the alerts that fire."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_fe import requirements
from otel_fe.pipeline.requirement_slos import REQUIREMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WEIGHTS: Final = {"latency": 40, "error_rate": 30, "cache_hit_rate": 20, "memory": 10}
"""Weights in per cent, by requirement."""
TITLES: Final = {
    "latency": f"p95 latency below {requirements.LATENCY}",
    "error_rate": f"Errors below {requirements.ERRORS}",
    "cache_hit_rate": f"Cache hits above {requirements.HITS}",
    "memory": f"Memory below {requirements.MEMORY} per operation",
}
_GOOD: Final = 90
_FAIR: Final = 70
_HIGHEST: Final = {"page": _FAIR - 1, "ticket": _GOOD - 1}
"""The most points while an alert of a severity fires: a page is unhealthy, a ticket degraded."""


@dataclass(frozen=True, slots=True)
class HealthPart:
    """One requirement in the score."""

    name: str
    title: str
    weight: float
    """Share of the score, 0..1; the shares of unknown requirements go to the others."""
    points: float
    """0..100: 100 where the objective is met, else the ratio of allowed to actual bad events."""
    good: int
    total: int
    met: bool | None
    """Whether the objective is met; None without events."""
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
    firing: Mapping[str, int] = field(default_factory=dict)
    """Alerts that fire and are not silenced, by severity."""
    held_by: str = ""
    """The severity whose alerts cap the score below the sum of its parts; empty where none does."""


def health(counts: Mapping[str, tuple[int, int]], firing: Iterable[str] = ()) -> Health:
    """Return the score of a window.

    Args:
        counts: Good events and all events, by requirement.
        firing: Severities of the alerts that fire now and are not silenced; none for a window that lies in the past.
    """
    known = sum(WEIGHTS[slo.name] for slo in REQUIREMENTS if counts.get(slo.name, (0, 0))[1])
    parts = []
    for slo in REQUIREMENTS:
        good, total = counts.get(slo.name, (0, 0))
        numerator, denominator = slo.objective
        allowed = (denominator - numerator) / denominator
        bad = (total - good) / total if total else None
        met = slo.met(good, total)
        points = 100.0 if met else 0.0 if not bad else 100 * min(1.0, allowed / bad)
        weight = WEIGHTS[slo.name] / known if known and total else 0.0
        parts.append(HealthPart(slo.name, TITLES[slo.name], weight, points, good, total, met, allowed, bad))
    fires = dict(Counter(firing))
    if not known:
        return Health(None, "no data", tuple(parts), fires)
    of_parts = sum(part.weight * part.points for part in parts)
    # A broken requirement is never healthy, whatever its weight.
    if any(part.met is False for part in parts):
        of_parts = min(of_parts, _HIGHEST["ticket"])
    score, held_by = min([(of_parts, ""), *((float(_HIGHEST.get(one, _GOOD - 1)), one) for one in fires)])
    status = "healthy" if score >= _GOOD else "degraded" if score >= _FAIR else "unhealthy"
    return Health(score, status, tuple(parts), fires, held_by)
