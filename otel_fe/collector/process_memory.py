"""The memory of a collector's process: how much there is, garbage, freed memory and late imports."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from otel_fe.cgroup import own_cgroup

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_ARENA_MAX: Final = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""
_ARENAS: Final = 1


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:
        import psutil  # noqa: PLC0415 it takes a MiB or two, and Linux does without

        return int(psutil.Process().memory_info().rss)


def total_memory() -> int:
    """Return the memory that this process may use: the machine's, or less where a control group limits it."""
    import psutil  # noqa: PLC0415 see above: only limits in percent ask for it

    total = int(psutil.virtual_memory().total)
    limit = own_cgroup().memory_limit_bytes
    return total if limit is None else min(total, limit)


def share_arenas() -> None:
    """Make threads started from now on share glibc's arenas, where the C library supports it.

    Otherwise glibc gives each of the first 8 threads per core its own arena, and memory that requests free in one arena
    is not available to the others. `MALLOC_ARENA_MAX` in the environment, which says how many there may be, holds.
    """
    mallopt = _of_libc("mallopt")
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_ARENA_MAX, _ARENAS)


def release_memory() -> None:
    """Return free memory of the process to the system, where the C library supports it."""
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_libc(name: str) -> Any:
    """Return a function of the C library; None where it has none of that name."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):  # not glibc
        return None


_YOUNG_S: Final = 10.0
_ALL_S: Final = 120.0


class Garbage:
    """Runs the garbage collector periodically; called by the scheduling thread."""

    def __init__(self) -> None:
        self._young_s = self._all_s = time.monotonic()

    def take_charge(self) -> None:
        """From now on, cycles are only looked for in `work`."""
        gc.collect()
        gc.freeze()  # what there is at the start stays
        gc.disable()

    def work(self) -> None:
        """Run the garbage collector, if it is due."""
        now_s = time.monotonic()
        if now_s - self._all_s >= _ALL_S:
            self._all_s = self._young_s = now_s
            gc.collect()
        elif now_s - self._young_s >= _YOUNG_S:
            self._young_s = now_s
            gc.collect(1)


_HARDLY_USED: Final = ("grpc.aio", "ssl", "asyncio.sslproto")


class _PutOff(ModuleType):
    """A placeholder for a module that loads it on first access."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def put_off(*names: str) -> None:
    """Have modules imported on first access; one that is already imported stays.

    Args:
        names: Those that are hardly used, by default.
    """
    for name in names or _HARDLY_USED:
        sys.modules.setdefault(name, _PutOff(name))
