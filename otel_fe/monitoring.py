"""FeatureExtractionPerformanceMonitor: extractions whose start and end lie apart in the code.

The monitor emits the same span, and counts in the same metrics, as every other extraction; it also keeps a bounded history of its
own, so that it works with otel_fe switched off.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Final

from otel_fe.instrument.extraction import Extraction, begin
from otel_fe.instrument.spec import Spec
from otel_fe.model.mapping_dataclass import MappingDataclass
from otel_fe.model.measurements import Measurements
from otel_fe.pipeline.requirement_slos import REQUIREMENTS
from otel_fe.units import MB, NS_PER_MS

_OTHER: Final = "_OTHER"
"""OpenTelemetry's `error.type` where no class is known."""
_HISTORY: Final = 10_000

ReadsAsDictionary = MappingDataclass
"""The former name of `MappingDataclass`."""

__all__ = [
    "FeatureExtractionPerformanceMonitor",
    "MappingDataclass",
    "PerformanceStats",
    "RequirementStatus",
    "nearest_rank",
]


@dataclass(frozen=True, eq=False)
class PerformanceStats(MappingDataclass):
    """The statistics of a monitor: counts of all extractions, percentiles of those in the history."""

    total_extractions: int
    """Extractions since the monitor was created."""
    error_rate: float
    """0..1, of all extractions."""
    cache_hit_rate: float
    """0..1, of the extractions that used a cache or missed it; 0 without any."""
    avg_latency_ms: float
    p50_latency_ms: float
    """Nearest rank over the history, like the other percentiles."""
    p95_latency_ms: float
    p99_latency_ms: float
    max_latency_ms: float
    avg_cpu_percent: float
    """Mean over the history, of extractions for which it was given or measured."""
    max_memory_mb: float
    """Largest memory of one operation in the history."""
    history_size: int
    """Extractions in the history."""


@dataclass(frozen=True, eq=False)
class RequirementStatus(MappingDataclass):
    """One of the four requirements."""

    requirement: str
    """The requirement in words."""
    good: int
    """Extractions that satisfy it."""
    total: int
    """Extractions that count for it."""
    met: bool
    """Whether the requirement is met; False without data."""
    status: str
    """`met`, `broken` or `no data`."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """The history's record of an extraction."""

    duration_ns: int
    cpu_percent: float | None
    memory_mb: float | None


class _Started:
    """An extraction between its start and its end."""

    __slots__ = ("ended", "running", "start_ns", "thread")

    def __init__(self, running: Extraction | None) -> None:
        self.running = running
        self.start_ns = perf_counter_ns()
        self.thread = threading.get_ident()
        self.ended = False


_MAX_STARTED: Final = 1_000
"""Starts of one monitor that are kept for their ends; beyond that, the oldest is taken to have no end."""
_MAX_NESTED: Final = 64

_nested: Final[ContextVar[tuple[tuple[int, _Started], ...]]] = ContextVar("otel_fe-monitor", default=())
"""The starts that this thread or task has made, each with its monitor's identity. One variable for all monitors: a context
never releases a variable that was set in it."""


