"""EnhancedMetricsCollector: present figures of extractions, their trends, and the load of the machine.

In an instrumented process it shows the live service automatically. Metrics passed to it are counted in addition: pass
extractions that this process does not count itself, or make it with `include_process=False`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_fe.clock import SystemClock
from otel_fe.instrument import resources, runtime
from otel_fe.live.application_metrics import SUMS, entries, figures_of, is_many, sums_of
from otel_fe.live.results import (
    PerformanceTrends,
    RealTimeMetrics,
    SystemResources,
    Trend,
    TrendPoint,
    WindowMetrics,
    metrics_of,
    slow_of,
)
from otel_fe.live.source import CountingEngine, LiveSource
from otel_fe.live.summed import tally_of
from otel_fe.live.timeline import LONGEST_NS
from otel_fe.live.trends import trends_of
from otel_fe.live.view import ExtractionGroup
from otel_fe.model.measurements import Measurements
from otel_fe.monitoring import RequirementStatus
from otel_fe.pipeline.requirement_slos import REQUIREMENTS
from otel_fe.units import HOUR_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.clock import Clock
    from otel_fe.live.application_metrics import MonitorSums
    from otel_fe.live.view import LiveWindow

__all__ = [
    "EnhancedMetricsCollector",
    "PerformanceSummary",
    "PerformanceTrends",
    "RealTimeMetrics",
    "SystemResources",
    "Trend",
    "TrendPoint",
    "WindowMetrics",
]

_REAL_TIME_S: Final = 60.0
_SUMMARY_S: Final = 3600.0


@dataclass(frozen=True, eq=False)
class PerformanceSummary(WindowMetrics):
    """The last hour: all extractions, those of each feature set, and the four requirements."""

    time_unix_s: float = 0.0
    """When the hour ended."""
    extractions_since_start: int = 0
    """Since the collector was made."""
    requirements_met: bool = False
    """Whether every measured requirement is met; False without data."""
    requirements: dict[str, RequirementStatus] = field(default_factory=dict)
    """Keyed by name, on exact counts of the hour."""
    feature_sets: dict[str, WindowMetrics] = field(default_factory=dict)
    """Keyed by feature set, `service/feature set` where they are of another service."""
    resources: SystemResources = field(default_factory=SystemResources)
    """Of the container or machine, at the last sample."""


class EnhancedMetricsCollector:
    """Counts extractions in sliding windows, bounded in memory. Safe to share between threads.

    Args:
        include_process: Whether to count the extractions of this process, where it is instrumented; from when the collector is
            made, or first read after that.
        limits_ms: Durations for which alerts are to be exact; 100 ms always is.
        clock: For the windows.
    """

    def __init__(
        self, *, include_process: bool = True, limits_ms: Sequence[float] = (), clock: Clock | None = None
    ) -> None:
        limits_ns = [round(limit * 1e6) for limit in limits_ms]
        engine = _running_engine if include_process else lambda: None
        self.source = LiveSource(SystemClock() if clock is None else clock, engine, resources.gpu, limits_ns)
        """For the alerting system."""
        self._lock = threading.Lock()
        self._sums: dict[ExtractionGroup, MonitorSums] = {}

    def add_feature_extraction_metrics(self, metrics: object, service: str = "") -> None:
        """Count an extraction, or several.

        Args:
            metrics: A mapping or any object with `duration_ms` and, as far as known, `used_cache`, `had_error`, `cpu_percent`,
                `memory_mb`, `feature_set`; or `Measurements`; or the statistics of a FeatureExtractionPerformanceMonitor, of which
                only what is new since the last ones counts; or an iterable of such.
            service: Where it ran; empty for this process.

        Raises:
            TypeError: The metrics have none of the known names.
            ValueError: A figure cannot be: the message names it and its value. Nothing of this extraction is then counted.
        """
        if isinstance(metrics, Measurements):
            self.source.view.record_of(metrics, service)
            return
        if is_many(metrics):
            for one in metrics:  # type: ignore[attr-defined]
                self.add_feature_extraction_metrics(one, service)
            return
        found = entries(metrics)
        if SUMS in found:
            self._add_sums(sums_of(found), ExtractionGroup(service, str(found.get("feature_set") or "")))
        else:
            self.source.view.record_of(figures_of(found), service)

    def get_real_time_metrics(self) -> RealTimeMetrics:
        """Return the last minute."""
        overall, sets = self._windows(_REAL_TIME_S)
        return RealTimeMetrics(
            **metrics_of(overall),  # type: ignore[arg-type]
            time_unix_s=self.source.clock.time_ns() / 1e9,
            feature_sets=sets,
            resources=self.source.resources(),
        )

    def get_performance_summary(self) -> PerformanceSummary:
        """Return the last hour, and whether the four requirements were met in it."""
        overall, sets = self._windows(_SUMMARY_S)
        requirements = requirements_of(overall)
        shown = [one for one in requirements.values() if one.total]
        return PerformanceSummary(
            **metrics_of(overall),  # type: ignore[arg-type]
            time_unix_s=self.source.clock.time_ns() / 1e9,
            extractions_since_start=self.source.view.total,
            requirements_met=bool(shown) and all(one.met for one in shown),
            requirements=requirements,
            feature_sets=sets,
            resources=self.source.resources(),
        )

    def get_performance_trends(self, hours: float = 1.0, feature_set: str | None = None) -> PerformanceTrends:
        """Return how the figures have moved: ten-second slices for minutes, minutes for an hour, else quarters of an hour.

        Args:
            hours: How far back, at most 24.
            feature_set: Which; None for all together.

        Raises:
            ValueError: `hours` is not above 0, or more than 24.
        """
        if not 0 < hours * HOUR_NS <= LONGEST_NS:
            raise ValueError(f"hours is {hours!r}; use a number above 0, at most {LONGEST_NS // HOUR_NS}")
        self.source.refresh()
        view, clock = self.source.view, self.source.clock
        groups = [group for group in view.groups() if feature_set is None or group.feature_set == feature_set]
        slices = [one for group in groups for one in view.slices(group, hours * 3600)]
        return trends_of(slices, hours, clock.time_ns() - clock.monotonic_ns(), view.started_ns)

    def get_system_resources(self) -> SystemResources:
        """Return the machine's resources and this process's, at most a second old. Never waits."""
        return self.source.resources()

    def close(self) -> None:
        """Follow the process no more; what was counted stays."""
        self.source.close()

    def _windows(self, length_s: float) -> tuple[LiveWindow, dict[str, WindowMetrics]]:
        self.source.refresh()
        windows = self.source.view.windows(length_s)
        overall = self.source.view.overall(list(windows.values()), length_s)
        sets = {_name(group): WindowMetrics(**metrics_of(window)) for group, window in windows.items()}  # type: ignore[arg-type]
        return overall, sets

    def _add_sums(self, sums: MonitorSums, group: ExtractionGroup) -> None:
        with self._lock:
            before = self._sums.get(group)
            self._sums[group] = sums
            self.source.view.add(tally_of(sums, before, self.source.view.limits_ns), group)


def requirements_of(window: LiveWindow) -> dict[str, RequirementStatus]:
    """Return the four requirements by name, on the exact counts of a window."""
    tally = window.tally
    counts = {
        "latency": (tally.count - slow_of(window), tally.count),
        "cache_hit_rate": (tally.all_hit, tally.looked_up),
        "error_rate": (tally.count - tally.errors, tally.count),
        "memory": (tally.count - tally.large, tally.count),
    }
    found = {}
    for slo in REQUIREMENTS:
        good, total = counts[slo.name]
        met = slo.met(good, total)
        status = "no data" if met is None else "met" if met else "broken"
        found[slo.name] = RequirementStatus(slo.meaning, good, total, bool(met), status)
    return found


def _running_engine() -> CountingEngine | None:
    """Return the engine of this process; None where it is not instrumented, or where the pipeline runs elsewhere."""
    return getattr(runtime.current, "engine", None)


def _name(group: ExtractionGroup) -> str:
    return f"{group.service}/{group.feature_set}" if group.service else group.feature_set
