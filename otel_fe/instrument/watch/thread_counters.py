"""Counters of the process and its threads at one moment; two of them give a difference."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from otel_fe.cgroup import own_cgroup, throttled_in
from otel_fe.instrument.watch.held import File, read_once
from otel_fe.instrument.watch.threads import core_wait_ns, cpu_clock_ns, native_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.instrument.watch.threads import ThreadFiles

_MOST_THREADS: Final = 64
_KEPT: Final = 16
_QUOTA_FOR_NS: Final = 10_000_000_000
"""The validity of the knowledge that there is a quota, or none."""
_GROUPS_FOR_NS: Final = 250_000_000
"""The validity of the knowledge of which group it is."""
_FILE_BYTES: Final = 4_096
"""Bytes that are read of `cgroup` and `cpu.stat`."""


class ThreadCounters:
    """The sums until one moment, in ns."""

    __slots__ = ("at_ns", "blocks", "core_wait_ns", "cpu_ns", "faults", "process_cpu_ns", "throttled_ns")

    def __init__(self, at_ns: int, process_cpu_ns: int, throttled_ns: int) -> None:
        self.at_ns = at_ns
        self.process_cpu_ns = process_cpu_ns
        self.throttled_ns = throttled_ns
        """Of the control group, over all of its cores; negative without a quota, and where it was not read."""
        self.faults, self.blocks = paging()
        """Major faults of the process, and blocks that it has read or written."""
        self.cpu_ns: dict[int, int] = {}
        """Of threads of Python, by their ids."""
        self.core_wait_ns: dict[int, int] = {}
        """Of threads that run extractions, and of those that have run since the counters before."""

    def others_ns(self, since: ThreadCounters, own: int, watcher: int) -> tuple[int, int, int]:
        """Return what other threads of Python have done since then.

        Returns:
            Their CPU time, without the watcher's; the id of the one that used most; how long those that ran, and the watcher,
            waited for a core.
        """
        total = most = busiest = waited = 0
        before = since.cpu_ns
        for tid, now in self.cpu_ns.items():
            used = now - before.get(tid, now)
            if tid == own or used <= 0:
                continue
            known = self.core_wait_ns.get(tid, 0)
            waited += max(0, known - since.core_wait_ns.get(tid, known))
            if tid != watcher:
                total += used
                if used > most:
                    most, busiest = used, tid
        return total, busiest, waited

    def throttled_since_ns(self, since: ThreadCounters) -> int:
        """Return for how long the quota has stopped processes of the control group since then; 0 where that is not known."""
        return max(0, self.throttled_ns - since.throttled_ns) if since.throttled_ns >= 0 else 0

    def native_share(self, since: ThreadCounters) -> float:
        """Return the CPU time of threads that are not Python's since then, in cores."""
        python = sum(now - since.cpu_ns.get(tid, now) for tid, now in self.cpu_ns.items())
        passed = self.at_ns - since.at_ns
        return (self.process_cpu_ns - since.process_cpu_ns - python) / passed if passed > 0 else 0.0


def _nopaging() -> tuple[int, int]:
    return 0, 0


def _usage() -> tuple[int, int]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_majflt, used.ru_inblock + used.ru_oublock


try:
    import resource
except ImportError:  # Windows
    paging = _nopaging
else:
    paging = _usage


