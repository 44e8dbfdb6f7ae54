"""Files of the kernel's are read without letting go of the interpreter, and a descriptor that has become another's is left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otel_fe.instrument.watch import held, thread_counters
from otel_fe.instrument.watch.held import File
from otel_fe.instrument.watch.thread_counters import CounterHistory
from otel_fe.instrument.watch.threads import ThreadFiles


@pytest.fixture(params=["interpreter held", "through os"])
def calls(request, monkeypatch):
    """Run a test twice: the second time as where `ctypes` cannot be had."""
    if request.param == "through os":
        monkeypatch.setattr(held, "_calls", lambda: None)
    elif sys.platform == "linux":
        assert held._calls() is not None


def test_a_file_is_read_from_its_beginning_each_time(tmp_path, calls):
    path = tmp_path / "stat"
    path.write_text("1 2 3")
    file = File(str(path))
    assert [file.read(), file.read(3)] == [b"1 2 3", b"1 2"]
    path.write_text("4")
    assert file.read() == b"4"
    file.close()
    with pytest.raises(OSError):
        file.read()
    for missing in (File, held.read_once):
        with pytest.raises(OSError):
            missing(str(tmp_path / "missing"))


def test_a_file_that_is_read_once_is_closed(tmp_path, calls):
    path = tmp_path / "stat"
    path.write_text("1 2 3")
    free = os.open(path, os.O_RDONLY)
    os.close(free)
    assert held.read_once(str(path)) == b"1 2 3"
    again = os.open(path, os.O_RDONLY)
    assert again == free
    os.close(again)


def test_a_descriptor_that_the_application_has_closed_and_reused_stays_open(tmp_path, calls):
    """A daemon closes every descriptor, ours among them; the number is soon that of its own socket or log."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.touch()
    theirs.touch()
    file = File(str(ours))
    descriptor = file._descriptor
    os.close(descriptor)
    reused = os.open(theirs, os.O_RDONLY)
    assert reused == descriptor
    file.close()
    os.fstat(reused)  # still open
    os.close(reused)


@pytest.mark.skipif(sys.platform != "linux", reason="these files are Linux's")
def test_a_thread_whose_descriptor_is_another_file_is_not_told_about(tmp_path):
    """The content of another file is not read as a wait for a core."""
    files = ThreadFiles()
    tid = threading.get_native_id()
    assert files.core_wait_ns(tid) >= 0
    other = tmp_path / "other"
    other.write_text("these are words")
    (file,) = files._files.values()
    os.close(file._descriptor)
    reused = os.open(other, os.O_RDONLY)
    assert files.core_wait_ns(tid) == -1
    files.close()
    os.fstat(reused)
    os.close(reused)


class _Group:
    """A control group with a quota, or without one."""

    def __init__(self, *paths):
        self.throttled_files = tuple(map(str, paths))


def test_the_time_that_a_quota_has_taken_follows_a_quota_that_is_set_and_lifted(tmp_path, monkeypatch):
    stat = tmp_path / "cpu.stat"
    stat.write_text("usage_usec 9\nnr_throttled 3\nthrottled_usec 7\n")
    group = _Group()
    monkeypatch.setattr(thread_counters, "own_cgroup", lambda: group)
    history = CounterHistory(ThreadFiles())
    seen = []
    for at_s, paths in ((0, ()), (5, (stat,)), (11, (stat,)), (22, (stat,)), (33, ())):
        group = _Group(*paths)
        history.look_for_quota(at_s * 1_000_000_000)
        seen.append(history.throttled_ns())
    assert seen == [-1, -1, 7_000, 7_000, -1]


def test_a_process_that_is_moved_to_another_group_has_its_quota_at_once(tmp_path, monkeypatch):
    """A move counts at once, also while something is slow; a quota that is set on the same group is found once nothing is."""
    stat = tmp_path / "cpu.stat"
    stat.write_text("throttled_usec 7\n")
    group, groups = _Group(), b"0::/before"
    monkeypatch.setattr(thread_counters, "own_cgroup", lambda: group)
    monkeypatch.setattr(thread_counters, "_groups", lambda: groups)
    history = CounterHistory(ThreadFiles())
    history.look_for_quota(0)
    group = _Group(stat)
    history.look_for_quota(20_000_000_000, slow=True)
    assert history.throttled_ns() < 0
    groups = b"0::/after"
    history.look_for_quota(20_100_000_000, slow=True)
    assert history.throttled_ns() < 0
    history.look_for_quota(21_000_000_000, slow=True)
    assert history.throttled_ns() == 7_000
    group = _Group()
    history.look_for_quota(32_000_000_000)
    assert history.throttled_ns() < 0


def test_a_forked_child_goes_on_with_what_its_parent_knows_of_the_quota(tmp_path, monkeypatch):
    """A forked child uses its parent's knowledge of the quota, and does not read its dozen files again."""
    stat = tmp_path / "cpu.stat"
    stat.write_text("throttled_time 8\n")
    monkeypatch.setattr(thread_counters, "own_cgroup", lambda: _Group(stat))
    history = CounterHistory(ThreadFiles())
    history.look_for_quota(20_000_000_000)
    monkeypatch.setattr(thread_counters, "own_cgroup", lambda: 1 / 0)
    child = history.renewed()
    child.look_for_quota(21_000_000_000)
    assert child.throttled_ns() == 8
    child.close()
    assert child.throttled_ns() < 0


_APPLICATION = """
import json, sys, threading, time
import otel_fe
from tests.observed import instrumented

opened = []
with instrumented(slow_threshold_s=0.04, watch_threshold_s=0.005) as observed:
    while not [t for t in threading.enumerate() if t.name == "otel-fe-watcher"]:
        time.sleep(0.01)
    time.sleep(0.3)  # it prepares itself
    def hook(event, arguments):
        if event == "open" and threading.current_thread().name == "otel-fe-watcher":
            opened.append(str(arguments[0]))
    sys.addaudithook(hook)
    with otel_fe.extraction("x"):
        time.sleep(0.2)
    span = observed.extraction("x")
print(json.dumps([span.attributes["feature_extraction.bottleneck"], opened]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="these files are Linux's")
def test_looking_at_a_slow_extraction_opens_no_file_in_a_way_that_lets_go_of_the_interpreter():
    """Each time, a thread that computes would keep it for 5 ms: the first look took 60 ms beside one."""
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _APPLICATION],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["sleep", []]
