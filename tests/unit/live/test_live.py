"""Parts of the live view beside what the properties show: resources, the feed, reentrancy, trends."""

from __future__ import annotations

import logging
import os
import threading

import pytest

from otel_fe.cgroup import Cgroup
from otel_fe.live.feed import leave, watch
from otel_fe.live.resources import ResourceSampler
from otel_fe.live.trends import trends_of
from otel_fe.live.view import ExtractionGroup, LiveView
from otel_fe.model.measurements import Measurements
from otel_fe.pipeline.derive import DerivedMetrics
from otel_fe.testing import FakeClock


class _Gpu:
    utilization = 0.5
    memory_bytes = 3_000_000


def test_resources_are_sampled_at_most_once_a_second():
    """The first has no rates; within a second the same is returned; the GPU's sample is taken as it is."""
    clock = FakeClock()
    sampler = ResourceSampler(clock, _Gpu)
    first = sampler.latest()
    assert (first.cpu_percent, first.process_cpu_percent) == (None, None)
    assert (first.gpu_percent, first.gpu_memory_mb) == (50.0, 3.0)
    assert 0 < first.memory_percent < 100
    assert sampler.latest() is first
    sum(range(2_000_000))
    clock.advance(1)
    second = sampler.latest()
    assert second is not first
    assert second.process_cpu_percent >= 0
    assert dict(second)["process_memory_mb"] > 1


class _Container:
    """A container that uses 0.9 of its one core and 1.8 of its 2 GB in the second between two samples."""

    cpu_quota_cores = 1.0
    memory_limit_bytes = 2_000_000_000
    working_set_bytes = 1_800_000_000
    oom_kills = 2

    def __init__(self, clock):
        self._clock = clock

    @property
    def cpu_time_ns(self):
        return self._clock.monotonic_ns() * 9 // 10

    @property
    def throttled_ns(self):
        return self._clock.monotonic_ns() // 4


def test_container_limits_are_measured_where_there_are_some():
    """Whatever the machine does: the kernel throttles and kills by the container's."""
    clock = FakeClock()
    sampler = ResourceSampler(clock, cgroup=lambda: _Container(clock))
    sampler.latest()
    clock.advance(1)

    found = sampler.latest()

    assert found.cpu_percent == pytest.approx(90)
    assert found.cpu_limit_cores == 1.0
    assert found.cpu_throttled_percent == pytest.approx(25)
    assert found.memory_percent == pytest.approx(90)
    assert found.memory_available_mb == pytest.approx(200)
    assert found.memory_limit_mb == 2000
    assert found.oom_kills == 2


def test_machine_is_measured_without_limits():
    sampler = ResourceSampler(FakeClock(), cgroup=Cgroup)

    found = sampler.latest()

    assert (found.cpu_limit_cores, found.cpu_throttled_percent, found.memory_limit_mb, found.oom_kills) == (None,) * 4
    assert 0 < found.memory_percent < 100


def test_memory_limit_above_the_machines_memory_limits_nothing():
    class Generous(_Container):
        memory_limit_bytes = 1 << 60

    clock = FakeClock()

    assert ResourceSampler(clock, cgroup=lambda: Generous(clock)).latest().memory_limit_mb is None


def test_a_forked_child_samples_itself():
    """A forked child samples its own resources, even if the parent was sampling during the fork."""
    sampler = ResourceSampler(FakeClock())
    sampler.latest()
    sampler._lock.acquire()
    pid = os.fork()
    if pid == 0:
        found = sampler.latest()
        os._exit(0 if found.process_cpu_percent is None and sampler._process.pid == os.getpid() else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_one_watcher_that_fails_harms_neither_the_other_nor_the_count(caplog):
    """A failing follower is logged once, after the engine has counted the extraction."""
    metrics = DerivedMetrics(10, lambda _: 0)
    seen = []

    def failing(figures):
        raise ValueError(figures)

    watch(metrics, failing)
    watch(metrics, seen.append)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            metrics.record(Measurements())
    assert len(seen) == 3
    assert len(caplog.records) == 1
    assert metrics._observed_by.faults == 3
    assert metrics.all_series()[0].duration.count == 3
    leave(metrics, failing)
    leave(metrics, seen.append)
    assert metrics._observed_by is None


def test_nobody_watching_costs_nothing():
    """Counting asks one attribute."""
    metrics = DerivedMetrics(10, lambda _: 0)
    assert metrics._observed_by is None
    metrics.record(Measurements())


def test_an_extraction_that_ends_in_the_middle_of_a_record_is_counted():
    """An extraction is counted that ends within another's record, as when a garbage collection closes a generator."""
    clock = FakeClock()
    view = LiveView(clock)
    original, inside = clock.monotonic_ns, []

    def reentering():
        if not inside:
            inside.append(True)
            view.record(Measurements())
        return original()

    view._monotonic_ns = reentering
    view.record(Measurements())
    assert view.total == 2
    assert view.window(ExtractionGroup(), 60).tally.count == 2


def test_threads_lose_no_count():
    """Eight at once."""
    view = LiveView(FakeClock())

    def work():
        for number in range(500):
            figures = Measurements()
            figures.duration_ns = number
            view.record(figures)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert view.window(ExtractionGroup(), 60).tally.count == view.total == 4_000


@pytest.mark.parametrize(
    ("durations", "direction"),
    [
        ([50] * 12, "steady"),
        ([50, 51] * 6, "steady"),
        (range(40, 100, 5), "worsening"),
        (range(100, 40, -5), "improving"),
        ([50, 60], "unknown"),
    ],
)
def test_trends(durations, direction):
    """A rank test decides on trends, so noise is steady."""
    clock = FakeClock()
    view = LiveView(clock)
    for duration in durations:
        for _ in range(20):
            figures = Measurements()
            figures.duration_ns = duration * 1_000_000
            view.record(figures)
        clock.advance(60)
    found = trends_of(view.slices(ExtractionGroup(), 3600), 1.0, 0)
    assert found.trends["p95_latency_ms"].direction == direction
    assert len(found.points) == len(durations)
