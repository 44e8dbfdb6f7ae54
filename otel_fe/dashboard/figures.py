"""Figures of a group of extractions in a window: exact counts and percentiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe import semconv
from otel_fe.dashboard.health import WEIGHTS
from otel_fe.store.counted_time import seconds_of

if TYPE_CHECKING:
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.store.distribution import Distribution


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a group in a window: exact counts, also of those of 100 ms or more; percentiles to a bucket's width."""

    extractions: int
    per_s: float
    """Over the time in which was counted: see `counted_s`."""
    counted_s: float
    """Seconds of the window that were counted."""
    p50_ns: float | None
    p95_ns: float | None
    p99_ns: float | None
    mean_ns: float | None
    max_ns: float | None
    """The largest duration; None if unknown."""
    slow: int
    """Extractions of 100 ms or more."""
    slow_ratio: float | None
    error_ratio: float | None
    hit_ratio: float | None


def figures_of(
    stored: PageContext, window: tuple[int, int], service: str | None, feature_set: str | None
) -> tuple[Figures, dict[str, tuple[int, int]]]:
    """Return what a group did, and its counts by requirement."""
    sums = stored.reader.sums
    counts = {name: sums.good_and_total(name, *window, service, feature_set) for name in WEIGHTS}
    spread = sums.distribution(semconv.DURATION, *window, service, feature_set)
    return figures(counts, spread, seconds_counted(stored, window, service)), counts


def seconds_counted(stored: PageContext, window: tuple[int, int], service: str | None) -> float:
    """Return for how long of a window there was counting, of a service or of any."""
    return max(1.0, seconds_of(stored.reader.sums.counted(*window, service), *window))


def figures(counts: dict[str, tuple[int, int]], spread: Distribution, seconds: float) -> Figures:
    """Return the figures of what was counted: events by requirement, durations, and for how long."""
    good, total = counts["latency"]
    p50, p95, p99 = (None if (value := spread.quantile(share)) is None else value * 1e9 for share in (0.5, 0.95, 0.99))
    slow = total - good
    error_good, error_total = counts["error_rate"]
    hits, looked_up = counts["cache_hit_rate"]
    return Figures(
        total,
        total / seconds,
        seconds,
        p50,
        p95,
        p99,
        spread.total / spread.count * 1e9 if spread.count else None,
        None if not spread.count or spread.most is None else spread.most * 1e9,
        slow,
        slow / total if total else None,
        (error_total - error_good) / error_total if error_total else None,
        hits / looked_up if looked_up else None,
    )
