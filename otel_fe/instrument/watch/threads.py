"""The kernel's view of one thread of this process: its CPU clock, its wait for a core, and the system call it waits in.

On Linux these are `clock_gettime` of the thread's clock, `/proc/self/task/TID/schedstat` and `/proc/self/task/TID/syscall`. Reading
them costs a few microseconds and lets go of nothing: the read is made through `ctypes` with the interpreter held, so that the
thread that is looked at cannot move on between its stack and its state. Elsewhere, or without the permission, all of it is absent.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

LINUX: Final = sys.platform == "linux"
_BYTES: Final = 256
_MOST_THREADS: Final = 256
RUNNING: Final = -2
"""In place of a system call's number: it runs, or could."""
FAULTING: Final = -1
"""Likewise: it waits in the kernel, but in no system call, as for a page of memory that is read from disk."""
UNKNOWN: Final = -3
"""Likewise: it cannot be told."""


class Waiting(NamedTuple):
    """The system call that a thread waits in."""

    call: int
    """Number of the system call; or `RUNNING`, `FAULTING`, `UNKNOWN`."""
    first: int = 0
    """Its first argument: a file descriptor, or the address of a futex."""
    second: int = 0


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
        with open(f"/proc/self/task/{tid}/schedstat", "rb", buffering=0) as file:  # noqa: PTH123 a third of `Path`'s time
            return int(file.read(_BYTES).split()[1])
    except (OSError, ValueError, IndexError):
        return -1


def unavailable(tid: int) -> dict[str, str]:
    """Return what the system does not tell of the calling thread, and why: so it is for all threads of the process.

    Causes that come from it are absent then: `cpu_wait` without `schedstat`; without `syscall`, waits are told by what a statement
    calls; without `clock`, all time of a look is off the CPU unless the extraction measures its own.
    """
    if not LINUX:
        return dict.fromkeys(("clock", "schedstat", "syscall"), f"{sys.platform} has no /proc/self/task")
    found = {}
    for name in ("schedstat", "syscall"):
        try:
            with open(f"/proc/self/task/{tid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 as above
                file.read(_BYTES)
        except OSError as error:
            found[name] = str(error)
    if cpu_clock_ns(tid) < 0:
        found["clock"] = "clock_gettime refuses the thread's clock"
    return found


class ThreadFiles:
    """Open files of the threads that are looked at. Belongs to one thread."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, str], int] = {}
        self.unavailable: Collection[str] = ()
        """Files that need not be tried."""
        self._read = _reader()

    def waiting(self, tid: int) -> Waiting:
        """Return what a thread waits in."""
        words = self._words(tid, "syscall")
        if not words:
            return _UNKNOWN
        if words[0] == b"running":
            return Waiting(RUNNING)
        first, second = (int(word, 16) for word in (*words[1:3], b"0", b"0")[:2])
        return Waiting(int(words[0]), first, second)

    def core_wait_ns(self, tid: int) -> int:
        """Return how long a thread has waited for a core since it began; -1 if unknown."""
        words = self._words(tid, "schedstat")
        return int(words[1]) if len(words) > 1 else -1

    def close(self) -> None:
        """Close all of them."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _words(self, tid: int, name: str) -> list[bytes]:
        if not LINUX or not tid or name in self.unavailable:
            return []
        descriptor = self._files.get((tid, name), -1)
        try:
            if descriptor < 0:
                if len(self._files) >= 2 * _MOST_THREADS:
                    self.close()
                descriptor = os.open(f"/proc/self/task/{tid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
                self._files[tid, name] = descriptor
            read: bytes = self._read(descriptor)
            return read.split()
        except OSError:
            if self._files.pop((tid, name), -1) >= 0:
                os.close(descriptor)
            return []


def _reader() -> Any:
    """Return what reads a file from its start: with the interpreter held, where `ctypes` can be had."""
    try:
        import ctypes  # noqa: PLC0415 only needed once something is slow

        pread = ctypes.PyDLL(None).pread
        pread.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_longlong)
        pread.restype = ctypes.c_ssize_t
        buffer = ctypes.create_string_buffer(_BYTES)
    except (ImportError, OSError, AttributeError, TypeError):
        return lambda descriptor: os.pread(descriptor, _BYTES, 0)

    def read(descriptor: int) -> bytes:
        count = pread(descriptor, buffer, _BYTES, 0)
        if count < 0:
            raise OSError
        return buffer.raw[:count]

    return read


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
