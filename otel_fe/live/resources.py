"""The machine and this process, sampled without waiting: each reading says what happened since the one before."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from otel_fe.live.results import SystemResources

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock

_FRESH_NS: Final = 1_000_000_000
"""A reading is good for so long; a rate over less would be noise."""
_MB: Final = 1e6


class GpuReading(Protocol):
    """A sample of the GPUs, as `instrument.gpu` takes it."""

    @property
    def utilization(self) -> float | None:
        """0..1; None where no GPU tells it."""
        ...

    @property
    def memory_bytes(self) -> int | None:
        """Held by this process; None where no GPU tells it."""
        ...


class ResourceSampler:
    """Samples when asked, at most once a second. Safe to share between threads; a fifth of a millisecond.

    It keeps account of CPU times itself: `psutil.cpu_percent()` keeps one for the whole process, which may be the application's.

    Args:
        clock: For the rates.
        gpu: Returns the last sample of the GPUs, None without one. It must not wait for the driver.
    """

    def __init__(self, clock: Clock, gpu: Callable[[], GpuReading | None] = lambda: None) -> None:
        self._clock = clock
        self._gpu = gpu
        self._lock = threading.Lock()
        self._latest = SystemResources()
        self._sampled_ns: int | None = None
        self._process: Any = None
        self._pid = 0
        self._busy = self._all = self._own = 0.0

    def latest(self) -> SystemResources:
        """Return a reading that is at most a second old."""
        if self._pid != os.getpid():  # a fork may have come while another thread of the parent held it
            self._lock = threading.Lock()
        if self._lock.acquire(blocking=False):
            try:
                now = self._clock.monotonic_ns()
                if self._sampled_ns is None or now - self._sampled_ns >= _FRESH_NS or self._pid != os.getpid():
                    self._latest = self._sample(now)
            finally:
                self._lock.release()
        return self._latest  # another thread is at it: the last one will do

    def _sample(self, now_ns: int) -> SystemResources:
        import psutil  # noqa: PLC0415 7 ms of imports, where somebody asks

        if self._pid != os.getpid():  # the first, or in a forked child
            self._process, self._pid, self._sampled_ns = psutil.Process(), os.getpid(), None
        machine = psutil.cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        everything = sum(machine[:8])  # guests' time, beyond that, is in the users' already
        busy = everything - idle
        with self._process.oneshot():
            times = self._process.cpu_times()
            resident = self._process.memory_info().rss
        own = times.user + times.system
        cpu = process_cpu = None
        if self._sampled_ns is not None:
            if everything > self._all:
                cpu = max(0.0, min(100.0, 100 * (busy - self._busy) / (everything - self._all)))
            process_cpu = max(0.0, 100 * (own - self._own) / ((now_ns - self._sampled_ns) / 1e9))
        self._sampled_ns, self._busy, self._all, self._own = now_ns, busy, everything, own
        memory = psutil.virtual_memory()
        gpu = self._gpu()
        return SystemResources(
            cpu_percent=cpu,
            memory_percent=memory.percent,
            memory_available_mb=memory.available / _MB,
            process_cpu_percent=process_cpu,
            process_memory_mb=resident / _MB,
            gpu_percent=None if gpu is None or gpu.utilization is None else gpu.utilization * 100,
            gpu_memory_mb=None if gpu is None or gpu.memory_bytes is None else gpu.memory_bytes / _MB,
            time_unix_s=self._clock.time_ns() / 1e9,
        )
