"""The load of this process besides its extractions, for the capacity model.

Sampled once a second in the background, and read when metrics are collected: nothing is added to an extraction.
"""

from __future__ import annotations

import math
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from otel_fe import process_metrics, semconv
from otel_fe.cgroup import Cgroup, own_cgroup
from otel_fe.instrument import resources
from otel_fe.instrument.watch import registry
from otel_fe.semconv import METRIC_BY_NAME
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.sdk.collection import Collected

Labels = tuple[tuple[str, str], ...]
_PEAKS: Final = 60
"""Seconds that a peak is shown for: an ordinary interval between two exports."""


class ProcessLoad:
    """Counts the process's time and samples its concurrency. `sample` belongs to the background thread.

    Args:
        clock_ns: Monotonic time.
        cpu_ns: CPU time of the process.
        running: Returns the thread of each extraction that runs now.
        machine_s: Returns the CPU time of all processes of the machine or container.
    """

    METRICS: Final = (
        process_metrics.PROCESS_TIME,
        process_metrics.PROCESS_CPU_TIME,
        process_metrics.PROCESS_MEMORY,
        process_metrics.PROCESS_GIL,
        process_metrics.PROCESS_CORES,
        process_metrics.MEMORY_LIMIT,
        process_metrics.MACHINE_BUSY,
        process_metrics.CONCURRENCY,
        process_metrics.CONCURRENCY_THREADS,
    )

    def __init__(
        self,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        cpu_ns: Callable[[], int] = time.process_time_ns,
        running: Callable[[], Sequence[int]] | None = None,
        machine_s: Callable[[], float] | None = None,
    ) -> None:
        self._clock_ns, self._cpu_ns = clock_ns, cpu_ns
        self._running = running or _running
        self._machine_s = machine_s or (lambda: machine_cpu_s(self._group))
        self.forget()

    def forget(self) -> None:
        """Reset all measurements, also in a forked child: its own time begins now."""
        self._began_ns, self._began_cpu_ns = self._clock_ns(), self._cpu_ns()
        self._peaks: list[tuple[int, int]] = []
        self._machine: list[tuple[int, float]] = []
        self._resident: list[int] = []
        self._group = Cgroup()
        self._labels: Labels = ((semconv.HOST_NAME, socket.gethostname()),)
        self._cores: float | None = None
        self._memory_limit: int | None = None

    def sample(self) -> None:
        """Sample the number of running extractions, of their threads, and the memory of the process."""
        threads = self._running()
        if self._cores is None:
            self._group = own_cgroup()
            self._cores, self._memory_limit = cores(self._group), memory_limit_bytes(self._group)
        self._peaks = [*self._peaks[1 - _PEAKS :], (len(threads), len(set(threads)))]
        self._resident = [*self._resident[1 - _PEAKS :], resources.rss_bytes(time.perf_counter_ns()) or 0]
        self._machine = [*self._machine[1 - _PEAKS :], (self._clock_ns(), self._machine_s())]

    def add_to(self, collected: Collected) -> None:
        """Add its metrics to those of the pipeline; nothing in a process that has run no extraction, as a server's parent."""
        if not collected.histograms.get(semconv.DURATION):
            return
        for name in self.METRICS:
            for labels, value in self.readings(name):
                if METRIC_BY_NAME[name].instrument == "counter":
                    collected.counters[name][labels] = int(value)
                else:
                    collected.labelled_gauges[name] = {labels: value}

    def readings(self, name: str) -> list[tuple[Labels, float]]:
        """Return the values of a metric with their labels, counters in nanoseconds; none where it is not known."""
        value: float | None = None
        labels: Labels = ()
        if name == process_metrics.PROCESS_TIME:
            value = self._clock_ns() - self._began_ns
        elif name == process_metrics.PROCESS_CPU_TIME:
            value = max(0, self._cpu_ns() - self._began_cpu_ns)
        elif name == process_metrics.PROCESS_MEMORY:
            value = max(self._resident, default=0) or resources.rss_bytes(time.perf_counter_ns()) or None
        elif name == process_metrics.PROCESS_GIL:
            value = float(has_gil())
        elif name in {process_metrics.CONCURRENCY, process_metrics.CONCURRENCY_THREADS}:
            value = max(self._peaks)[name == process_metrics.CONCURRENCY_THREADS] if self._peaks else None
        else:
            labels = self._labels
            value = self._of_machine(name)
        return [] if value is None else [(labels, value)]

    def _of_machine(self, name: str) -> float | None:
        """Return a value that processes of one machine, or container, have in common; None where it is not known yet."""
        if name == process_metrics.PROCESS_CORES:
            return self._cores
        if name == process_metrics.MEMORY_LIMIT:
            return self._memory_limit
        if not self._machine:
            return None
        (since_ns, before), (until_ns, now) = self._machine[0], self._machine[-1]
        return max(0.0, (now - before) * NS_PER_S / (until_ns - since_ns)) if until_ns > since_ns else None


def cores(group: Cgroup) -> float:
    """Return how many CPU cores this process may use: those that it may run on, less by its container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    allowed = float(len(affinity(0)) if affinity is not None else os.cpu_count() or 1)
    quota = group.cpu_quota_cores
    return allowed if quota is None else min(allowed, quota)


def memory_limit_bytes(group: Cgroup) -> int:
    """Return the memory that the processes of this container, or machine, may use together."""
    import psutil  # noqa: PLC0415 7 ms of imports, in the background

    machine = int(psutil.virtual_memory().total)
    limit = group.memory_limit_bytes
    return machine if limit is None else min(machine, limit)


def machine_cpu_s(group: Cgroup) -> float:
    """Return the CPU time that all processes used, of this container where it has a quota, else on the cores of this process."""
    import psutil  # noqa: PLC0415 7 ms of imports, in the background

    used_ns = group.cpu_time_ns if group.cpu_quota_cores is not None else None
    if used_ns is not None:
        return used_ns / 1e9
    return math.fsum(
        sum(times[:8]) - times.idle - getattr(times, "iowait", 0.0)  # guests' time is in the users' already
        for times in _allowed(psutil.cpu_times(percpu=True))
    )


def _allowed(by_core: list[Any]) -> list[Any]:
    """Return what is known of the cores that this process may run on; of all, where their numbers are not consecutive."""
    affinity = getattr(os, "sched_getaffinity", None)
    mine = set(range(len(by_core))) if affinity is None else affinity(0)
    return [by_core[core] for core in mine] if max(mine) < len(by_core) else by_core


def has_gil() -> bool:
    """Return whether one thread at a time runs Python code here; free-threaded builds may switch that off."""
    enabled: Any = getattr(sys, "_is_gil_enabled", None)
    return True if enabled is None else bool(enabled())


def _running() -> list[int]:
    opened = registry.opened
    # A copy in one step: threads add and remove meanwhile.
    return [] if opened is None else [one.thread_id for one in list(opened.values())]
