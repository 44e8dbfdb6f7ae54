"""The `memory_limiter` processor: refuses requests while the process has too much memory in use."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

from otel_fe.collector.process_memory import release_memory, resident_bytes, total_memory
from otel_fe.collector.refusals import PressureError
from otel_fe.errors import ConfigurationError
from otel_fe.formatting import mebibytes
from otel_fe.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.config.processors import MemoryLimiter


class MemoryLimit:
    """Refuses between the soft limit (the limit less the spike limit) and whenever it was last seen above it.

    The Collector compares the heap that Go has in use; there is no such figure here, so it is the resident memory of the process.
    Freed memory is returned to the system only on request, which this makes above the soft limit.

    Args:
        settings: Of it.
        clock: For `check_interval`.
        rss: Returns the resident memory in bytes.
        share: How many processes share the limit (`--workers`).
    """

    def __init__(
        self,
        settings: MemoryLimiter,
        clock: Clock,
        rss: Callable[[], int] | None = None,
        share: int = 1,
    ) -> None:
        total = settings.limit_mib * MIB or total_memory() * settings.limit_percentage // 100
        spike = (
            settings.spike_limit_mib * MIB
            if settings.limit_mib
            else total_memory() * settings.spike_limit_percentage // 100
        )
        self.hard_bytes = total // share
        self.soft_bytes = (total - (spike or total // 5)) // share
        self._interval_ns = settings.check_interval_ns
        self._clock = clock
        self._rss = rss or resident_bytes
        self._lock = threading.Lock()
        self._checked_ns = 0
        self.above = False

    def check_idle(self, name: str) -> None:
        """Refuse a limit that the process is above while it does nothing yet.

        Raises:
            ConfigurationError: The process uses more than the limit already.
        """
        idle = self._rss()
        if idle >= self.soft_bytes:
            raise ConfigurationError(
                name,
                mebibytes(self.soft_bytes),
                f"use a higher limit, or a lower spike limit: the process already uses {mebibytes(idle)}",
            )

    def check(self) -> None:
        """Refuse a request, if there is too much memory in use.

        Memory is given back to the system, and refusing ends, once every `check_interval` at most. Refusing begins at once: the
        requests of one interval can be more than there is room for, and looking costs little beside taking one.

        Raises:
            PressureError: Too much memory is in use.
        """
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._checked_ns >= self._interval_ns and self._lock.acquire(blocking=False):
            try:
                self._checked_ns = now_ns
                self.above = self._is_above()
            finally:
                self._lock.release()
        elif not self.above:
            self.above = self._rss() >= self.soft_bytes
        if self.above:
            raise PressureError(
                "memory", f"more than {mebibytes(self.soft_bytes)} of memory in use", self._interval_ns / 1e9
            )

    def _is_above(self) -> bool:
        used = self._rss()
        if used < self.soft_bytes:
            return False
        if used >= self.hard_bytes:
            gc.collect()
        release_memory()
        return self._rss() >= self.soft_bytes
