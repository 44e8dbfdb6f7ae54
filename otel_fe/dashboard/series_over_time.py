"""Figures over a window, step by step, and their trends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.live.trends import trend_of
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.store.counted_time import seconds_of
from otel_fe.store.series_keys import Which
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.live.results import Trend

_STEPS: Final = 90
_WIDTHS_S: Final = (60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800)


@dataclass(frozen=True, slots=True)
class TimeSlice:
    """A slice of time; slices in which nothing happened are left out."""

    time_ns: int
    extractions: int
    per_s: float
    counted_s: float
    """Seconds of the slice that were counted."""
    mean_ns: float
    p50_ns: float
    p95_ns: float
    p99_ns: float
    max_ns: float | None
    """The largest duration; None if unknown."""
    slow_ratio: float
    error_ratio: float | None
    hit_ratio: float | None


@dataclass(frozen=True, slots=True)
class OverTime:
    """All steps of a window."""

    step_ns: int
    steps: tuple[TimeSlice, ...]
    trends: dict[str, Trend]
    """Keyed by figure, as `FeatureExtractionDashboard.get_performance_trends` has them."""
    estimated: bool = False
    """Whether the figures are estimated from kept traces by their weights, rather than exact."""


def step_of(window: tuple[int, int]) -> int:
    """Return a step's width for a window: whole minutes, at most ninety steps."""
    wanted = (window[1] - window[0]) / _STEPS / NS_PER_S
    return next((one for one in _WIDTHS_S if one >= wanted), 86_400) * NS_PER_S


def over_time(stored: PageContext, window: tuple[int, int], service: str | None, feature_set: str | None) -> OverTime:
    """Return a group's figures over time."""
    step = step_of(window)
    labels: dict[str, Any] = {} if feature_set is None else {semconv.FEATURE_SET: feature_set}
    spreads = stored.reader.series.histogram_by_step(Which(semconv.DURATION, service, labels), *window, step)
    ratios = {
        slo: _ratios(stored, window, service, {**labels, semconv.SLO: slo}, step)
        for slo in ("latency", "error_rate", "cache_hit_rate")
    }
    # A step that the window cuts off has all of its counts, and therefore all of its time.
    counted = stored.reader.sums.counted(window[0] // step * step, window[1], service)
    steps = []
    for time_ns, spread in spreads:
        if spread.count:
            good, hits, right = (ratios[slo].get(time_ns) for slo in ("latency", "cache_hit_rate", "error_rate"))
            slow = 1 - spread.at_most(LATENCY_LIMIT_NS / 1e9) / spread.count if good is None else 1 - good
            seconds = seconds_of(counted, time_ns, time_ns + step)
            p50, p95, p99 = ((spread.quantile(share) or 0.0) * 1e9 for share in (0.5, 0.95, 0.99))
            steps.append(
                TimeSlice(
                    time_ns,
                    spread.count,
                    spread.count / max(1.0, seconds),
                    seconds,
                    spread.total / spread.count * 1e9,
                    p50,
                    p95,
                    p99,
                    None if spread.most is None else spread.most * 1e9,
                    slow,
                    None if right is None else 1 - right,
                    hits,
                )
            )
    return OverTime(step, tuple(steps), trends_of(steps))


def _ratios(
    stored: PageContext, window: tuple[int, int], service: str | None, labels: dict[str, Any], step_ns: int
) -> dict[int, float]:
    """Return the share of good events, step by step."""
    series = stored.reader.series
    good, bad = (
        dict(series.count_by_step(Which(semconv.SLO_EVENTS, service, {**labels, semconv.GOOD: told}), *window, step_ns))
        for told in (True, False)
    )
    return {
        time: good.get(time, 0) / total for time in {*good, *bad} if (total := good.get(time, 0) + bad.get(time, 0)) > 0
    }


def trends_of(steps: list[TimeSlice]) -> dict[str, Trend]:
    """Return the trend of each figure over some steps."""
    whole = steps[1:-1]  # the window cuts the first and the last off
    return {
        "p95_latency_ms": trend_of([one.p95_ns / 1e6 for one in whole], "p95_latency_ms"),
        "throughput_per_s": trend_of([one.per_s for one in whole], "throughput_per_s"),
        "error_rate": trend_of([one.error_ratio or 0.0 for one in whole], "error_rate"),
        "cache_hit_rate": trend_of([one.hit_ratio for one in whole if one.hit_ratio is not None], "cache_hit_rate"),
    }
