"""The measurements of one extraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.semconv import CAUSE_CACHE_MISS, CAUSE_POOL_WAIT

if TYPE_CHECKING:
    from collections.abc import Mapping

CAUSE_POOL: Final = CAUSE_POOL_WAIT
CAUSE_CACHE_HIT: Final = "cache_hit"
"""Of an interval only: time in look-ups that hit is a call like any other."""

__all__ = ["CAUSE_CACHE_HIT", "CAUSE_CACHE_MISS", "CAUSE_POOL", "Measurements"]


class Measurements:
    """The measurements of one extraction; metrics and SLOs are derived from these and nothing else.

    Mutable while the extraction runs, and with its defaults on the class rather than set one by one: it is made and
    filled in on the hot path of the application, by whichever threads work for the extraction.
    """

    feature_set: str = ""
    """Empty where the extraction has none."""
    library: str = ""
    """Empty where it is not known."""
    duration_ns: int = 0
    """0 until the extraction has ended."""
    error_type: str = ""
    """Qualified name of the exception's class; empty where it succeeded."""
    cancelled: bool = False
    """Whether its caller ended it early, which is no error."""
    cache_lookups: int = 0
    cache_hits: int = 0
    cache_ns: int = 0
    """Time in look-ups."""
    pool_waits: int = 0
    """The number of requests to pools for a connection."""
    pool_wait_ns: int = 0
    cpu_ns: int = -1
    """-1 where it is unknown, as in a block of an event loop that other tasks share."""
    memory_growth_bytes: int = 0
    split: Mapping[str, int] | None = None
    """Its time in ns by cause; None if it was not slow."""

    def settle(self) -> None:
        """Bring the sums up to date, where they are kept apart while the extraction runs; called once it has ended."""

    @property
    def all_hit(self) -> bool | None:
        """Return whether every look-up hit; None without a look-up."""
        return None if not self.cache_lookups else self.cache_hits == self.cache_lookups
