"""Classifies the wait of a thread or a suspended coroutine, by its system call, by called names, and by modules."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from otel_fe.instrument.causes import system_calls as calls
from otel_fe.instrument.causes.instruction import WITH
from otel_fe.instrument.causes.system_calls import FAULTING, Waiting
from otel_fe.pipeline.attribution import CAUSE_SEEN_CALL
from otel_fe.semconv import (
    CAUSE_DISK,
    CAUSE_GIL,
    CAUSE_LOCK,
    CAUSE_NATIVE_THREADS,
    CAUSE_PAGE_FAULTS,
    CAUSE_SLEEP,
    CAUSE_SUBPROCESS,
)

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from otel_fe.instrument.stack_lines import Line, Stack

NOT_WAITING: Final = ""
"""The thread runs, could run, or its state is unknown."""

_LOCKING: Final = frozenset(
    (WITH, "acquire", "acquire_lock", "wait", "join", "get", "put", "result", "wait_for", "_wait_for_tstate_lock")
)
_LOCK_FILES: Final = (
    "threading.py",
    "queue.py",
    "futures/_base.py",
    "futures/thread.py",
    "asyncio/locks.py",
    "asyncio/queues.py",
)
_PROCESS_FILES: Final = (
    *("subprocess.py", "multiprocessing/connection.py", "multiprocessing/popen_fork.py", "multiprocessing/queues.py"),
    *("asyncio/subprocess.py", "multiprocessing/process.py", "concurrent/futures/process.py"),
)
_POLLING: Final = (calls.POLL, calls.SELECT, calls.EPOLL)
_BY_KIND: Final = {
    calls.SLEEP: CAUSE_SLEEP,
    calls.PROCESS: CAUSE_SUBPROCESS,
    calls.NETWORK: CAUSE_SEEN_CALL,
    calls.PATH: CAUSE_DISK,
    calls.FILE_LOCK: CAUSE_LOCK,
}
_BUSY: Final = 0.2
"""Share of a core; threads of native libraries that use less are idle."""
_BY_NAME: Final = (
    (CAUSE_SLEEP, frozenset(("sleep",))),
    (CAUSE_LOCK, _LOCKING),
    (CAUSE_SUBPROCESS, frozenset(("waitpid", "waitid", "wait4", "system", "posix_spawn", "fork_exec"))),
    (
        CAUSE_SEEN_CALL,
        frozenset(("recv", "recv_into", "send", "sendall", "connect", "getaddrinfo", "accept", "do_handshake")),
    ),
    (
        CAUSE_DISK,
        frozenset(("read", "readinto", "readline", "write", "flush", "fsync", "fdatasync", "open", "stat", "listdir")),
    ),
)
_AWAITED: Final = (
    (CAUSE_LOCK, ("asyncio/locks.py", "asyncio/queues.py")),
    (CAUSE_SUBPROCESS, ("asyncio/subprocess.py",)),
    (CAUSE_SEEN_CALL, ("asyncio/streams.py", "asyncio/selector_events.py", "asyncio/sslproto.py")),
)


def wait_of(waiting: Waiting, stack: Stack, names: AbstractSet[str], lock: range, native_share: float) -> str:
    """Return the cause of a thread's waiting; `NOT_WAITING` where it does not wait.

    Args:
        waiting: The system's information on the wait.
        stack: Of the thread.
        names: What its innermost statement calls.
        lock: Addresses of the interpreter's own lock.
        native_share: CPU time of threads that are not Python's, of the time since the last look: 1 is a core.
    """
    kind = calls.KINDS.get(waiting.call, "")
    if kind == calls.FUTEX:
        found = _futex(waiting, stack, names, lock, native_share)
    elif kind == calls.DESCRIPTOR:
        found = _descriptor(waiting.first)
    elif _no_descriptors(kind, waiting):
        found = CAUSE_SLEEP
    elif kind in _POLLING:
        found = CAUSE_SUBPROCESS if _in(stack, _PROCESS_FILES) else CAUSE_SEEN_CALL
    elif waiting.call < 0:
        found = CAUSE_PAGE_FAULTS if waiting.call == FAULTING else NOT_WAITING
    else:
        found = _BY_KIND.get(kind) or by_names(stack, names)
    return found


def by_names(stack: Stack, names: AbstractSet[str]) -> str:
    """Return the likely cause of a wait that the system does not name, by the calls of the innermost statement."""
    if _in(stack[:3], _PROCESS_FILES):
        return CAUSE_SUBPROCESS
    return next((cause for cause, known in _BY_NAME if names & known), NOT_WAITING)


def awaits(stack: Stack) -> str:
    """Return what a suspended coroutine waits for; `NOT_WAITING` where that is not known.

    Args:
        stack: The lines of its awaits, the innermost first.
    """
    if not stack:
        return NOT_WAITING
    if stack[0].function == "sleep" and _is(stack[0], ("asyncio/tasks.py",)):
        return CAUSE_SLEEP
    for cause, files in _AWAITED:
        if _in(stack, files):
            return cause
    # A client library that waits for a future which its protocol will set.
    return CAUSE_SEEN_CALL if any("site-packages" in line.file for line in stack) else CAUSE_LOCK


def _futex(waiting: Waiting, stack: Stack, names: AbstractSet[str], lock: range, native_share: float) -> str:
    if waiting.first in lock:
        return CAUSE_GIL
    locking = bool(names & _LOCKING) or _in(stack[:1], _LOCK_FILES)
    return CAUSE_NATIVE_THREADS if native_share > _BUSY and not locking else CAUSE_LOCK


def _no_descriptors(kind: str, waiting: Waiting) -> bool:
    """Return whether nothing is waited for but time: `time.sleep` before Python 3.11 is a `select` of nothing."""
    return (kind == calls.SELECT and waiting.first == 0) or (kind == calls.POLL and waiting.second == 0)


def _descriptor(number: int) -> str:
    try:
        mode = os.fstat(number).st_mode
    except (OSError, OverflowError):
        return NOT_WAITING
    if stat.S_ISSOCK(mode):
        return CAUSE_SEEN_CALL
    if stat.S_ISFIFO(mode):
        return CAUSE_SUBPROCESS
    return CAUSE_DISK if stat.S_ISREG(mode) or stat.S_ISBLK(mode) or stat.S_ISDIR(mode) else CAUSE_LOCK


def _in(stack: Stack, files: tuple[str, ...]) -> bool:
    return any(_is(line, files) for line in stack)


def _is(line: Line, files: tuple[str, ...]) -> bool:
    return line.file.endswith(files)
