"""The measurements of an extraction, collected while it runs and summed on reading."""

from __future__ import annotations

from _thread import RLock
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.forks import after_fork
from otel_fe.instrument import resources
from otel_fe.instrument.watch import registry
from otel_fe.instrument.watch.finding import find
from otel_fe.model.measurements import CAUSE_CACHE_HIT, CAUSE_CACHE_MISS, CAUSE_POOL, Measurements
from otel_fe.pipeline.attribution import bottleneck, whole_lookups

if TYPE_CHECKING:
    from otel_fe.instrument.spec import Spec
    from otel_fe.instrument.watch.finding import Finding
    from otel_fe.instrument.watch.watched import Watched
    from otel_fe.pipeline.attribution import Interval

_MAX_APART: Final = 64
"""Look-ups, and waits, that are collected before they are summed."""
_MAX_INTERVALS: Final = 4_096
"""Look-ups and waits of one extraction that attribution can place in time; later ones still count in the sums."""

Describe = Callable[[Any], "tuple[str, int | None]"]
"""From a pool to its name and the most connections it can open, None without a bound."""

_settling = RLock()
"""Held while sums are brought up to date, for a microsecond."""


def _after_fork() -> None:
    """Renew the lock in a child: another thread of the parent may have held it."""
    global _settling  # noqa: PLW0603 the child has one thread here
    _settling = RLock()


after_fork(_after_fork)


