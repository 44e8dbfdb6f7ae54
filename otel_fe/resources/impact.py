"""The cost of misses and waits for the extractions of this process, from the exact counts behind the metrics."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument import runtime
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS, duration_quantile_s
from otel_fe.resources.results import Impact
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.model.histogram import HistogramState
    from otel_fe.pipeline.extraction_series import ExtractionSeries

_NORMAL: Final = 1.96
"""Normal quantile of a 95 % interval."""
_SHARE: Final = 0.95
_NOTHING: Final = Impact(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, available=False)


@dataclass(slots=True)
class _Sums:
    """Durations of extractions of one kind."""

    count: int = 0
    total_ns: int = 0
    squares_ns2: float = 0.0
    """Approximate: each value counts as the middle of its bucket."""

    def add(self, state: HistogramState) -> None:
        """Add the durations of one histogram."""
        self.count += state.count
        self.total_ns += state.total
        for index, count in enumerate(state.buckets):
            self.squares_ns2 += count * _middle_ns(index, state) ** 2 if count else 0.0

    @property
    def mean_ns(self) -> float:
        """0 without any."""
        return self.total_ns / self.count if self.count else 0.0

    @property
    def error2_ns2(self) -> float:
        """The square of the mean's standard error."""
        return max(0.0, self.squares_ns2 / self.count - self.mean_ns**2) / self.count if self.count else 0.0


def impact() -> Impact:
    """Return what misses and waits have cost since otel_fe was switched on."""
    engine: Any = getattr(runtime.current, "engine", None)
    if engine is None:
        return _NOTHING
    engine.settle()
    return impact_of(engine.metrics.all_series())


def impact_of(series: Iterable[ExtractionSeries]) -> Impact:
    """Return the same of these series. Extractions that failed do not count: they may have ended early."""
    kinds: dict[tuple[str, bool | None], _Sums] = defaultdict(_Sums)
    every, hits = _Durations(), _Durations()
    wait_ns = 0
    for one in series:
        known = one.dimensions
        if known is None or known.error_type:
            continue
        with one.lock:
            durations = one.duration.state()
            wait_ns += one.pool_wait.state().total
        kinds[known.feature_set, known.cache_hit].add(durations)
        every.add(durations)
        if known.cache_hit is not False:
            hits.add(durations)
    total = sum(sums.count for sums in kinds.values())
    missed = sum(sums.count for (_, hit), sums in kinds.items() if hit is False)
    cost_ns, error_ns, counted = _miss_cost(kinds)
    misses_ms = cost_ns * counted / NS_PER_MS
    return Impact(
        extractions=total,
        missed=missed,
        miss_ms=cost_ns / NS_PER_MS,
        miss_error_ms=error_ns / NS_PER_MS,
        misses_total_ms=misses_ms,
        misses_per_extraction_ms=misses_ms / total if total else 0.0,
        wait_total_ms=wait_ns / NS_PER_MS,
        wait_per_extraction_ms=wait_ns / NS_PER_MS / total if total else 0.0,
        p95_ms=every.p95_ms(),
        p95_all_hits_ms=hits.p95_ms(),
    )


def _miss_cost(kinds: dict[tuple[str, bool | None], _Sums]) -> tuple[float, float, int]:
    """Return the mean cost of a miss in ns, half its interval, and how many misses it is of.

    Feature set by feature set, weighted by misses: a slow one that always misses is not what a miss costs a fast one.
    """
    cost = error2 = 0.0
    counted = 0
    for (feature_set, hit), with_miss in kinds.items():
        without = kinds.get((feature_set, True))
        if hit is not False or without is None or not without.count or not with_miss.count:
            continue
        cost += with_miss.count * (with_miss.mean_ns - without.mean_ns)
        error2 += with_miss.count**2 * (with_miss.error2_ns2 + without.error2_ns2)
        counted += with_miss.count
    if not counted:
        return 0.0, 0.0, 0
    return cost / counted, _NORMAL * math.sqrt(error2) / counted, counted


def _middle_ns(index: int, state: HistogramState) -> float:
    lower = DURATION_EDGES_NS[index - 1] if index else 0
    upper = DURATION_EDGES_NS[index] if index < len(DURATION_EDGES_NS) else (state.most or lower)
    least, most = state.least or 0, state.most if state.most is not None else upper
    return (max(lower, min(least, upper)) + min(upper, max(most, lower))) / 2


class _Durations:
    """Buckets of several series together, with the extremes of all."""

    def __init__(self) -> None:
        self._buckets = [0] * (len(DURATION_EDGES_NS) + 1)
        self._least: float = math.inf
        self._most: float = -math.inf

    def add(self, state: HistogramState) -> None:
        """Count what a series has counted."""
        self._buckets = [a + b for a, b in zip(self._buckets, state.buckets, strict=True)]
        self._least = min(self._least, math.inf if state.least is None else state.least)
        self._most = max(self._most, -math.inf if state.most is None else state.most)

    def p95_ms(self) -> float:
        """Return the percentile; 0 without any."""
        found = duration_quantile_s(_SHARE, self._buckets, self._least, self._most)
        return 0.0 if found is None else found.value * 1e3
