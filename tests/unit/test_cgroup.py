"""Control groups: the folders and files of containers, as the kernel's documentation has them, and a real group of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from otel_fe.cgroup import Cgroup, own_cgroup

_NO_LIMIT_V1 = "9223372036854771712"


def _machine(root: Path, mountinfo: str, cgroup: str, files: dict[str, str]) -> Cgroup:
    process = root / "proc"
    process.mkdir(parents=True)
    (process / "mountinfo").write_text(mountinfo)
    (process / "cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return own_cgroup(process, root)


def test_container_of_version_2_sees_its_own_group_at_the_mount_point(tmp_path):
    group = _machine(
        tmp_path,
        "31 22 0:27 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n",
        "0::/\n",
        {
            "sys/fs/cgroup/cpu.max": "150000 100000",
            "sys/fs/cgroup/cpu.stat": "usage_usec 7000000\nuser_usec 1\nnr_periods 10\nnr_throttled 3\nthrottled_usec 250000",
            "sys/fs/cgroup/memory.max": "2147483648",
            "sys/fs/cgroup/memory.current": "1500000000",
            "sys/fs/cgroup/memory.stat": "anon 900000000\nfile 600000000\ninactive_file 400000000",
            "sys/fs/cgroup/memory.events": "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1",
        },
    )

    assert group.cpu_quota_cores == 1.5
    assert group.cpu_time_ns == 7_000_000_000
    assert group.throttled_ns == 250_000_000
    assert group.memory_limit_bytes == 2 << 30
    assert group.working_set_bytes == 1_100_000_000
    assert group.oom_kills == 1


def test_smallest_limit_of_nested_groups_applies(tmp_path):
    pod = "sys/fs/cgroup/kubepods/pod1"
    group = _machine(
        tmp_path,
        "31 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
        "0::/kubepods/pod1/main\n",
        {
            f"{pod}/main/cpu.max": "max 100000",
            f"{pod}/main/memory.max": "4294967296",
            f"{pod}/main/memory.current": "1",
            f"{pod}/cpu.max": "100000 100000",
            f"{pod}/cpu.stat": "usage_usec 5\nthrottled_usec 6",
            f"{pod}/memory.max": "1073741824",
            f"{pod}/memory.current": "1000000000",
            "sys/fs/cgroup/kubepods/memory.max": "max",
        },
    )

    assert group.cpu_quota_cores == 1.0
    assert group.cpu_time_ns == 5_000
    assert group.memory_limit_bytes == 1 << 30
    assert group.working_set_bytes == 1_000_000_000


def test_container_of_version_1_without_a_namespace(tmp_path):
    """Docker on version 1: `/proc/self/cgroup` names the host's path, the mount begins at that very group."""
    group = _machine(
        tmp_path,
        "40 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
        "41 31 0:35 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n",
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.stat": "nr_periods 4\nnr_throttled 2\nthrottled_time 123456789",
            "sys/fs/cgroup/cpu,cpuacct/cpuacct.usage": "987654321",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "500000000",
            "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 100000000",
            "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3",
        },
    )

    assert group.cpu_quota_cores == 0.5
    assert group.throttled_ns == 123_456_789
    assert group.cpu_time_ns == 987_654_321
    assert group.memory_limit_bytes == 512 << 20
    assert group.working_set_bytes == 400_000_000
    assert group.oom_kills == 3


def test_version_1_without_limits_has_none(tmp_path):
    group = _machine(
        tmp_path,
        "40 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n41 31 0:35 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        "4:memory:/\n1:cpu:/\n",
        {
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu/cpu.stat": "throttled_time 0",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": _NO_LIMIT_V1,
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "5",
        },
    )

    assert group.cpu_quota_cores is None
    assert group.throttled_ns is None
    assert group.memory_limit_bytes is None
    assert group.working_set_bytes is None


