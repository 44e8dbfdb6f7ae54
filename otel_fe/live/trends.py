"""Trends of figures over the slices of some hours, by a test that is robust to outliers."""

from __future__ import annotations

import itertools
import math
import statistics
from typing import TYPE_CHECKING, Final

from otel_fe.live.results import PerformanceTrends, Trend, TrendPoint, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.live.timeline import Slice

_LOWER_IS_BETTER: Final = {
    "avg_latency_ms": True,
    "p95_latency_ms": True,
    "error_rate": True,
    "cache_hit_rate": False,
    "throughput_per_s": False,
}
_FEWEST: Final = 6
"""Points that a trend needs: with fewer, even a perfect order may be chance."""
_SURE: Final = 0.95
_WORTH: Final = 0.05
"""Share of the middle value that a change must reach, however sure it is."""
_WORTH_OF_RATIOS: Final = {"error_rate": 0.002, "cache_hit_rate": 0.02}
"""Likewise of figures that are ratios 0..1 and may well be 0: in the ratio itself, a fifth of what the requirement allows."""


def trends_of(
    slices: Sequence[Slice], hours: float, unix_shift_ns: int, started_ns: int | None = None
) -> PerformanceTrends:
    """Return the trends of slices of one group or of several.

    Args:
        slices: Any order; those of one time are added up.
        hours: The requested length.
        unix_shift_ns: Unix time less monotonic time.
        started_ns: Monotonic time at which counting began: the first slice may have begun before it.
    """
    by_start: dict[int, list[Slice]] = {}
    for one in slices:
        by_start.setdefault(one.start_ns, []).append(one)
    points = tuple(_point(by_start[start], unix_shift_ns, started_ns) for start in sorted(by_start))
    trends = {name: trend_of([float(point[name]) for point in points], name) for name in _LOWER_IS_BETTER}
    return PerformanceTrends(hours, points, trends)


def _point(together: Sequence[Slice], unix_shift_ns: int, started_ns: int | None) -> TrendPoint:
    first, *rest = together
    tally = first.tally.copy()
    for one in rest:
        tally.merge(one.tally)
    end = max(one.end_ns for one in together)
    begin = first.start_ns if started_ns is None else min(end, max(first.start_ns, started_ns))
    (p95,) = tally.quantiles_ms(0.95)
    return TrendPoint(
        time_unix_s=(begin + unix_shift_ns) / 1e9,
        duration_s=(end - begin) / 1e9,
        total_extractions=tally.count,
        throughput_per_s=tally.count / max(1.0, (end - begin) / 1e9),
        avg_latency_ms=ratio(tally.duration.total, tally.count) / 1e6,
        p95_latency_ms=p95,
        error_rate=ratio(tally.errors, tally.count),
        cache_hit_rate=ratio(tally.all_hit, tally.looked_up),
    )


def trend_of(values: Sequence[float], name: str) -> Trend:
    """Return where a figure goes: its steps in order, oldest first; `unknown` where there are too few."""
    if len(values) < _FEWEST:
        return Trend("unknown", 0.0, 0.0, 0.0)
    change = _change(values)
    middle = statistics.median(values) or statistics.fmean(values)
    relative = change / middle if middle else 0.0
    confidence = _confidence(values)
    worth = abs(change) >= _WORTH_OF_RATIOS[name] if name in _WORTH_OF_RATIOS else abs(relative) >= _WORTH
    if confidence < _SURE or not worth:
        return Trend("steady", relative, confidence, change)
    better = (change < 0) == _LOWER_IS_BETTER[name]
    return Trend("improving" if better else "worsening", relative, confidence, change)


def _change(values: Sequence[float]) -> float:
    """Return by how much values have moved from the first to the last: the median slope, or the thirds where that is 0.

    The median of all slopes (Theil 1950, Sen 1968) is not moved by outliers, and is 0 where most values are the same: what jumps
    once, as errors do, is seen in the mean of the last third against that of the first.
    """
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in itertools.combinations(enumerate(values), 2)]
    third = max(1, len(values) // 3)
    by_thirds = statistics.fmean(values[-third:]) - statistics.fmean(values[:third])
    by_slope = statistics.median(slopes) * (len(values) - 1)
    return by_slope or by_thirds


def _confidence(values: Sequence[float]) -> float:
    """Return how sure it is that values rise or fall: Mann 1945 and Kendall 1975, two-sided, corrected for ties."""
    n = len(values)
    score = sum((b > a) - (b < a) for a, b in itertools.combinations(values, 2))
    ties = sum(t * (t - 1) * (2 * t + 5) for t in map(values.count, set(values)))
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    if variance <= 0 or not score:
        return 0.0
    return math.erf((abs(score) - 1) / math.sqrt(2 * variance))
