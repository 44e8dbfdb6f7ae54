"""The system call that a thread waits in, and Linux' blocking ones by number, with the cause of a wait in each."""

from __future__ import annotations

import platform
from typing import Final, NamedTuple

RUNNING: Final = -2
"""The thread runs, or could; in place of a system call's number."""
FAULTING: Final = -1
"""The thread waits in the kernel, but in no system call, as for a page of memory that is read from disk."""
UNKNOWN: Final = -3
"""The thread's state is unknown."""


class Waiting(NamedTuple):
    """The system call that a thread waits in."""

    call: int
    """Number of the system call; or `RUNNING`, `FAULTING`, `UNKNOWN`."""
    first: int = 0
    """First argument of the system call: a file descriptor, or the address of a futex."""
    second: int = 0


SLEEP: Final = "sleep"
FUTEX: Final = "futex"
"""A lock of some kind, the interpreter's among them."""
PATH: Final = "path"
"""The files below a folder, by name."""
DESCRIPTOR: Final = "descriptor"
"""Whatever its first argument is."""
SELECT: Final = "select"
"""The first argument is the number of descriptors."""
POLL: Final = "poll"
"""The second argument is the number of descriptors."""
EPOLL: Final = "epoll"
NETWORK: Final = "network"
PROCESS: Final = "process"
FILE_LOCK: Final = "file_lock"

# From the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl, and include/uapi/asm-generic/unistd.h for the others.
_X86: Final = {
    SLEEP: (35, 230),
    FUTEX: (202, 449),
    PATH: (2, 4, 6, 21, 76, 82, 83, 84, 85, 86, 87, 89, 162, 257, 258, 262, 263, 264, 269, 316, 332),
    DESCRIPTOR: (
        *(0, 1, 5, 17, 18, 19, 20, 26, 28, 40, 74, 75, 77, 78, 187, 217, 221, 277, 285, 295, 296, 306, 326, 327, 328),
    ),
    SELECT: (23, 270),
    POLL: (7, 271),
    EPOLL: (232, 281, 426, 441),
    NETWORK: (42, 43, 44, 45, 46, 47, 288, 299, 307),
    PROCESS: (61, 247),
    FILE_LOCK: (72, 73),
}
_GENERIC: Final = {
    SLEEP: (101, 115),
    FUTEX: (98, 449),
    PATH: (34, 35, 37, 38, 45, 48, 56, 78, 79, 81, 276, 291),
    DESCRIPTOR: (46, 47, 61, 63, 64, 65, 66, 67, 68, 69, 70, 71, 80, 82, 83, 84, 213, 223, 227, 267, 285, 286, 287),
    SELECT: (72,),
    POLL: (73,),
    EPOLL: (22, 426, 441),
    NETWORK: (202, 203, 206, 207, 211, 212, 242, 243, 269),
    PROCESS: (95, 260),
    FILE_LOCK: (25, 32),
}
_TABLES: Final = {"x86_64": _X86, "aarch64": _GENERIC, "riscv64": _GENERIC}
KINDS: Final = {number: kind for kind, numbers in _TABLES.get(platform.machine(), {}).items() for number in numbers}
"""The kind of wait of each system call's number; empty on architectures with unknown numbers."""
