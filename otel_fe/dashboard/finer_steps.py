"""Figures over a few minutes in steps of seconds: estimated from kept traces, since exact counts are per minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.dashboard.series_over_time import OverTime, TimeSlice, trends_of
from otel_fe.pipeline.causes import weighted_quantiles
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.store import Selection
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.store.kept_points import KeptPoint

_LONGEST_NS: Final = 10 * 60 * NS_PER_S
"""A longer window has enough minutes for a line."""
_STEPS: Final = 30
_WIDTHS_S: Final = (1, 2, 5, 10, 15, 30)


def finer_steps(
    stored: PageContext, window: tuple[int, int], service: str | None, feature_set: str | None
) -> OverTime | None:
    """Return how a group's figures went in a short window; None for a longer one, and where no traces are kept.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    length = window[1] - window[0]
    if length > _LONGEST_NS:
        return None
    step = next((one for one in _WIDTHS_S if one * _STEPS * NS_PER_S >= length), _WIDTHS_S[-1]) * NS_PER_S
    places: dict[int, list[KeptPoint]] = {}
    for point in stored.reader.kept_points(Selection(*window, service, feature_set)):
        places.setdefault(point.start_ns // step * step, []).append(point)
    if not places:
        return None
    steps = [_step(at, points, min(at + step, window[1]) - max(at, window[0])) for at, points in sorted(places.items())]
    return OverTime(step, tuple(steps), trends_of(steps), estimated=True)


def _step(time_ns: int, points: Sequence[KeptPoint], length_ns: int) -> TimeSlice:
    seconds = length_ns / NS_PER_S
    weight = sum(one.weight for one in points)
    looked_up = [one for one in points if one.cache_hit is not None]
    of_those = sum(one.weight for one in looked_up)
    durations, weights = [one.duration_ns for one in points], [one.weight for one in points]
    p50, p95, p99 = map(float, weighted_quantiles(durations, weights, (0.5, 0.95, 0.99)))
    return TimeSlice(
        time_ns,
        round(weight),
        weight / max(0.1, seconds),
        seconds,
        sum(one.duration_ns * one.weight for one in points) / weight,
        p50,
        p95,
        p99,
        float(max(one.duration_ns for one in points)),
        sum(one.weight for one in points if one.duration_ns >= LATENCY_LIMIT_NS) / weight,
        sum(one.weight for one in points if one.error) / weight,
        sum(one.weight for one in looked_up if one.cache_hit) / of_those if of_those else None,
    )
