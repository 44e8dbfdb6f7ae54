"""Resident memory, read through a descriptor that an application may take away."""

from __future__ import annotations

import os
import sys

import psutil
import pytest

import otel_fe
from otel_fe import faults
from otel_fe.instrument import resources

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is held open")


def fresh():
    """Return resident memory, read afresh."""
    return resources.rss_bytes(resources._read_at_ns + resources.GRAIN_NS + 1, 0)


def test_a_reading_is_good_for_its_grain():
    """Within it there is no second one; with a grain of 0 there always is."""
    start = fresh()
    now = resources._read_at_ns
    block = bytearray(50_000_000)
    for at in range(0, len(block), 4096):
        block[at] = 1
    assert resources.rss_bytes(now + resources.GRAIN_NS - 1) == start
    again = resources.rss_bytes(now + 1, 0)
    # Not compared with what it was: the system may have taken other memory back meanwhile.
    assert again != start
    assert again == pytest.approx(psutil.Process().memory_info().rss, abs=10_000_000)
    del block


@pytest.mark.parametrize("instead", [None, "text", "pipe"])
def test_a_daemon_that_closes_every_file_has_its_own_left_alone(observed, tmp_path, instead):
    """Memory is read through a new descriptor; what has the old one's number now stays open, also across a fork."""
    before, taken = faults.counts(), resources._statm
    others = []
    if instead == "text":
        (tmp_path / "log").write_text("the application's own")
        others = [os.open(tmp_path / "log", os.O_RDONLY)]
    elif instead == "pipe":
        others = list(os.pipe())
    if others:
        os.dup2(others[0], taken)
    else:
        os.close(taken)
    with otel_fe.extraction("x"):
        fresh()
    resources._after_fork()
    if others:
        assert os.fstat(taken).st_ino == os.fstat(others[0]).st_ino
        for descriptor in (taken, *others):
            os.close(descriptor)
    assert fresh() > 1_000_000
    assert len(observed.extractions()) == 1
    assert faults.counts() == before


def test_after_a_fork_the_parents_own_descriptor_is_closed_and_only_it():
    """A child holds one descriptor, not one for each generation."""
    held = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        resources._after_fork()
    assert len(os.listdir("/proc/self/fd")) == held
    assert fresh() > 1_000_000