class LiveMeasurements(Measurements):
    """The measurements of an extraction, and the attributes of its span.

    Hooks append from any thread, without a lock; `settle` adds up.
    """

    spec: Spec
    """Its declaration."""
    start_ns: int = 0
    """Unix time."""
    start_mono_ns: int = 0
    lookups: list[tuple[int, int, int, int]]
    """Hits, misses, start and end (monotonic ns) of look-ups not yet in the sums. Appending needs no lock."""
    waits: list[tuple[Any, Describe, int, int, int | None]]
    """Pool, what describes it, start, end and connections in use of waits not yet in the sums."""
    intervals: list[tuple[str, int, int]] | None = None
    """Cause, start and end of those that are in the sums; None until they are needed."""
    batch_size: int | None = None
    """Where it is known of this one only; else the spec's."""
    features: int | None = None
    rss_bytes: int = 0
    memory_peak_bytes: int = 0
    """The most resident memory that a look has seen; 0 where there was none."""
    ended: bool = False
    _longest: tuple[Any, Describe, int, int, int | None] | None = None
    """The longest wait."""
    slo_breached: tuple[str, ...] = ()
    """SLOs for which this single extraction is a bad event."""
    workers: dict[int, int] | None = None
    """Threads that work for it now, as Python has them, and their CPU clocks when they began."""
    handed_cpu_ns: int = 0
    """CPU time of work that it handed to other threads, and that ended before it did."""
    thread_id: int = 0
    """Of the thread that it runs on, or ran on last, as Python has it."""
    watched: Watched | None = None
    """The samples taken since it became slow."""
    found: Finding | None = None
    """Their result, until it is on the span."""
    hotspot: tuple[str, int] | None = None
    """The line in which most of its main cause's time went, and how much, in ns."""

    def looked_up(self, hits: int, misses: int, start_ns: int, end_ns: int) -> None:
        """Count look-ups in a cache and the time they took (monotonic ns, without any wait for a pool)."""
        if not self.ended:
            lookups = self.lookups
            lookups.append((hits, misses, start_ns, end_ns))
            if len(lookups) >= _MAX_APART:
                self.flush_with_intervals()

    def waited(self, pool: Any, describe: Describe, start_ns: int, end_ns: int, in_use: int | None) -> None:
        """Count one wait for a connection of `pool` (monotonic ns).

        Args:
            pool: Kept until the extraction's attributes are needed or it is dropped.
            describe: Returns the pool's name and its bound, if that wait turns out to be the longest.
            start_ns: When the connection was requested.
            end_ns: When it was obtained, or refused.
            in_use: Its connections in use then, where that is known.
        """
        if not self.ended:
            waits = self.waits
            waits.append((pool, describe, start_ns, end_ns, in_use))
            if len(waits) >= _MAX_APART:
                self.flush_with_intervals()

    @property
    def own_cpu_ns(self) -> int:
        """CPU time of its own thread once it has ended; negative where it is not known."""
        return max(0, self.cpu_ns - self.handed_cpu_ns) if self.cpu_ns >= 0 else self.cpu_ns

    def worked(self, cpu_ns: int) -> None:
        """Add CPU time of another thread that has worked for it; from any thread."""
        with _settling:
            if not self.ended:
                self.handed_cpu_ns += cpu_ns

    @property
    def pool_wait_so_far_ns(self) -> int:
        """Time waited for pools until now, for callers that subtract it from their own time."""
        return self.pool_wait_ns + sum(wait[3] - wait[2] for wait in self.waits)

    def settle(self) -> None:
        """Add pending look-ups and waits to the sums; called after its end, for many extractions together."""
        if self.lookups or self.waits:
            with _settling:
                self._add_up(None)

    def flush_with_intervals(self) -> None:
        """Do the same, and keep them as intervals: while it runs, to stay bounded, or to attribute its time."""
        with _settling:
            if self.intervals is None:
                self.intervals = []
            self._add_up(self.intervals)
            del self.intervals[_MAX_INTERVALS:]

    def _add_up(self, intervals: list[tuple[str, int, int]] | None) -> None:
        """Add up under the lock. Popping one by one loses nothing that another thread appends meanwhile."""
        lookups, waits = self.lookups, self.waits
        while lookups:
            hits, misses, start_ns, end_ns = lookups.pop()
            self.cache_hits += hits
            self.cache_lookups += hits + misses
            if end_ns > start_ns:
                self.cache_ns += end_ns - start_ns
                if intervals is not None:
                    intervals.append((CAUSE_CACHE_MISS if misses else CAUSE_CACHE_HIT, start_ns, end_ns))
        while waits:
            wait = waits.pop()
            elapsed = wait[3] - wait[2]
            self.pool_waits += 1
            self.pool_wait_ns += elapsed
            if self._longest is None or elapsed > self._longest[3] - self._longest[2]:
                self._longest = wait
            if intervals is not None:
                intervals.append((CAUSE_POOL, wait[2], wait[3]))

    def explain(self, calls: Sequence[Interval]) -> None:
        """Split its time by cause, once it has ended: from its waits and look-ups, calls, and samples of its stack."""
        self.flush_with_intervals()
        start = self.start_mono_ns
        end = start + self.duration_ns
        segments = registry.segments_of(self, end)
        cpu_ns = self.own_cpu_ns if segments else self.cpu_ns  # looks measure the CPU time of other threads separately
        measured = self.intervals or []
        self.found = find(start, end, [*measured, *whole_lookups(calls, measured)], cpu_ns, segments, self.thread_id)
        self.split = self.found.split
        if self.watched is not None:
            self.memory_peak_bytes = max(self.watched.peak_bytes, self.rss_bytes)
        self.watched = None

    def attributes(self) -> dict[str, Any]:
        """Return the span's attributes, in the order of the data contract; what is not known is absent."""
        self.settle()
        attributes = self._known_before()
        if self.cache_lookups:
            attributes[semconv.CACHE_HIT] = self.cache_hits == self.cache_lookups
            attributes[semconv.CACHE_LOOKUPS] = self.cache_lookups
            attributes[semconv.CACHE_HITS] = self.cache_hits
            attributes[semconv.CACHE_TIME] = self.cache_ns / 1e9
        if self._longest is not None:
            pool, describe, _, _, in_use = self._longest
            name, size = describe(pool)
            attributes[semconv.POOL_WAIT_TIME] = self.pool_wait_ns / 1e9
            attributes[semconv.POOL_NAME] = name
            if in_use is not None:
                attributes[semconv.POOL_IN_USE] = in_use
            if size is not None:
                attributes[semconv.POOL_SIZE] = size
        if self.cpu_ns >= 0:
            attributes[semconv.CPU_TIME] = self.cpu_ns / 1e9
            attributes[semconv.CPU_UTILIZATION] = self.cpu_ns / (self.duration_ns or 1)
        attributes[semconv.MEMORY_USAGE] = self.rss_bytes
        attributes[semconv.MEMORY_GROWTH] = self.memory_growth_bytes
        if self.memory_peak_bytes:
            attributes[semconv.MEMORY_PEAK] = self.memory_peak_bytes
        if self.error_type:
            attributes[semconv.ERROR_TYPE] = self.error_type
        if self.cancelled:
            attributes[semconv.CANCELLED] = True
        gpu = resources.gpu()
        if gpu is not None:
            if gpu.utilization is not None:
                attributes[semconv.GPU_UTILIZATION] = gpu.utilization
            if gpu.memory_bytes is not None:
                attributes[semconv.GPU_MEMORY_USAGE] = gpu.memory_bytes
        if self.slo_breached:
            attributes[semconv.SLO_BREACHED] = self.slo_breached
        if self.split is not None:
            attributes[semconv.BOTTLENECK], time_ns = bottleneck(self.split)
            attributes[semconv.BOTTLENECK_TIME] = time_ns / 1e9
            if self.hotspot is not None:
                attributes[semconv.HOTSPOT] = self.hotspot[0]
                attributes[semconv.HOTSPOT_TIME] = self.hotspot[1] / 1e9
            attributes.update({semconv.TIME[cause]: ns / 1e9 for cause, ns in self.split.items() if ns})
        return attributes

    def _known_before(self) -> dict[str, Any]:
        known = {
            semconv.FEATURE_SET: self.feature_set,
            semconv.LIBRARY: self.library,
            semconv.CODE_FUNCTION_NAME: self.spec.function,
            semconv.BATCH_SIZE: self.spec.batch_size if self.batch_size is None else self.batch_size,
            semconv.FEATURES: self.spec.features if self.features is None else self.features,
        }
        return {name: value for name, value in known.items() if value not in ("", None)}
