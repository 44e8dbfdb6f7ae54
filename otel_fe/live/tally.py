"""What some extractions add up to: exact counts, and their durations in buckets of a bounded relative width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.model.exponential import ExponentialHistogram
from otel_fe.pipeline.slo import MEMORY_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.figures import Figures

_MAX_ERROR_TYPES: Final = 16
_BITS: Final = 7
_OTHER: Final = "_OTHER"
"""OpenTelemetry's `error.type` where no class is told."""


class Tally:
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
        "recent",
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
        """Of those, with nothing but hits."""
        self.reached = [0] * len(limits_ns)
        """Extractions that lasted at least as long as each limit."""
        self.large = 0
        """Extractions that grew the process by 1 GB or more."""
        self.duration = ExponentialHistogram()
        """In ns, of those that are not in `recent`."""
        self.recent: dict[int, int] = {}
        """Counts of durations by their leading seven bits, which takes no logarithm; see `settled`."""
        self.cpu_ns = 0
        self.cpu_of_ns = 0
        """Duration of the extractions whose CPU time is known."""
        self.memory_most = 0
        """Largest growth, in bytes."""
        self.waited = 0
        """Extractions that asked a pool for a connection."""
        self.pool_waits = 0
        self.pool_wait_ns = 0

    def record(self, figures: Figures) -> None:
        """Count one ended extraction. Flat: this is paid for by the extraction."""
        duration_ns = figures.duration_ns
        self.count += 1
        duration = self.duration
        duration.total += duration_ns
        if duration_ns > duration.most:
            duration.most = duration_ns
        if duration_ns < duration.least:
            duration.least = duration_ns
        low_bits = duration_ns.bit_length() - _BITS
        key = duration_ns >> low_bits << low_bits if low_bits > 0 else duration_ns
        recent = self.recent
        recent[key] = recent.get(key, 0) + 1
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

    def settle(self) -> None:
        """Bring the durations into their histogram: the middle of what their leading bits leave open, 0.4 % off at most."""
        recent, self.recent = self.recent, {}
        duration = self.duration
        total, least, most = duration.total, duration.least, duration.most
        for key, times in recent.items():
            low_bits = max(0, key.bit_length() - _BITS)
            duration.record(key + (1 << low_bits >> 1), times)
        duration.total, duration.least, duration.most = total, least, most

    def count_errors(self, error_type: str, times: int) -> None:
        """Count errors of one type; beyond some types, all others together."""
        self.errors += times
        types = self.error_types
        if error_type not in types and len(types) >= _MAX_ERROR_TYPES:
            error_type = _OTHER
        types[error_type] = types.get(error_type, 0) + times

    def merge(self, other: Tally) -> None:
        """Count everything that another has counted, with the same limits."""
        self.count += other.count
        for error_type, times in other.error_types.items():
            self.count_errors(error_type, times)
        self.looked_up += other.looked_up
        self.all_hit += other.all_hit
        self.reached = [a + b for a, b in zip(self.reached, other.reached, strict=True)]
        self.large += other.large
        self.duration.merge(other.duration)
        for key, times in other.recent.items():
            self.recent[key] = self.recent.get(key, 0) + times
        self.cpu_ns += other.cpu_ns
        self.cpu_of_ns += other.cpu_of_ns
        self.memory_most = max(self.memory_most, other.memory_most)
        self.waited += other.waited
        self.pool_waits += other.pool_waits
        self.pool_wait_ns += other.pool_wait_ns

    def copy(self) -> Tally:
        """Return one that holds the same and goes its own way."""
        found = Tally(self.limits_ns)
        found.merge(self)
        return found

    def quantiles_ms(self, *shares: float) -> list[float]:
        """Return estimates of the durations that these shares (0..1) do not exceed, right to a few per cent; 0 while empty."""
        self.settle()
        state = self.duration.state()
        return [(state.quantile(share) or 0.0) / 1e6 for share in shares]
