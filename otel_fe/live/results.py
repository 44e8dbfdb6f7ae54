"""The results of the live view: values that also read as dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_fe.model.mapping_dataclass import MappingDataclass
from otel_fe.requirements import LATENCY_LIMIT_NS

if TYPE_CHECKING:
    from otel_fe.live.view import LiveWindow


@dataclass(frozen=True, eq=False)
class WindowMetrics(MappingDataclass):
    """Extractions of the last so many seconds. Counts are exact; percentiles are those of the metric."""

    window_s: float
    """Its actual length: shorter where less is known."""
    total_extractions: int
    throughput_per_s: float
    error_rate: float
    """0..1."""
    cache_hit_rate: float
    """0..1, of the extractions that looked up: those whose every look-up hit; 0 without any."""
    slow_extractions: int
    """Extractions of 100 ms or more."""
    avg_latency_ms: float
    p50_latency_ms: float
    p95_latency_ms: float
    p99_latency_ms: float
    max_latency_ms: float
    avg_cpu_percent: float
    """CPU time over duration, where it is known; 100 is one core."""
    max_memory_mb: float
    """Largest growth by one operation."""
    avg_pool_wait_ms: float
    """Over all extractions."""


@dataclass(frozen=True, eq=False)
class SystemResources(MappingDataclass):
    """The resources available to this process and their use; None where it is unknown.

    In a container with a CPU quota or a memory limit, the figures are the container's: the kernel throttles and kills by those,
    however idle the machine is. Without one they are the machine's. `cpu_limit_cores` and `memory_limit_mb` say which.
    """

    cpu_percent: float | None = None
    """CPU time used since the sample before, 0..100: of the container's quota, or of all cores of the machine."""
    memory_percent: float | None = None
    """Memory in use: the container's working set, of its limit; or of the machine's memory."""
    memory_available_mb: float | None = None
    """Left of the same."""
    cpu_limit_cores: float | None = None
    """The container's CPU quota; None without one, when `cpu_percent` is the machine's."""
    cpu_throttled_percent: float | None = None
    """Time since the sample before for which the quota stopped threads that were ready to run; 100 is one core."""
    memory_limit_mb: float | None = None
    """The container's memory limit; None without one, when `memory_percent` is the machine's."""
    oom_kills: int | None = None
    """Processes of the container that the kernel has killed at its memory limit."""
    process_cpu_percent: float | None = None
    """100 is one core."""
    process_memory_mb: float | None = None
    """Resident."""
    gpu_percent: float | None = None
    """Utilisation of the busiest GPU."""
    gpu_memory_mb: float | None = None
    """Held by this process."""
    time_unix_s: float = 0.0
    """When it was sampled; 0 for never."""


@dataclass(frozen=True, eq=False)
class RealTimeMetrics(WindowMetrics):
    """The last minute: all extractions, and those of each feature set."""

    time_unix_s: float = 0.0
    """When the minute ended."""
    feature_sets: dict[str, WindowMetrics] = field(default_factory=dict)
    """Keyed by feature set, `service/feature set` where they are of another service."""
    resources: SystemResources = field(default_factory=SystemResources)
    """Of the container or machine, at the last sample."""


@dataclass(frozen=True, eq=False)
class TrendPoint(MappingDataclass):
    """One slice of time; slices in which nothing happened are left out."""

    time_unix_s: float
    """Its beginning."""
    duration_s: float
    """Its length."""
    total_extractions: int
    throughput_per_s: float
    avg_latency_ms: float
    p95_latency_ms: float
    """That of the metric, as in `WindowMetrics`."""
    error_rate: float
    """0..1."""
    cache_hit_rate: float
    """0..1, as in `WindowMetrics`."""


@dataclass(frozen=True, eq=False)
class Trend(MappingDataclass):
    """The trend of one figure."""

    direction: str
    """`improving`, `worsening`, `steady`, or `unknown` where there is too little to tell. Of throughput, more is better."""
    change_ratio: float
    """Over the whole time, of the median (of the mean where that is 0): 0.1 is a tenth more."""
    confidence: float
    """0..1, that it moves at all (Mann-Kendall)."""
    change: float = 0.0
    """The same in the figure's own unit: of a rate, 0.05 is five percentage points more."""


@dataclass(frozen=True, eq=False)
class PerformanceTrends(MappingDataclass):
    """The trends of all figures."""

    hours: float
    """How far back they go."""
    points: tuple[TrendPoint, ...]
    """Oldest first."""
    trends: dict[str, Trend]
    """Keyed by the name of the figure in the points."""


def metrics_of(window: LiveWindow) -> dict[str, float | int]:
    """Return the fields of `WindowMetrics`."""
    tally = window.tally
    count = tally.count
    p50, p95, p99 = tally.quantiles_ms(0.5, 0.95, 0.99)
    return {
        "window_s": window.seconds,
        "total_extractions": count,
        "throughput_per_s": window.rate,
        "error_rate": ratio(tally.errors, count),
        "cache_hit_rate": ratio(tally.all_hit, tally.looked_up),
        "slow_extractions": slow_of(window),
        "avg_latency_ms": ratio(tally.duration.total, count) / 1e6,
        "p50_latency_ms": p50,
        "p95_latency_ms": p95,
        "p99_latency_ms": p99,
        "max_latency_ms": tally.duration.most / 1e6 if count else 0.0,
        "avg_cpu_percent": 100 * ratio(tally.cpu_ns, tally.cpu_of_ns),
        "max_memory_mb": tally.memory_most / 1e6,
        "avg_pool_wait_ms": ratio(tally.pool_wait_ns, count) / 1e6,
    }


def slow_of(window: LiveWindow) -> int:
    """Return how many took 100 ms or more: exact, whatever other limits the tally has."""
    tally = window.tally
    return tally.reached[tally.limits_ns.index(LATENCY_LIMIT_NS)]


def ratio(part: float, whole: float) -> float:
    """Return a share; 0 of nothing."""
    return part / whole if whole else 0.0