class FeatureExtractionPerformanceMonitor:
    """Tracks extractions between `start_extraction` and `end_extraction`.

    A start belongs to the thread or task that called it; starts nest. Safe to share between threads and tasks. An end in
    another context than its start (a callback, a server's thread pool) ends the last start of its thread, else the last of all.

    Args:
        feature_set: Name of the features, for the span and the metrics.
        history_size: Extractions over which percentiles are computed; counts cover all.
    """

    def __init__(self, feature_set: str = "", history_size: int = _HISTORY) -> None:
        if history_size < 1:
            raise ValueError(f"history_size is {history_size!r}; use at least 1")
        self._spec = Spec(feature_set)
        self._lock = threading.Lock()
        self._started: dict[int, _Started] = {}
        """Keyed by identity, in the order of their starts."""
        self._history: deque[_Ended] = deque(maxlen=history_size)
        self._total = self._errors = 0
        self._good = [0] * len(REQUIREMENTS)
        self._counted = [0] * len(REQUIREMENTS)

    def __getstate__(self) -> dict[str, object]:
        """Return its history and counts, for pickle, copy and scikit-learn's `clone`; started extractions are left out."""
        with self._lock:
            state = dict(vars(self), _history=self._history.copy(), _good=[*self._good], _counted=[*self._counted])
        del state["_lock"], state["_started"]
        return state

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()
        self._started = {}

    def start_extraction(self) -> None:
        """Start an extraction in this thread or task."""
        started = _Started(begin(self._spec))
        forgotten = None
        with self._lock:
            self._started[id(started)] = started
            if len(self._started) > _MAX_STARTED:
                forgotten = self._started.pop(next(iter(self._started)))
        stack = tuple(entry for entry in _nested.get() if not entry[1].ended)
        _nested.set((*stack[1 - _MAX_NESTED :], (id(self), started)))
        if forgotten is not None:
            forgotten.ended = True
            if forgotten.running is not None:
                forgotten.running.abandon()

    def end_extraction(
        self,
        duration_ms: float | None = None,
        used_cache: bool | None = None,  # noqa: FBT001 the seed's signature
        had_error: bool = False,  # noqa: FBT001, FBT002
        cpu_percent: float | None = None,
        memory_mb: float | None = None,
    ) -> None:
        """End the extraction that this thread or task began last. Arguments take precedence over measured values.

        Args:
            duration_ms: Its duration; measured if omitted.
            used_cache: Whether the features came from a cache: one look-up, hit or miss. None without a cache.
            had_error: Whether it failed.
            cpu_percent: CPU utilisation over its duration; 100 is one core.
            memory_mb: Memory of the operation, in MB (10**6 bytes).

        Raises:
            ValueError: A figure is negative or not finite.
        """
        for name, value in (("duration_ms", duration_ms), ("cpu_percent", cpu_percent), ("memory_mb", memory_mb)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value!r}; use a finite number of at least 0")
        # An end without a start still is an extraction: it ends now.
        started = self._ending() or _Started(begin(self._spec))
        given = Measurements()
        given.duration_ns = (
            perf_counter_ns() - started.start_ns if duration_ms is None else round(duration_ms * NS_PER_MS)
        )
        given.error_type = _OTHER if had_error else ""
        if used_cache is not None:
            given.cache_lookups, given.cache_hits = 1, int(used_cache)
        given.cpu_ns = -1 if cpu_percent is None else round(given.duration_ns * cpu_percent / 100)
        given.memory_growth_bytes = 0 if memory_mb is None else round(memory_mb * MB)
        if started.running is not None:
            started.running.finish_as(given, memory_given=memory_mb is not None)
        self._remember(given, cpu_percent, memory_mb)

    def _ending(self) -> _Started | None:
        """Remove and return the start that belongs to an end now; None where there is none."""
        mine = [started for key, started in _nested.get() if key == id(self)]
        thread = threading.get_ident()
        with self._lock:
            open_here = [started for started in mine if self._started.get(id(started)) is started]
            others = [] if open_here else list(self._started.values())
            on_thread = [started for started in others if started.thread == thread]
            for found in (open_here, on_thread, others):
                if found:
                    started = found[-1]
                    del self._started[id(started)]
                    break
            else:
                return None
        started.ended = True
        _nested.set(tuple(entry for entry in _nested.get() if not entry[1].ended))
        return started

    def get_performance_stats(self) -> PerformanceStats:
        """Return the statistics so far."""
        with self._lock:
            history = list(self._history)
            total, errors = self._total, self._errors
            hits, lookups = self._good[1], self._counted[1]
        durations = sorted(ended.duration_ns / NS_PER_MS for ended in history)
        cpu = [ended.cpu_percent for ended in history if ended.cpu_percent is not None]
        memory = [ended.memory_mb for ended in history if ended.memory_mb is not None]
        return PerformanceStats(
            total_extractions=total,
            error_rate=errors / total if total else 0.0,
            cache_hit_rate=hits / lookups if lookups else 0.0,
            avg_latency_ms=sum(durations) / len(durations) if durations else 0.0,
            p50_latency_ms=nearest_rank(durations, 50),
            p95_latency_ms=nearest_rank(durations, 95),
            p99_latency_ms=nearest_rank(durations, 99),
            max_latency_ms=durations[-1] if durations else 0.0,
            avg_cpu_percent=sum(cpu) / len(cpu) if cpu else 0.0,
            max_memory_mb=max(memory, default=0.0),
            history_size=len(history),
        )

    def get_performance_requirements_status(self) -> dict[str, RequirementStatus]:
        """Return the four requirements by name, each tested on exact counts of all extractions."""
        with self._lock:
            good, counted = list(self._good), list(self._counted)
        found = {}
        for slo, kept, total in zip(REQUIREMENTS, good, counted, strict=True):
            met = slo.met(kept, total)
            status = "no data" if met is None else "met" if met else "broken"
            found[slo.name] = RequirementStatus(slo.meaning, kept, total, bool(met), status)
        return found

    def _remember(self, given: Measurements, cpu_percent: float | None, memory_mb: float | None) -> None:
        with self._lock:
            self._history.append(_Ended(given.duration_ns, cpu_percent, memory_mb))
            self._total += 1
            self._errors += bool(given.error_type)
            for index, slo in enumerate(REQUIREMENTS):
                good = slo.good(given)
                if good is not None:
                    self._counted[index] += 1
                    self._good[index] += good


def nearest_rank(ascending: list[float], percent: int) -> float:
    """Return the percentile of sorted values: the smallest that at least `percent` % of them do not exceed; 0 of none.

    Args:
        ascending: The values, the smallest first.
        percent: 0 to 100.
    """
    if not ascending:
        return 0.0
    return ascending[max(0, -(-len(ascending) * percent // 100) - 1)]
