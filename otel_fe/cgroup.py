"""The control group of this process: the CPU quota and memory limit of a container, and how much of them is used.

Linux only. Versions 1 and 2 of the interface and machines that mount both are read; a limit of an enclosing group counts like
one of its own, since the kernel enforces all of them. Elsewhere, and where `/sys/fs/cgroup` cannot be read, everything is None.

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_UNLIMITED_BYTES: Final = 1 << 62
"""Version 1 writes the largest multiple of a page where there is no memory limit."""
_CPU_STAT: Final = "cpu.stat"
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
"""`mountinfo` writes a blank in a path as `\\040`."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A group's folder in one hierarchy."""

    folder: Path
    version: int
    path: str
    """Relative to the mount point; the same group has the same in every hierarchy."""

    def text(self, name: str) -> str:
        """Return the content of a file of the group; "" where it cannot be read."""
        try:
            return (self.folder / name).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return ""

    def number(self, name: str) -> int | None:
        """Return the number in a file; None where it is no limit, such as `max` or -1."""
        text = self.text(name)
        return int(text) if text.isdecimal() else None

    def entry(self, name: str, *keys: str) -> int | None:
        """Return a value of a file of `key value` lines, by the first of the keys that it has."""
        return _entry(self.text(name), *keys)

    @property
    def quota_cores(self) -> float | None:
        """The group's CPU quota, in cores; None without one."""
        if self.version == 1:
            quota, period = self.number("cpu.cfs_quota_us"), self.number("cpu.cfs_period_us")
        else:
            first, _, second = self.text("cpu.max").partition(" ")
            quota, period = (int(part) if part.isdecimal() else None for part in (first, second))
        return quota / period if quota and period else None

    @property
    def memory_limit_bytes(self) -> int | None:
        """The group's memory limit; None without one."""
        limit = self.number("memory.limit_in_bytes" if self.version == 1 else "memory.max")
        return None if limit is None or limit >= _UNLIMITED_BYTES else limit


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The groups of a process: its own first, then those around it.

    Readings are made at each call, a few files of `/sys/fs/cgroup` each (about 10 µs a file).
    """

    cpu: tuple[_Group, ...] = ()
    cpu_accounting: tuple[_Group, ...] = ()
    memory: tuple[_Group, ...] = ()

    @property
    def cpu_quota_cores(self) -> float | None:
        """The smallest CPU quota of the groups, in cores; None where none has one."""
        return min((cores for group in self.cpu if (cores := group.quota_cores) is not None), default=None)

    @property
    def memory_limit_bytes(self) -> int | None:
        """The smallest memory limit of the groups; None where none has one."""
        return min((limit for group in self.memory if (limit := group.memory_limit_bytes) is not None), default=None)

    @property
    def cpu_time_ns(self) -> int | None:
        """The CPU time that the group of the smallest quota has used, over all its processes and cores."""
        group = self._tightest_cpu()
        if group is None:
            return None
        if group.version == 1:
            # Mostly the same hierarchy; in a different one, this process may be in a group of another name.
            return next((one.number("cpuacct.usage") for one in self.cpu_accounting if one.path == group.path), None)
        used_us = group.entry("cpu.stat", "usage_usec")
        return None if used_us is None else used_us * 1000

    @property
    def throttled_ns(self) -> int | None:
        """The time for which the quota has stopped processes of the groups; None where there is no quota.

        The kernel adds it up over the cores: it can grow by more than the time that has passed.
        """
        found = [throttled_in(group.text(_CPU_STAT)) for group in self._limited_cpu()]
        known = [throttled for throttled in found if throttled is not None]
        return sum(known) if known else None

    @property
    def throttled_files(self) -> tuple[str, ...]:
        """The files whose sum is `throttled_ns` (see `throttled_in`), for callers that keep them open; none without a quota."""
        found = [(str(group.folder / _CPU_STAT), group.text(_CPU_STAT)) for group in self._limited_cpu()]
        return tuple(path for path, text in found if throttled_in(text) is not None)

    @property
    def working_set_bytes(self) -> int | None:
        """The memory of the group of the smallest limit that the kernel cannot simply drop, as Kubernetes counts it.

        Usage less the page cache that was not used lately: at the limit, the kernel kills a process.
        """
        group = self._tightest_memory()
        if group is None:
            return None
        usage = group.number("memory.usage_in_bytes" if group.version == 1 else "memory.current")
        if usage is None:
            return None
        return max(0, usage - (group.entry("memory.stat", "total_inactive_file", "inactive_file") or 0))

    @property
    def oom_kills(self) -> int | None:
        """The number of out-of-memory kills in the group with the smallest limit."""
        group = self._tightest_memory()
        if group is None:
            return None
        return group.entry("memory.oom_control" if group.version == 1 else "memory.events", "oom_kill")

    def _limited_cpu(self) -> list[_Group]:
        return [group for group in self.cpu if group.quota_cores is not None]

    def _tightest_cpu(self) -> _Group | None:
        quotas = [(cores, place) for place, group in enumerate(self.cpu) if (cores := group.quota_cores) is not None]
        return self.cpu[min(quotas)[1]] if quotas else None

    def _tightest_memory(self) -> _Group | None:
        limits = [
            (limit, place) for place, group in enumerate(self.memory) if (limit := group.memory_limit_bytes) is not None
        ]
        return self.memory[min(limits)[1]] if limits else None


def throttled_in(text: str) -> int | None:
    """Return how long the quota has stopped processes of a group, by the text of its `cpu.stat`; None if the text lacks it."""
    throttled_us = _entry(text, "throttled_usec")
    return _entry(text, "throttled_time") if throttled_us is None else throttled_us * 1000


def _entry(text: str, *keys: str) -> int | None:
    found = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    number = next((found[key] for key in keys if key in found), "").strip()
    return int(number) if number.isdecimal() else None


def own_cgroup(process: Path = Path("/proc/self"), root: Path = Path("/")) -> Cgroup:
    """Return the groups of a process; empty where there are none or they cannot be found.

    Args:
        process: Its folder in `/proc`.
        root: What paths in `mountinfo` are relative to.
    """
    try:
        mounts = (process / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        member_of = (process / "cgroup").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return Cgroup()
    paths = _paths(member_of)
    found: dict[str, tuple[_Group, ...]] = {}
    for mount in mounts.splitlines():
        for controller, groups in _hierarchy(mount, paths, root):
            found.setdefault(controller, groups)
    unified = found.get("", ())
    return Cgroup(
        cpu=found.get("cpu") or unified,
        cpu_accounting=found.get("cpuacct", ()),
        memory=found.get("memory") or unified,
    )


def _paths(member_of: str) -> dict[str, str]:
    """Return the path of the process in each hierarchy of `/proc/PID/cgroup`, by controller; version 2's is ""."""
    found = {}
    for line in member_of.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:  # noqa: PLR2004 hierarchy, controllers, path
            for controller in parts[1].split(","):
                found[controller] = parts[2]
    return found


