"""Load of the GPUs, through NVML, in the background."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

_log = logging.getLogger("otel_fe")


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """One sample of all GPUs."""

    utilization: float
    """Of the busiest GPU, 0..1, over NVML's last sampling period."""
    memory_bytes: int
    """Held by this process on all GPUs; where NVML cannot tell by process, in use on all of them."""


class GpuSampler:
    """Reads every GPU that NVML shows; does nothing where there is no NVML, no driver or no GPU.

    Called from the background thread only: an NVML call can take milliseconds.
    """

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            import pynvml  # noqa: PLC0415 an extra

            pynvml.nvmlInit()
            self._nvml = pynvml
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        except Exception as error:  # noqa: BLE001 no module, no library, no driver, no permission: no GPU
            _log.debug("otel_fe: no GPU attributes: %s", error)

    @property
    def present(self) -> bool:
        """Whether there is a GPU to sample."""
        return bool(self._handles)

    def sample(self) -> GpuLoad | None:
        """Return the load now, or None without a GPU."""
        if not self._handles:
            return None
        nvml = self._nvml
        busiest = max(nvml.nvmlDeviceGetUtilizationRates(h).gpu for h in self._handles)
        return GpuLoad(busiest / 100, sum(self._memory(h) for h in self._handles))

    def _memory(self, handle: Any) -> int:
        nvml = self._nvml
        pid = os.getpid()
        used = [p.usedGpuMemory for p in nvml.nvmlDeviceGetComputeRunningProcesses(handle) if p.pid == pid]
        if any(u is None for u in used):
            # Containers hide per-process figures; the card's total is the best there is.
            return int(nvml.nvmlDeviceGetMemoryInfo(handle).used)
        return sum(used)

    def close(self) -> None:
        """Let go of NVML."""
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml, self._handles = None, []