class CounterHistory:
    """Takes counters, and keeps the newest. Belongs to one thread."""

    def __init__(self, files: ThreadFiles) -> None:
        self._files = files
        self._kept: deque[ThreadCounters] = deque(maxlen=_KEPT)
        self._throttled: dict[str, File] = {}
        """Open files that say for how long the quota has stopped processes, by path; none without a quota."""
        self._asked_ns = -_QUOTA_FOR_NS
        self._groups = b""
        """The groups that the process was in then."""
        self._compared_ns = -_GROUPS_FOR_NS
        self.watcher = 0
        """The system's id of the thread that this belongs to."""

    def take(self, now_ns: int, idents: Iterable[int], extracting: Iterable[int]) -> ThreadCounters:
        """Return the counters of now.

        Args:
            now_ns: Monotonic time.
            idents: Of the threads of Python.
            extracting: Ids, as the system has them, of the threads that run extractions.
        """
        taken = ThreadCounters(now_ns, time.process_time_ns(), self.throttled_ns())
        before = self._kept[-1] if self._kept else taken
        wanted = set(extracting)
        for ident in list(idents)[:_MOST_THREADS]:
            tid = native_id(ident)
            used = cpu_clock_ns(tid)
            if used >= 0:
                taken.cpu_ns[tid] = used
                if tid not in wanted and used == before.cpu_ns.get(tid, -1):
                    if tid in before.core_wait_ns:
                        taken.core_wait_ns[tid] = before.core_wait_ns[
                            tid
                        ]  # it has not run: it cannot have waited and got it
                else:
                    wanted.add(tid)
        for tid in wanted:
            waited = self._files.core_wait_ns(tid)
            if waited >= 0:
                taken.core_wait_ns[tid] = waited
        self._kept.append(taken)
        return taken

    def begin(self) -> None:
        """Read the counters of the calling thread, whose extraction has just begun; costs some 10 µs.

        After a rest there is nothing newer to compare its first look with.
        """
        own = threading.get_native_id()
        began = ThreadCounters(time.perf_counter_ns(), time.process_time_ns(), -1)
        began.cpu_ns[own] = time.thread_time_ns()
        waited = core_wait_ns(own)
        if waited >= 0:
            began.core_wait_ns[own] = waited
        self._kept.append(began)

    def before(self, at_ns: int) -> ThreadCounters | None:
        """Return the newest counters from before a moment; the oldest that there are where none is; None without any."""
        kept = list(self._kept)
        older = [one for one in kept if one.at_ns <= at_ns]
        return older[-1] if older else next(iter(kept), None)

    def core_wait_before(self, tid: int, at_ns: int, otherwise: int) -> int:
        """Return what a thread had waited for a core before a moment, or soon after; `otherwise` where that is not known."""
        later = otherwise
        for one in reversed(list(self._kept)):
            waited = one.core_wait_ns.get(tid)
            if waited is not None:
                if one.at_ns <= at_ns:
                    return waited
                later = waited
        return later

    def throttled_ns(self) -> int:
        """Return for how long the quota has stopped processes of the control group; negative without one."""
        return sum(map(_throttled, tuple(self._throttled.values()))) if self._throttled else -1

    def look_for_quota(self, now_ns: int, *, slow: bool = False) -> None:
        """Find the control group's quota, if it is time: it may have been set or lifted, or the process moved to another group.

        Args:
            now_ns: Monotonic time.
            slow: Whether there is something to look at. Then it is put off unless the process has moved: it reads a dozen files.
        """
        if now_ns - self._compared_ns < _GROUPS_FOR_NS:
            return
        self._compared_ns = now_ns
        before, self._groups = self._groups, _groups()
        if self._groups == before and (slow or now_ns - self._asked_ns < _QUOTA_FOR_NS):
            return
        self._asked_ns = now_ns
        paths, files = own_cgroup().throttled_files, self._throttled
        if tuple(files) != paths:
            self._throttled = {path: File(path) for path in paths}
            for file in files.values():
                file.close()

    def renewed(self) -> CounterHistory:
        """Return one for a forked child: what it knows of the control group holds there, too."""
        child = CounterHistory(self._files)
        child._throttled, child._asked_ns, child._groups = self._throttled, self._asked_ns, self._groups
        return child

    def close(self) -> None:
        """Close its files."""
        before, self._throttled = self._throttled, {}
        for file in before.values():
            file.close()


def _groups() -> bytes:
    try:
        return read_once("/proc/self/cgroup", _FILE_BYTES)
    except OSError:
        return b""


def _throttled(file: File) -> int:
    try:
        return throttled_in(file.read(_FILE_BYTES).decode()) or 0
    except (OSError, ValueError):  # the group is gone
        return 0
