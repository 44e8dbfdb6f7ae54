"""Files that the system does not have, or does not let us read: the causes that come from them are absent, and nothing fails."""

from __future__ import annotations

import builtins
import logging
import os
import time

import pytest

import otel_fe
from otel_fe import cgroup, faults
from otel_fe.instrument.watch import threads, watcher
from tests.observed import instrumented

PREFIX = "feature_extraction."


@pytest.fixture(autouse=True)
def no_faults():
    """Begin and end without faults of others."""
    faults.reset()
    yield
    faults.reset()


def deny(monkeypatch, *names):
    """Refuse to open some files of `/proc`."""

    def denied(original):
        def opened(path, *args, **kwargs):
            if str(path).startswith("/proc/self/task/") and str(path).rpartition("/")[2] in names:
                raise PermissionError(13, "Permission denied", path)
            return original(path, *args, **kwargs)

        return opened

    monkeypatch.setattr(builtins, "open", denied(open))
    monkeypatch.setattr(os, "open", denied(os.open))


def slept():
    """Return the span of a slow extraction that slept, and of how many it is the sum."""
    with instrumented(slow_threshold_s=0.04, watch_threshold_s=0.005) as observed:
        for _ in range(2):
            with otel_fe.extraction("x"):
                time.sleep(0.3)
        counts = faults.counts()
        return observed.extractions("x")[-1], counts


@pytest.mark.skipif(not threads.LINUX, reason="/proc")
def test_without_permission_the_cause_is_absent_and_counted_once(monkeypatch, caplog):
    """The called function names the cause of a wait if the kernel's figures are missing."""
    deny(monkeypatch, "schedstat", "syscall")
    with caplog.at_level(logging.DEBUG, logger="otel_fe"):
        span, counts = slept()
    assert span.attributes[f"{PREFIX}bottleneck"] == "sleep"
    assert f"{PREFIX}time.cpu_wait" not in span.attributes
    assert counts == {"watch.schedstat": 1, "watch.syscall": 1}
    lines = [record for record in caplog.records if "watch.schedstat is unavailable" in record.getMessage()]
    assert [record.levelno for record in lines] == [logging.DEBUG]
    assert "Permission denied" in lines[0].getMessage()


def test_without_control_groups_there_is_no_throttling(monkeypatch):
    """Throttling is absent without control groups, as outside of containers."""
    monkeypatch.setattr(watcher, "own_cgroup", cgroup.Cgroup)
    monkeypatch.setattr("otel_fe.instrument.watch.thread_counters.own_cgroup", cgroup.Cgroup)
    span, counts = slept()
    assert f"{PREFIX}time.cpu_throttled" not in span.attributes
    assert counts["watch.cgroup"] == 1


def test_on_another_platform_lines_and_names_are_what_there_is(monkeypatch):
    """Stacks come from Python on other platforms, and the called function names the cause of a wait."""
    monkeypatch.setattr(threads, "LINUX", False)
    span, counts = slept()
    assert span.attributes[f"{PREFIX}bottleneck"] == "sleep"
    assert "test_unavailable.py:" in span.attributes[f"{PREFIX}hotspot"]
    assert counts.items() >= {"watch.clock": 1, "watch.schedstat": 1, "watch.syscall": 1}.items()
