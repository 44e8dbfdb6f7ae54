"""The aggregates of the extractions that share the same dimensions."""

from __future__ import annotations

from _thread import RLock
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.model.histogram import Histogram
from otel_fe.model.quantile import quantile
from otel_fe.requirements import LATENCY_LIMIT_NS, MEMORY_LIMIT_BYTES
from otel_fe.units import MIB, NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.measurements import Measurements
    from otel_fe.model.quantile import Estimate


DURATION_EDGES_NS: Final = tuple(
    int(ms * NS_PER_MS)
    for ms in (
        *(0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 25, 30, 35, 40, 45, 50),
        *(55, 60, 65, 70, 75, 80, 85, 90, 95, 100, 105, 110, 120, 130, 140, 150, 175, 200, 225, 250),
        *(300, 350, 400, 450, 500, 600, 700, 800, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 15_000),
        *(20_000, 30_000, 60_000, 120_000, 300_000),
    )
)
"""Densest round the objective, and 100 ms is an edge."""

_DURATION_EDGES_S: Final = tuple(edge / 1e9 for edge in DURATION_EDGES_NS)

TIME_EDGES_NS: Final = tuple(
    int(ms * NS_PER_MS) for ms in (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 1_000, 2_500, 5_000)
)
"""For CPU time and waits for pools."""

MEMORY_EDGES: Final = (
    *(0, 64 * 1024, 256 * 1024, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 128 * MIB, 256 * MIB, 512 * MIB),
    *(MEMORY_LIMIT_BYTES, 2 * MEMORY_LIMIT_BYTES, 4 * MEMORY_LIMIT_BYTES),
)
"""Bytes; 1 GB, the objective, is an edge."""

SLO_NAMES: Final = ("latency", "cache_hit_rate", "error_rate", "memory")
"""In the order of `slo.REQUIREMENTS`; a test holds both equal."""


def duration_quantile_s(share: float, counts: Sequence[int], least_ns: float, most_ns: float) -> Estimate | None:
    """Return the percentile of durations, in seconds as the metric is: to the last bit what is read off its points.

    Args:
        share: 0..1.
        counts: Between `DURATION_EDGES_NS`.
        least_ns: The shortest duration.
        most_ns: The longest.

    Returns:
        None without any.
    """
    return quantile(share, _DURATION_EDGES_S, counts, least_ns / 1e9, most_ns / 1e9)


class Dimensions(NamedTuple):
    """The identity of a series."""

    feature_set: str
    cache_hit: bool | None
    error_type: str
    library: str


class ExtractionSeries:
    """Counts and histograms of the extractions with one combination of dimensions.

    `lock` guards all of it; it is held for a microsecond and never while anything else is locked.
    """

    __slots__ = (
        "cache_hits",
        "cache_misses",
        "causes",
        "cpu_time",
        "dimensions",
        "duration",
        "lock",
        "memory_growth",
        "pool_wait",
        "slo_bad",
        "slo_good",
    )

    def __init__(self, dimensions: Dimensions | None) -> None:
        self.dimensions = dimensions
        """None for the series that the rest is folded into."""
        self.lock = RLock()
        self.duration = Histogram(DURATION_EDGES_NS)
        self.memory_growth = Histogram(MEMORY_EDGES)
        self.cpu_time = Histogram(TIME_EDGES_NS)
        self.pool_wait = Histogram(TIME_EDGES_NS)
        self.cache_hits = 0
        self.cache_misses = 0
        self.causes: dict[str, int] = {}
        """The time of slow extractions in ns by cause; causes without any are left out."""
        self.slo_good = [0] * len(SLO_NAMES)
        self.slo_bad = [0] * len(SLO_NAMES)

    def record(self, figures: Measurements) -> None:
        """Count one ended extraction everywhere.

        The four requirements are written out here, flat; `slo.REQUIREMENTS` is the definition, and a property
        test holds the two equal.
        """
        duration_ns = figures.duration_ns
        growth = figures.memory_growth_bytes
        lookups = figures.cache_lookups
        good, bad, split = self.slo_good, self.slo_bad, figures.split
        with self.lock:
            self.duration.record(duration_ns)
            # A process that shrank did not grow: a negative value would make the histogram's sum meaningless.
            if growth > 0:
                self.memory_growth.record(growth)
            else:
                self.memory_growth.record_zero()
            if figures.cpu_ns >= 0:
                self.cpu_time.record(figures.cpu_ns)
            if figures.pool_waits:
                self.pool_wait.record(figures.pool_wait_ns)
            if lookups:
                hits = figures.cache_hits
                self.cache_hits += hits
                self.cache_misses += lookups - hits
                (good if hits == lookups else bad)[1] += 1
            (good if duration_ns < LATENCY_LIMIT_NS else bad)[0] += 1
            (bad if figures.error_type else good)[2] += 1
            (good if growth < MEMORY_LIMIT_BYTES else bad)[3] += 1
            if split is not None:
                causes = self.causes
                for cause, time_ns in split.items():
                    if time_ns:
                        causes[cause] = causes.get(cause, 0) + time_ns
