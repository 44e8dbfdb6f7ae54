"""The engine's metrics at one moment."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_fe import process_metrics, semconv
from otel_fe.model.decision import NONE
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS, MEMORY_EDGES, SLO_NAMES, TIME_EDGES_NS
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from otel_fe.model.histogram import Exemplar, HistogramState
    from otel_fe.pipeline.engine import Engine
    from otel_fe.pipeline.extraction_series import ExtractionSeries

Labels = tuple[tuple[str, Any], ...]
"""The dimensions of a data point, as sorted pairs: hashable, so that deltas find their predecessor."""

HISTOGRAMS: Final[dict[str, tuple[tuple[int, ...], int]]] = {
    semconv.DURATION: (DURATION_EDGES_NS, NS_PER_S),
    semconv.CPU_TIME_METRIC: (TIME_EDGES_NS, NS_PER_S),
    semconv.POOL_WAIT_METRIC: (TIME_EDGES_NS, NS_PER_S),
    semconv.MEMORY_GROWTH_METRIC: (MEMORY_EDGES, 1),
}
"""Edges in the histogram's integer unit, and how many of it make one exported unit."""
COUNTED_IN: Final = {
    semconv.CAUSE_TIME: NS_PER_S,
    process_metrics.PROCESS_TIME: NS_PER_S,
    process_metrics.PROCESS_CPU_TIME: NS_PER_S,
}
"""Of counters that are not counted in the exported unit, how many of theirs make one."""
_OVERFLOW: Final[Labels] = ((semconv.OVERFLOW, True),)


@dataclass(slots=True)
class Collected:
    """Everything the engine has counted since `start_ns`, at `time_ns`."""

    start_ns: int
    """Unix time at which the counts began."""
    time_ns: int
    """Unix time of this collection."""
    histograms: dict[str, dict[Labels, HistogramState]] = field(default_factory=lambda: defaultdict(dict))
    exemplars: dict[Labels, list[Exemplar]] = field(default_factory=dict)
    """Exemplars of `feature_extraction.duration`."""
    counters: dict[str, dict[Labels, int]] = field(default_factory=lambda: defaultdict(dict))
    gauges: dict[str, int] = field(default_factory=dict)
    labelled_gauges: dict[str, dict[Labels, float]] = field(default_factory=dict)

    @classmethod
    def take(cls, engine: Engine, start_ns: int, time_ns: int, faults: Mapping[str, int]) -> Self:
        """Return the engine's metrics as they are now."""
        now = cls(start_ns, time_ns)
        for series in engine.metrics.all_series():
            now.add_series(series)
        for feature_set, count in list(engine.metrics.cancelled.items()):
            now.counters[semconv.CANCELLED_METRIC][labels_of({semconv.FEATURE_SET: feature_set})] = count
        now._add_pipeline(engine)
        for hook, count in faults.items():
            now.counters[semconv.FAULTS][((semconv.HOOK, hook),)] = count
        return now

    def add_series(self, series: ExtractionSeries, *, exemplars: bool = True) -> None:
        """Add what one series has counted.

        Args:
            series: Of any resource.
            exemplars: Take its exemplars too, and begin to draw new ones.
        """
        labels = series_labels(series)
        dimensions = series.dimensions
        sets = _OVERFLOW if dimensions is None else labels_of({semconv.FEATURE_SET: dimensions.feature_set})
        with series.lock:
            for name, histogram in (
                (semconv.DURATION, series.duration),
                (semconv.CPU_TIME_METRIC, series.cpu_time),
                (semconv.POOL_WAIT_METRIC, series.pool_wait),
                (semconv.MEMORY_GROWTH_METRIC, series.memory_growth),
            ):
                if histogram.count:
                    self.histograms[name][labels] = histogram.state()
            if exemplars:
                self.exemplars[labels] = [e for e in series.duration.exemplars if e is not None]
                series.duration.renew_exemplars()
            for name, good, bad in zip(SLO_NAMES, series.slo_good, series.slo_bad, strict=True):
                self._count(semconv.SLO_EVENTS, {semconv.SLO: name}, sets, {semconv.GOOD: {True: good, False: bad}})
            lookups = {"hit": series.cache_hits, "miss": series.cache_misses}
            self._count(semconv.CACHE_LOOKUPS_METRIC, {}, sets, {semconv.RESULT: lookups})
            self._count(semconv.CAUSE_TIME, {}, sets, {semconv.CAUSE: series.causes})

    def _count(self, name: str, labels: dict[str, object], more: Labels, by: dict[str, dict[Any, int]]) -> None:
        """Add counts that make up a whole, zeros too once there is any: Prometheus sees no increase in what is new at 1."""
        ((label, counts),) = by.items()
        if not any(counts.values()):
            return
        points = self.counters[name]
        for value, count in counts.items():
            key = labels_of({**labels, label: value, **dict(more)})
            points[key] = points.get(key, 0) + count

    def _add_pipeline(self, engine: Engine) -> None:
        counters = engine.counters
        with counters.lock:
            plain = {
                semconv.SPANS_RECEIVED: counters.received,
                semconv.SPANS_NOT_SAMPLED: counters.not_sampled,
                semconv.SPANS_LATE: counters.late,
            }
            by_reason = {
                semconv.SPANS_SAMPLED: dict(counters.sampled),
                semconv.SPANS_DROPPED: dict(counters.dropped),
                semconv.TRACES: {NONE: counters.traces_not_sampled, **counters.traces},
                semconv.TRACES_EVICTED: dict(counters.evicted),
            }
            self.gauges[semconv.SPANS_QUEUED] = counters.queued
        for name, value in plain.items():
            self.counters[name][()] = value
        for name, reasons in by_reason.items():
            for reason, value in reasons.items():
                self.counters[name][((semconv.REASON, reason),)] = value
        traces, spans = engine.assembler.pending()
        self.gauges[semconv.TRACES_OPEN] = traces
        self.gauges[semconv.SPANS_PENDING] = spans
        # What is pending has been received; only a decision counts it, so that counting costs nothing per span.
        self.counters[semconv.SPANS_RECEIVED][()] += spans


def labels_of(attributes: Mapping[str, object]) -> Labels:
    """Return dimensions as sorted pairs; those that are None or empty are left out."""
    return tuple(sorted((k, v) for k, v in attributes.items() if v is not None and v != ""))


def series_labels(series: ExtractionSeries) -> Labels:
    """Return the dimensions of a series; those of the overflow's are its mark alone."""
    dimensions = series.dimensions
    if dimensions is None:
        return _OVERFLOW
    return labels_of(
        {
            semconv.FEATURE_SET: dimensions.feature_set,
            semconv.CACHE_HIT: dimensions.cache_hit,
            semconv.ERROR_TYPE: dimensions.error_type,
            semconv.LIBRARY: dimensions.library,
        }
    )
