"""The counters of pools at one moment, and their form as data points of the SDK."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)

from otel_fe import semconv
from otel_fe.pipeline.extraction_series import TIME_EDGES_NS
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_fe.instrument.libraries.pool_use import PoolCounters
    from otel_fe.model.histogram import HistogramState

_BOUNDS: Final = [edge / NS_PER_S for edge in TIME_EDGES_NS]
_HISTOGRAMS: Final = (semconv.CONNECTION_WAIT_TIME, semconv.CONNECTION_USE_TIME, semconv.CONNECTION_CREATE_TIME)


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """All pools at one moment."""

    time_ns: int
    """Unix time."""
    histograms: dict[str, dict[str, HistogramState]] = field(default_factory=dict)
    """Keyed by metric and pool."""
    timeouts: dict[str, int] = field(default_factory=dict)
    """Keyed by pool."""

    @classmethod
    def take(
        cls, uses: Mapping[str, PoolCounters], time_ns: int, left_out: Iterable[tuple[str, str]] = ()
    ) -> PoolSnapshot:
        """Return what has been counted so far.

        Args:
            uses: By the pools' names.
            time_ns: Unix time.
            left_out: Metrics of a library's pools that are emitted elsewhere: pairs of metric and library.
        """
        skipped = set(left_out)
        found = cls(time_ns, {name: {} for name in _HISTOGRAMS})
        for pool, use in uses.items():
            for name, state in zip(_HISTOGRAMS, use.histograms(), strict=True):
                if state.count and (name, use.library) not in skipped:
                    found.histograms[name][pool] = state
            if (semconv.CONNECTION_TIMEOUTS, use.library) not in skipped:
                found.timeouts[pool] = use.timeouts
        return found


def metrics_of(
    now: PoolSnapshot, previous: PoolSnapshot | None, started_ns: int, *, delta_histograms: bool, delta_counters: bool
) -> list[Metric]:
    """Return the SDK's form of what has been counted.

    Args:
        now: What has been counted.
        previous: What the same reader was given last, if anything.
        started_ns: Unix time at which counting began.
        delta_histograms: Whether that reader wants the difference for histograms.
        delta_counters: The same for counters.
    """
    since = started_ns if previous is None else previous.time_ns
    found = []
    for name, by_pool in now.histograms.items():
        before = previous.histograms[name] if previous is not None and delta_histograms else {}
        start = since if delta_histograms else started_ns
        states = {pool: state - before[pool] if pool in before else state for pool, state in by_pool.items()}
        points = [_point(pool, state, start, now.time_ns) for pool, state in states.items() if state.count]
        if points:
            found.append(_metric(name, Histogram(points, _temporality(delta=delta_histograms))))
    if now.timeouts:
        before_timeouts = previous.timeouts if previous is not None and delta_counters else {}
        start = since if delta_counters else started_ns
        numbers = [
            NumberDataPoint({semconv.POOL: pool}, start, now.time_ns, count - before_timeouts.get(pool, 0))
            for pool, count in now.timeouts.items()
        ]
        data = Sum(numbers, _temporality(delta=delta_counters), is_monotonic=True)
        found.append(_metric(semconv.CONNECTION_TIMEOUTS, data))
    return found


def _point(pool: str, state: HistogramState, start_ns: int, time_ns: int) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes={semconv.POOL: pool},
        start_time_unix_nano=start_ns,
        time_unix_nano=time_ns,
        count=state.count,
        sum=state.total / NS_PER_S,
        bucket_counts=list(state.buckets),
        explicit_bounds=_BOUNDS,
        # A difference of two states has neither; both are optional in OTLP.
        min=None if state.least is None else state.least / NS_PER_S,  # type: ignore[arg-type]
        max=None if state.most is None else state.most / NS_PER_S,  # type: ignore[arg-type]
    )


def _temporality(*, delta: bool) -> AggregationTemporality:
    return AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE


def _metric(name: str, data: Any) -> Metric:
    meta = semconv.METRIC_BY_NAME[name]
    return Metric(name, meta.meaning, meta.unit, data)
