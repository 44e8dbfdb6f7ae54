"""The resources of the container or machine and of this process, sampled without waiting: rates are since the sample before."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from otel_fe.cgroup import Cgroup, own_cgroup
from otel_fe.live.results import SystemResources
from otel_fe.units import MB

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock

_FRESH_NS: Final = 1_000_000_000
"""A reading is good for so long; a rate over less would be noise."""


class GpuReading(Protocol):
    """A sample of the GPUs, as `instrument.gpu` takes it."""

    @property
    def utilization(self) -> float | None:
        """0..1; None where no GPU reports it."""
        ...

    @property
    def memory_bytes(self) -> int | None:
        """Held by this process; None where no GPU reports it."""
        ...


class ResourceSampler:
    """Samples on request, at most once a second. Safe to share between threads; a third of a millisecond.

    It keeps account of CPU times itself: `psutil.cpu_percent()` keeps one for the whole process, which may be the application's.

    Args:
        clock: For the rates.
        gpu: Returns the last sample of the GPUs, None without one. It must not wait for the driver.
        cgroup: Finds the control groups of this process; called again in a forked child.
    """

    def __init__(
        self,
        clock: Clock,
        gpu: Callable[[], GpuReading | None] = lambda: None,
        cgroup: Callable[[], Cgroup] = own_cgroup,
    ) -> None:
        self._clock = clock
        self._gpu = gpu
        self._find_cgroup = cgroup
        self._cgroup = Cgroup()
        self._lock = threading.Lock()
        self._latest = SystemResources()
        self._process: Any = None
        self._pid = 0
        self._before: _Times | None = None

    def latest(self) -> SystemResources:
        """Return a reading that is at most a second old."""
        if self._pid != os.getpid():  # a fork may have come while another thread of the parent held it
            self._lock = threading.Lock()
        if self._lock.acquire(blocking=False):
            try:
                now = self._clock.monotonic_ns()
                before = self._before
                if before is None or now - before.taken_ns >= _FRESH_NS or self._pid != os.getpid():
                    self._latest = self._sample(now)
            finally:
                self._lock.release()
        return self._latest  # another thread is at it: the last one will do

    def _sample(self, now_ns: int) -> SystemResources:
        import psutil  # noqa: PLC0415 7 ms of imports, only when needed

        if self._pid != os.getpid():  # the first, or in a forked child
            self._process, self._pid, self._before = psutil.Process(), os.getpid(), None
            self._cgroup = self._find_cgroup()
        with self._process.oneshot():
            process = self._process.cpu_times()
            resident = self._process.memory_info().rss
        quota = self._cgroup.cpu_quota_cores
        times = _times(now_ns, self._cgroup, psutil.cpu_times(), process.user + process.system)
        before, self._before = self._before, times
        cpu, throttled, own = (None, None, None) if before is None else times.percent_since(before, quota)
        memory = _memory(self._cgroup, psutil.virtual_memory())
        gpu = self._gpu()
        return SystemResources(
            cpu_percent=cpu,
            memory_percent=memory.percent,
            memory_available_mb=memory.available / MB,
            cpu_limit_cores=quota,
            cpu_throttled_percent=throttled,
            memory_limit_mb=None if memory.limit is None else memory.limit / MB,
            oom_kills=self._cgroup.oom_kills,
            process_cpu_percent=own,
            process_memory_mb=resident / MB,
            gpu_percent=None if gpu is None or gpu.utilization is None else gpu.utilization * 100,
            gpu_memory_mb=None if gpu is None or gpu.memory_bytes is None else gpu.memory_bytes / MB,
            time_unix_s=self._clock.time_ns() / 1e9,
        )


@dataclass(frozen=True, slots=True)
class _Times:
    """CPU times at one moment, in seconds; of the container None where it has no quota."""

    taken_ns: int
    busy_s: float
    all_s: float
    process_s: float
    container_s: float | None
    throttled_s: float | None

    def percent_since(self, before: _Times, quota: float | None) -> tuple[float | None, float | None, float]:
        """Return the use of what there is, throttling and the process's own use, in percent."""
        passed_s = (self.taken_ns - before.taken_ns) / 1e9
        cpu = throttled = None
        if quota is not None and self.container_s is not None and before.container_s is not None:
            cpu = _percent(self.container_s - before.container_s, passed_s * quota)
        elif self.all_s > before.all_s:
            cpu = _percent(self.busy_s - before.busy_s, self.all_s - before.all_s)
        if self.throttled_s is not None and before.throttled_s is not None:
            throttled = max(0.0, 100 * (self.throttled_s - before.throttled_s) / passed_s)
        return cpu, throttled, max(0.0, 100 * (self.process_s - before.process_s) / passed_s)


def _times(now_ns: int, cgroup: Cgroup, machine: Any, process_s: float) -> _Times:
    all_s = sum(machine[:8])  # guests' time, beyond that, is in the users' already
    container_ns, throttled_ns = cgroup.cpu_time_ns, cgroup.throttled_ns
    return _Times(
        taken_ns=now_ns,
        busy_s=all_s - machine.idle - getattr(machine, "iowait", 0.0),
        all_s=all_s,
        process_s=process_s,
        container_s=None if container_ns is None else container_ns / 1e9,
        throttled_s=None if throttled_ns is None else throttled_ns / 1e9,
    )


@dataclass(frozen=True, slots=True)
class _Memory:
    percent: float
    available: int
    limit: int | None
    """The container's; None where the machine's memory is all there is."""


def _memory(cgroup: Cgroup, machine: Any) -> _Memory:
    """Return the memory that this process may use. A limit above the machine's memory limits nothing."""
    limit, used = cgroup.memory_limit_bytes, cgroup.working_set_bytes
    if limit is None or used is None or limit >= machine.total:
        return _Memory(machine.percent, machine.available, None)
    return _Memory(_percent(used, limit), min(machine.available, max(0, limit - used)), limit)


def _percent(part: float, whole: float) -> float:
    return max(0.0, min(100.0, 100 * part / whole)) if whole else 0.0
