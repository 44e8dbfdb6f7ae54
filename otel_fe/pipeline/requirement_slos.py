"""The four requirements, as SLOs over the figures of single extractions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import requirements
from otel_fe.requirements import LATENCY_LIMIT_NS, MEMORY_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.model.measurements import Measurements


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: which extractions count, which of them are good, and what share must be."""

    name: str
    meaning: str
    objective: tuple[int, int]
    """Numerator and denominator, so that the ratio is exact; the share of good events must exceed or equal it."""
    strict: bool
    """Whether the share must exceed the objective rather than reach it."""
    good: Callable[[Measurements], bool | None]
    """None where the extraction does not count."""
    breached_by_one: bool
    """Whether one bad event is worth its trace; a single cache miss is not."""

    def met(self, good: int, total: int) -> bool | None:
        """Return whether `good` of `total` events satisfy the objective, in exact arithmetic; None without events."""
        if not total:
            return None
        numerator, denominator = self.objective
        share, wanted = good * denominator, total * numerator
        return share > wanted if self.strict else share >= wanted


REQUIREMENTS: Final = (
    Requirement(
        "latency",
        f"p95 < {requirements.LATENCY}: at least {requirements.LATENCY_OBJECTIVE[0]} % of extractions take less than "
        f"{requirements.LATENCY}",
        requirements.LATENCY_OBJECTIVE,
        strict=False,
        good=lambda figures: figures.duration_ns < LATENCY_LIMIT_NS,
        breached_by_one=True,
    ),
    Requirement(
        "cache_hit_rate",
        f"cache hit rate > {requirements.HITS}: of the extractions that look up, those whose every look-up hits",
        requirements.HIT_OBJECTIVE,
        strict=True,
        good=lambda figures: figures.all_hit,
        breached_by_one=False,
    ),
    Requirement(
        "error_rate",
        f"error rate < {requirements.ERRORS}",
        requirements.SUCCESS_OBJECTIVE,
        strict=True,
        good=lambda figures: not figures.error_type,
        breached_by_one=True,
    ),
    Requirement(
        "memory",
        f"memory < {requirements.MEMORY} per operation: every extraction grows the process by less than {requirements.MEMORY}",
        requirements.MEMORY_OBJECTIVE,
        strict=False,
        good=lambda figures: figures.memory_growth_bytes < MEMORY_LIMIT_BYTES,
        breached_by_one=True,
    ),
)


def breached_by(figures: Measurements) -> tuple[str, ...]:
    """Return the SLOs for which a single extraction is a bad event.

    Written out, since it is called for every extraction; `REQUIREMENTS` is the definition, and a property test holds
    the two equal.
    """
    fast = figures.duration_ns < LATENCY_LIMIT_NS
    small = figures.memory_growth_bytes < MEMORY_LIMIT_BYTES
    if fast and small and not figures.error_type:
        return ()
    bad = (("latency", not fast), ("error_rate", bool(figures.error_type)), ("memory", not small))
    return tuple(name for name, broken in bad if broken)
