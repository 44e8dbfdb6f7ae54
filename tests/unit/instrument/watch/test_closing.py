"""The end of a slow extraction, after the last look at it."""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace

import pytest

from otel_fe.instrument.watch import closing
from otel_fe.instrument.watch.thread_counters import CounterHistory
from otel_fe.instrument.watch.threads import ThreadFiles, native_id
from otel_fe.instrument.watch.watched import Segment, Watched

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these counters are Linux's")


def spin(until):
    """Use CPU time of this thread until an event is set."""
    while not until.is_set():
        pass


@pytest.fixture
def asked(monkeypatch):
    """Return the threads that are asked how long they waited for a core."""
    found = []
    original = closing.core_wait_ns
    monkeypatch.setattr(closing, "core_wait_ns", lambda tid: found.append(tid) or original(tid))
    return found


@pytest.mark.parametrize(("wait", "counted"), [("", True), ("gil", True), ("sleep", False)])
def test_other_threads_are_counted_where_they_may_have_held_the_interpreter(asked, wait, counted):
    """Only threads that have run for long are asked for their waits."""
    go, stop = threading.Event(), threading.Event()
    busy = threading.Thread(target=lambda: go.wait() and spin(stop))
    idle = threading.Thread(target=stop.wait)
    for thread in (busy, idle):
        thread.start()
    history = CounterHistory(ThreadFiles())
    began = time.perf_counter_ns()
    own = threading.get_native_id()
    tids = [native_id(thread.ident) for thread in (busy, idle)]
    watched = Watched(began)
    watched.counters = history.take(began, [busy.ident, idle.ident, threading.get_ident()], [own, *tids])
    watched.add(Segment(began, began + 1, 0, wait, ()))
    go.set()
    while time.clock_gettime_ns((~tids[0] << 3) | 6) - watched.counters.cpu_ns[tids[0]] < 10_000_000:
        time.sleep(0.001)
    extraction = SimpleNamespace(watched=watched, start_mono_ns=began, own_cpu_ns=0, handed_cpu_ns=0)
    last = closing.segments_of(extraction, time.perf_counter_ns(), history)[-1]
    stop.set()
    busy.join()
    idle.join()
    assert asked == ([own, tids[0]] if counted else [own])
    assert (last.others_cpu_ns >= 10_000_000) is counted
