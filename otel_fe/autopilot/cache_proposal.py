"""Proposes the size of a cache, from the reuse distances of its keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from otel_fe.autopilot.controller import Proposal
from otel_fe.autopilot.verdict import hardly_fewer_hits, more_hits
from otel_fe.formatting import percent

if TYPE_CHECKING:
    from otel_fe.autopilot.resource import ResizableResource
    from otel_fe.forecast.reuse import ReuseCurve

_FEWEST: Final = 500
"""Look-ups that say something of a cache."""
_WORTH: Final = 0.01
"""A smaller gain, as a share of the look-ups, is not worth twice the entries."""
_FREE: Final = 0.002
"""A smaller loss, as a share of the look-ups, is worth half the entries."""


def cache_proposal(resource: ResizableResource, curve: ReuseCurve) -> Proposal | None:
    """Return a better size for a cache, twice or half of what it has; None where it is right, or too little is known.

    Args:
        resource: The cache.
        curve: Of its look-ups.
    """
    if curve.references < _FEWEST:
        return None
    size = resource.size()
    now, twice, half = (curve.hit_ratio(entries) for entries in (size, 2 * size, size // 2))

    def predict(entries: int) -> float:
        return (curve.hit_ratio(entries) - now) * 100

    if twice - now >= _WORTH:
        reason = f"with {2 * size} entries {percent(twice)} of its look-ups would hit, now {percent(now)}"
        judge = partial(more_hits, cache=resource.name)
        return Proposal(resource, 2 * size, reason, predict, judge, gain=(twice - now) * 100)
    if now - half <= _FREE and size > 1:
        reason = f"with {size // 2} entries {percent(half)} of its look-ups would hit, as now"
        judge = partial(hardly_fewer_hits, cache=resource.name)
        return Proposal(resource, size // 2, reason, predict, judge)
    return None
