"""Load of the GPUs, through NVML, in the background."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from dataclasses import dataclass
from typing import Any, Final

from otel_fe.forks import after_fork

_log = logging.getLogger("otel_fe")

_HOST_PIDS: Final = "pid:[4026531836]"
"""Linux's first namespace of process ids, always of this number. NVML mostly lists processes by their ids in it."""
_IN_USE: Final = ("/dev/nvidia-uvm", "/dev/dxg")
"""The devices that a process opens to compute on a GPU (the second inside WSL); NVML itself opens neither."""

_LIBRARY: Final = "libnvidia-ml.so.1"
"""The part of NVIDIA's driver that `pynvml` loads."""

_asking = 0
"""Samplers that are inside of NVML now: the background thread of each."""
_forked_while_asking = False


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """One sample of all GPUs."""

    utilization: float | None
    """Of the busiest GPU, 0..1, over NVML's last sampling period; None where none reports it, as with MIG."""
    memory_bytes: int | None
    """Memory of this process on all GPUs; of a GPU without figures per process, that of all processes on it. None where
    that is not reported either."""


def import_nvml() -> Any:
    """Return the module `pynvml`. Import it where NVIDIA's driver is installed, and only there: that takes 50 to 100 ms of Python.

    Raises:
        ImportError: `pynvml` is not installed.
        OSError: There is no driver, and `pynvml` has not been imported already.
    """
    module = sys.modules.get("pynvml")
    if module is not None:
        return module
    if sys.platform != "win32":
        import ctypes  # noqa: PLC0415 the SDK's metrics have imported it

        ctypes.CDLL(_LIBRARY)
    return importlib.import_module("pynvml")


def import_nvml_early() -> None:
    """Import `pynvml` before there are extractions: in the background it would take the interpreter from them, 5 ms at a time."""
    with contextlib.suppress(Exception):  # `GpuSampler` says why
        import_nvml()


class GpuSampler:
    """Reads every GPU that NVML shows; does nothing where there is no NVML, no driver or no GPU.

    Called from the background thread only: an NVML call can take milliseconds. A figure that a GPU does not report
    (with MIG, on old cards or drivers, without the permission) is left out, with a debug line at the first attempt.
    """

    def __init__(self) -> None:
        self._nvml: Any = None
        self._opened = False
        self._handles: list[Any] = []
        self._untold: set[str] = set()
        if _forked_while_asking:
            _log.warning(
                "otel_fe: no GPU attributes in process %d: it was forked while NVML was being asked", os.getpid()
            )
            return
        try:
            pynvml = import_nvml()
            with _Asking():
                pynvml.nvmlInit()
                self._nvml, self._opened = pynvml, True
                found = [self._ask("nvmlDeviceGetHandleByIndex", i) for i in range(pynvml.nvmlDeviceGetCount())]
            self._handles = [handle for handle in found if handle is not None]
        except Exception as error:  # noqa: BLE001 no module, no library, no driver, no permission: no GPU
            _log.debug("otel_fe: no GPU attributes: %s", error)

    @property
    def present(self) -> bool:
        """Return whether there is a GPU to sample."""
        return bool(self._handles)

    def sample(self) -> GpuLoad | None:
        """Return the load now, or None without a GPU."""
        if not self._handles:
            return None
        with _Asking():
            rates = [self._ask("nvmlDeviceGetUtilizationRates", handle) for handle in self._handles]
            held = [self._memory(handle) for handle in self._handles]
        busy = [rate.gpu for rate in rates if rate is not None]
        known = [memory for memory in held if memory is not None]
        return GpuLoad(max(busy) / 100 if busy else None, sum(known) if known else None)

    def _memory(self, handle: Any) -> int | None:
        computing = self._processes("nvmlDeviceGetComputeRunningProcesses", handle)
        sharing = self._processes("nvmlDeviceGetMPSComputeRunningProcesses", handle)  # of MPS, in no other list
        pid = os.getpid()
        used = [one.usedGpuMemory for one in (*(computing or ()), *(sharing or ())) if one.pid == pid]
        if used and None not in used:
            return int(sum(used))
        if not used and ((computing is not None and _pids_are_the_host_s()) or not _computes_on_a_gpu()):
            return 0
        # Containers and Windows hide per-process figures; the card's total is the best there is.
        memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
        return None if memory is None else int(memory.used)

    def _processes(self, function: str, handle: Any) -> Any:
        """Return what is listed; drivers before 510 know an earlier version of the lists."""
        found = self._ask(function, handle)
        return self._ask(f"{function}_v2", handle) if found is None else found

    def _ask(self, function: str, argument: Any) -> Any:
        """Return NVML's answer; None where it has none, or this pynvml has no such function."""
        try:
            return getattr(self._nvml, function)(argument)
        except Exception as error:  # noqa: BLE001 pynvml's errors have no common root
            if function not in self._untold:
                self._untold.add(function)
                _log.debug("otel_fe: %s(%s): %s", function, argument, error)
            return None

    def close(self) -> None:
        """Shut NVML down."""
        opened, self._opened, self._handles = self._opened, False, []
        try:
            if opened:
                self._nvml.nvmlShutdown()
        except Exception as error:  # noqa: BLE001 it is gone, then
            _log.debug("otel_fe: NVML cannot be shut down: %s", error)


class _Asking:
    """A block that is inside of NVML."""

    def __enter__(self) -> None:
        global _asking  # noqa: PLW0603 a count that a race leaves too high costs a child its GPU attributes
        _asking += 1

    def __exit__(self, *error: object) -> None:
        global _asking  # noqa: PLW0603 likewise
        _asking -= 1


def _pids_are_the_host_s() -> bool:
    """Return whether process ids here are those that NVML lists processes by: those of a container are others."""
    try:
        return os.readlink("/proc/self/ns/pid") == _HOST_PIDS  # noqa: PTH115 the name alone
    except OSError:
        return not os.path.isdir("/proc/self")  # noqa: PTH112 elsewhere than on Linux there is one namespace


def _computes_on_a_gpu() -> bool:
    """Return whether this process has a GPU open to compute on it; True where that cannot be seen."""
    try:
        descriptors = os.listdir("/proc/self/fd")  # noqa: PTH208 names are all that is needed
    except OSError:
        return True
    return any(_opened(descriptor).startswith(_IN_USE) for descriptor in descriptors)


def _opened(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 likewise
    except OSError:  # closed meanwhile
        return ""


def _after_fork() -> None:
    """In a child, a lock that NVML held at the fork is never released: NVML is not called there any more."""
    global _asking, _forked_while_asking  # noqa: PLW0603 the child has one thread here
    _forked_while_asking = _forked_while_asking or _asking > 0
    _asking = 0


after_fork(_after_fork)
