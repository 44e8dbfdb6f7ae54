"""Sums over extractions: exact counts, and their durations by the buckets of the metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.model.histogram import BucketCounts
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS, duration_quantile_s
from otel_fe.requirements import MEMORY_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.measurements import Measurements
    from otel_fe.model.quantile import Estimate

_MAX_ERROR_TYPES: Final = 16
_OTHER: Final = "_OTHER"
"""OpenTelemetry's `error.type` where the class is unknown."""


class ExtractionTotals:
    """Sums over extractions; two of them merge into what one would have counted. Not thread-safe: the owner holds the lock.

    Args:
        limits_ns: Durations for which it is exact how many extractions reached them, ascending; one at least.
    """

    __slots__ = (
        "all_hit",
        "count",
        "cpu_ns",
        "cpu_of_ns",
        "duration",
        "error_types",
        "errors",
        "large",
        "limits_ns",
        "looked_up",
        "memory_most",
        "pool_wait_ns",
        "pool_waits",
        "reached",
        "waited",
    )

    def __init__(self, limits_ns: Sequence[int]) -> None:
        self.limits_ns = limits_ns
        self.count = 0
        self.errors = 0
        self.error_types: dict[str, int] = {}
        self.looked_up = 0
        """Extractions with a look-up in a cache."""
        self.all_hit = 0
        """Of those, the ones whose look-ups all hit."""
        self.reached = [0] * len(limits_ns)
        """Extractions that lasted at least as long as each limit."""
        self.large = 0
        """Extractions that grew the process by 1 GB or more."""
        self.duration = BucketCounts(DURATION_EDGES_NS)
        """In ns: counted as the metric of the same extractions is, so that its percentiles are the metric's."""
        self.cpu_ns = 0
        self.cpu_of_ns = 0
        """Duration of the extractions whose CPU time is known."""
        self.memory_most = 0
        """Largest growth, in bytes."""
        self.waited = 0
        """Extractions that requested a connection from a pool."""
        self.pool_waits = 0
        self.pool_wait_ns = 0

    def record(self, figures: Measurements) -> None:
        """Count one ended extraction. Flat: this is paid for by the extraction."""
        duration_ns = figures.duration_ns
        self.count += 1
        self.duration.record(duration_ns)
        if duration_ns >= self.limits_ns[0]:
            for index, limit in enumerate(self.limits_ns):
                self.reached[index] += duration_ns >= limit
        if figures.error_type:
            self.count_errors(figures.error_type, 1)
        lookups = figures.cache_lookups
        if lookups:
            self.looked_up += 1
            if figures.cache_hits == lookups:
                self.all_hit += 1
        cpu_ns = figures.cpu_ns
        if cpu_ns >= 0:
            self.cpu_ns += cpu_ns
            self.cpu_of_ns += duration_ns
        growth = figures.memory_growth_bytes
        if growth > 0:
            self.memory_most = max(self.memory_most, growth)
            self.large += growth >= MEMORY_LIMIT_BYTES
        if figures.pool_waits:
            self.waited += 1
            self.pool_waits += figures.pool_waits
            self.pool_wait_ns += figures.pool_wait_ns

    def count_errors(self, error_type: str, times: int) -> None:
        """Count errors of one type; beyond some types, all others together."""
        self.errors += times
        types = self.error_types
        if error_type not in types and len(types) >= _MAX_ERROR_TYPES:
            error_type = _OTHER
        types[error_type] = types.get(error_type, 0) + times

    def merge(self, other: ExtractionTotals) -> None:
        """Count everything that another has counted, with the same limits."""
        self.count += other.count
        for error_type, times in other.error_types.items():
            self.count_errors(error_type, times)
        self.looked_up += other.looked_up
        self.all_hit += other.all_hit
        self.reached = [a + b for a, b in zip(self.reached, other.reached, strict=True)]
        self.large += other.large
        self.duration.merge(other.duration)
        self.cpu_ns += other.cpu_ns
        self.cpu_of_ns += other.cpu_of_ns
        self.memory_most = max(self.memory_most, other.memory_most)
        self.waited += other.waited
        self.pool_waits += other.pool_waits
        self.pool_wait_ns += other.pool_wait_ns

    def copy(self) -> ExtractionTotals:
        """Return one that holds the same and goes its own way."""
        found = ExtractionTotals(self.limits_ns)
        found.merge(self)
        return found

    def quantiles_ms(self, *shares: float) -> list[float]:
        """Return estimates of the durations that these shares (0..1) do not exceed; 0 while empty."""
        found = (self.quantile_s(share) for share in shares)
        return [0.0 if one is None else one.value * 1e3 for one in found]

    def quantile_s(self, share: float) -> Estimate | None:
        """Return the same of one share, in seconds, with the bounds it lies between; None while empty."""
        duration = self.duration
        return duration_quantile_s(share, duration.buckets, duration.least, duration.most)
