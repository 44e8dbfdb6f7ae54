"""The kernel's view of one thread of this process: its CPU clock, its wait for a core, and the system call it waits in.

On Linux these are `clock_gettime` of the thread's clock, `/proc/self/task/TID/schedstat` and
`/proc/self/task/TID/syscall`. Reading them costs a few microseconds and does not release the GIL (see `held.py`), so
that a thread that is looked at cannot move on between its stack and its state. Elsewhere, or without the permission,
all of it is absent.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from otel_fe.instrument.causes.system_calls import RUNNING, UNKNOWN, Waiting
from otel_fe.instrument.watch.held import File, read_once

if TYPE_CHECKING:
    from collections.abc import Collection

LINUX: Final = sys.platform == "linux"
_BYTES: Final = 256
_MOST_THREADS: Final = 256
_UNKNOWN: Final = Waiting(UNKNOWN)


def native_id(ident: int) -> int:
    """Return the operating system's id of a thread; 0 where `threading` does not know it."""
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return getattr(thread, "native_id", None) or 0


def cpu_clock_ns(tid: int) -> int:
    """Return the CPU time of a thread; -1 if unknown.

    The clock's id is made from the thread's id, as the kernel defines it: `pthread_getcpuclockid` of a thread that has just ended
    would read memory that is gone.
    """
    if not LINUX or not tid:
        return -1
    try:
        return time.clock_gettime_ns((~tid << 3) | 6)
    except OSError:
        return -1


def core_wait_ns(tid: int) -> int:
    """Return how long a thread has waited for a core since it began; -1 if unknown."""
    if not LINUX or not tid:
        return -1
    try:
        return int(read_once(f"/proc/self/task/{tid}/schedstat").split()[1])
    except (OSError, ValueError, IndexError):
        return -1


def unavailable(tid: int) -> dict[str, str]:
    """Return the sources that the system does not provide for threads of this process, with the reasons.

    Their causes are absent then: `cpu_wait` without `schedstat`; without `syscall`, waits are classified by what a
    statement calls; without `clock`, all time of a look is off the CPU unless the extraction measures its own.
    """
    if not LINUX:
        return dict.fromkeys(("clock", "schedstat", "syscall"), f"{sys.platform} has no /proc/self/task")
    found = {}
    for name in ("schedstat", "syscall"):
        try:
            with open(f"/proc/self/task/{tid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 a third of `Path`'s time
                file.read(_BYTES)
        except OSError as error:
            found[name] = str(error)
    if cpu_clock_ns(tid) < 0:
        found["clock"] = "clock_gettime refuses the thread's clock"
    return found


class ThreadFiles:
    """Open files of the threads that are looked at. Belongs to one thread."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, str], File] = {}
        self.unavailable: Collection[str] = ()
        """Files that need not be tried."""

    def waiting(self, tid: int) -> Waiting:
        """Return what a thread waits in."""
        words = self._words(tid, "syscall")
        if not words:
            return _UNKNOWN
        if words[0] == b"running":
            return Waiting(RUNNING)
        try:
            first, second = (int(word, 16) for word in (*words[1:3], b"0", b"0")[:2])
            return Waiting(int(words[0]), first, second)
        except ValueError:  # the descriptor is that of another file: see `File`
            return _UNKNOWN

    def core_wait_ns(self, tid: int) -> int:
        """Return how long a thread has waited for a core since it began; -1 if unknown."""
        words = self._words(tid, "schedstat")
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else -1

    def close(self) -> None:
        """Close all of them."""
        while self._files:
            self._files.popitem()[1].close()

    def _words(self, tid: int, name: str) -> list[bytes]:
        if not LINUX or not tid or name in self.unavailable:
            return []
        file = self._files.get((tid, name))
        try:
            if file is None:
                if len(self._files) >= 2 * _MOST_THREADS:
                    self.close()
                file = self._files[tid, name] = File(f"/proc/self/task/{tid}/{name}")
            return file.read().split()
        except OSError:
            if self._files.pop((tid, name), None) is not None and file is not None:
                file.close()
            return []


def interpreter_lock() -> range:
    """Return the addresses of the futexes of the interpreter's lock, and of no other lock; empty if unknown.

    The lock is a part of CPython's `_PyRuntime`; locks of applications are allocated one by one.
    """
    if not LINUX:
        return range(0)
    try:
        import ctypes  # noqa: PLC0415 likewise

        class Info(ctypes.Structure):
            _fields_ = (
                ("file", ctypes.c_char_p),
                ("base", ctypes.c_void_p),
                ("name", ctypes.c_char_p),
                ("address", ctypes.c_void_p),
            )

        start = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
        info, symbol = Info(), ctypes.c_void_p()
        found = ctypes.CDLL(None).dladdr1(ctypes.c_void_p(start), ctypes.byref(info), ctypes.byref(symbol), 1)
        if not found or info.name != b"_PyRuntime" or not symbol.value:
            return range(0)
        size = int.from_bytes(ctypes.string_at(symbol.value + 16, 8), sys.byteorder)  # `st_size` of an `Elf64_Sym`
        return range(start, start + size)
    except (ImportError, OSError, AttributeError, ValueError, TypeError):
        return range(0)