def test_controllers_of_version_1_win_where_both_versions_are_mounted(tmp_path):
    group = _machine(
        tmp_path,
        "41 31 0:35 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n50 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        "4:memory:/\n0::/\n",
        {
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000",
            "sys/fs/cgroup/unified/memory.max": "5",
            "sys/fs/cgroup/unified/cpu.max": "200000 100000",
        },
    )

    assert group.memory_limit_bytes == 1000
    assert group.cpu_quota_cores == 2.0


def test_usage_of_a_group_of_another_name_is_not_taken_for_this_one(tmp_path):
    group = _machine(
        tmp_path,
        "40 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n41 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n",
        "2:cpuacct:/\n1:cpu:/limited\n",
        {
            "sys/fs/cgroup/cpu/limited/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu/limited/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpuacct/cpuacct.usage": "999",
        },
    )

    assert group.cpu_quota_cores == 1.0
    assert group.cpu_time_ns is None


def test_escaped_blanks_in_a_mount_point(tmp_path):
    group = _machine(
        tmp_path,
        "31 22 0:27 / /my\\040cgroups rw - cgroup2 cgroup rw\n",
        "0::/\n",
        {"my cgroups/memory.max": "77"},
    )

    assert group.memory_limit_bytes == 77


@pytest.mark.parametrize(
    "text", ["", "rubbish", "31 22 0:27 / /sys - cgroup2", "\x00\xff - cgroup2 a b", "a b c d e - cgroup x y"]
)
def test_unreadable_descriptions_give_no_groups(tmp_path, text):
    assert _machine(tmp_path, text, "0::/\nrubbish\n1:\n", {}).cpu_quota_cores is None


def test_rubbish_in_files_is_no_limit(tmp_path):
    group = _machine(
        tmp_path,
        "31 22 0:27 / /c rw - cgroup2 cgroup rw\n",
        "0::/\n",
        {"c/cpu.max": "100000 0", "c/memory.max": "-5", "c/memory.stat": "one\ntwo three four"},
    )

    assert (group.cpu_quota_cores, group.memory_limit_bytes, group.throttled_ns) == (None, None, None)


def test_process_that_is_not_there(tmp_path):
    assert own_cgroup(tmp_path / "gone") == Cgroup()


_READ = """
import os, sys, time
from pathlib import Path
from otel_fe.cgroup import own_cgroup
for joined in sys.argv[1:]:  # after the imports, which take long with a tenth of a core
    Path(joined).write_text(str(os.getpid()))
group = own_cgroup()
until = time.monotonic() + 60  # two tenths of a second, unless other processes leave it no more than its tenth of a core
while own_cgroup().throttled_ns < 150_000_000 and time.monotonic() < until:
    pass
group = own_cgroup()
held = b"x" * 30_000_000
print(group.cpu_quota_cores, group.throttled_ns > 100_000_000, group.memory_limit_bytes, group.working_set_bytes > 30_000_000)
"""


@contextmanager
def _real_groups():
    """Make a group with a tenth of a core and 200 MiB, and yield the files that processes join it by."""
    name = f"otel_fe_test_{os.getpid()}"
    places = [Path("/sys/fs/cgroup") / controller / name for controller in ("cpu", "memory")]
    if not all(place.parent.joinpath("cgroup.procs").exists() for place in places):
        pytest.skip("no writable control groups of version 1 here (needs root and their cpu and memory hierarchies)")
    try:
        for place in places:
            place.mkdir()
        (places[0] / "cpu.cfs_quota_us").write_text("10000")
        (places[1] / "memory.limit_in_bytes").write_text(str(200 << 20))
    except OSError as fault:
        pytest.skip(f"control groups cannot be made here: {fault}")
    try:
        yield [place / "cgroup.procs" for place in places]
    finally:
        for place in places:
            place.rmdir()


def test_real_group_of_this_machine():
    with _real_groups() as joined:
        done = subprocess.run(
            [sys.executable, "-c", _READ, *map(str, joined)], capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == ["0.1", "True", str(200 << 20), "True"]