def _hierarchy(mount: str, paths: dict[str, str], root: Path) -> list[tuple[str, tuple[_Group, ...]]]:
    """Return the groups that a line of `mountinfo` leads to, by controller; none where it mounts something else."""
    before, _, after = mount.partition(" - ")
    fields, described = before.split(" "), after.split(" ")
    if len(fields) < 5 or len(described) < 3:  # noqa: PLR2004 as proc(5) has it
        return []
    mounted, point = (_ESCAPED.sub(lambda match: chr(int(match[1], 8)), field) for field in fields[3:5])
    if described[0] == "cgroup2":
        controllers, version = [""], 2
    elif described[0] == "cgroup":
        controllers, version = described[2].split(","), 1
    else:
        return []
    place = root / point.lstrip("/")
    return [
        (controller, _groups(place, mounted, paths[controller], version))
        for controller in controllers
        if controller in paths
    ]


def _groups(point: Path, mounted: str, path: str, version: int) -> tuple[_Group, ...]:
    """Return the group at a path and those around it, as far as they are mounted.

    In a container the mount often begins at its own group (`mounted`), so that the path names folders that are not there.
    """
    inside = posixpath.relpath(path, mounted)
    parts = [] if inside == "." or inside.startswith("..") else inside.split("/")
    found = [
        _Group(point.joinpath(*parts[:count]), version, "/".join(parts[:count])) for count in range(len(parts), -1, -1)
    ]
    return tuple(group for group in found if group.folder.is_dir())
