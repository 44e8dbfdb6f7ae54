"""Proposes the size of a pool by queueing theory, with the predicted p95."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from otel_fe.autopilot.controller import Proposal
from otel_fe.autopilot.verdict import faster, not_slower
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.forecast.pool_size import Waits, at_size, waits_at
from otel_fe.forecast.prediction import Observed, predict
from otel_fe.formatting import milliseconds
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from otel_fe.autopilot.evidence import Evidence
    from otel_fe.autopilot.resource import ResizableResource
    from otel_fe.forecast.traffic import Traffic

FEWEST: Final = 100
"""Requests of a window that say something of a queue."""
_GOOD_ENOUGH_S: Final = 0.001
_SHARE: Final = 0.05
"""A mean wait is good enough at 1 ms, or at a twentieth of the mean use."""
_TOO_LARGE: Final = 2
"""A pool shrinks where it is at least so many times as large as needed."""


def pool_proposal(
    resource: ResizableResource, traffic: Traffic, requests: int, before: Evidence, window_ns: int
) -> Proposal | None:
    """Return a better size for a pool, at most twice or half of what it has; None where it is right, or too little is known.

    Args:
        resource: The pool.
        traffic: Of the window.
        requests: That it had in the window.
        before: Extractions of the window.
        window_ns: For the judge.
    """
    if requests < FEWEST or not traffic.use_s:
        return None
    size = traffic.size
    target_s = max(_GOOD_ENOUGH_S, _SHARE * traffic.use_s)
    needed = traffic.size_for(target_s)
    wait = f"callers wait {milliseconds(traffic.wait_s * NS_PER_S)} in the mean, {traffic.load:.3g} of {size} connections are busy"
    predict = partial(_predicted_ms, traffic, before)
    if traffic.wait_s > target_s and needed > size:
        then = min(needed, 2 * size)
        reason = f"{wait}: {needed} are the fewest for at most {milliseconds(target_s * NS_PER_S)}"
        gain = (traffic.wait_s - traffic.wait_at(then)) * 1e3
        return Proposal(resource, then, reason, predict, partial(faster, window_ns=window_ns, pool=resource.name), gain)
    needed = max(needed, traffic.callers, 1)
    if size >= _TOO_LARGE * needed and traffic.wait_s <= target_s:
        then = max(needed, size // 2)
        reason = f"{wait}, and {traffic.callers} callers were inside at most: {needed} are enough"
        return Proposal(resource, then, reason, predict, partial(not_slower, window_ns=window_ns, pool=resource.name))
    return None


def _predicted_ms(traffic: Traffic, before: Evidence, size: int) -> float | None:
    """Return the difference of the extractions' p95 that the model predicts; None where it does not describe this pool."""
    group = [Observed(one.duration_ns, 1.0, None, one.wait_ns) for one in before.seen]
    if not group:
        return None
    try:
        now, then = waits_at(traffic, traffic.size), waits_at(traffic, size)
    except ForecastError:
        # It delays its callers, so the closed model applies: it gives by how much all waits shrink.
        now, then = Waits(1.0, traffic.wait_s), Waits(1.0, traffic.wait_at(size))
    durations, weights = at_size(group, now, then)
    as_is = predict([one.duration_ns for one in group], [1.0] * len(group), 1)
    return (predict(durations, weights, 1).quantile_ns - as_is.quantile_ns) / 1e6
