"""The load that a process reports: its number, its CPU time, its size, and how many extractions run at once."""

from __future__ import annotations

import os
import sys

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_fe import process_metrics, semconv
from otel_fe.cgroup import Cgroup, own_cgroup
from otel_fe.instrument.exported_load import ExportedLoad
from otel_fe.instrument.process_load import ProcessLoad, cores, has_gil, machine_cpu_s, memory_limit_bytes
from otel_fe.model.histogram import Histogram
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS
from otel_fe.sdk.metric_points import Collection

NS = 1_000_000_000


class Clock:
    def __init__(self):
        self.ns = 5 * NS

    def __call__(self):
        return self.ns


def told(load):
    found = Collection(0, 1)
    histogram = Histogram(DURATION_EDGES_NS)
    histogram.record(5)
    found.histograms[semconv.DURATION][()] = histogram.state()
    load.add_to(found)
    return found


def test_time_counts_from_the_beginning_in_nanoseconds_and_leaves_in_seconds():
    wall, cpu = Clock(), Clock()
    load = ProcessLoad(wall, cpu, list)
    wall.ns += 90 * NS
    cpu.ns += 30 * NS
    by_name = {one.name: one.data for one in told(load).metrics(None, delta_histograms=False, delta_counters=False)}
    assert by_name[process_metrics.PROCESS_TIME].data_points[0].value == 90
    assert by_name[process_metrics.PROCESS_CPU_TIME].data_points[0].value == 30
    assert by_name[process_metrics.PROCESS_TIME].is_monotonic


def test_a_forked_child_begins_anew():
    wall, cpu = Clock(), Clock()
    load = ProcessLoad(wall, cpu, lambda: [1, 1])
    load.sample()
    wall.ns += 90 * NS
    cpu.ns = 0
    load.forget()
    found = told(load)
    assert found.counters[process_metrics.PROCESS_TIME][()] == 0
    assert found.counters[process_metrics.PROCESS_CPU_TIME][()] == 0
    assert process_metrics.CONCURRENCY not in found.labelled_gauges


def test_the_peak_is_that_of_the_last_minute():
    """The peak comes with the threads of that moment: three tasks on one thread are an event loop's."""
    running = []
    load = ProcessLoad(Clock(), Clock(), lambda: running)
    running[:] = [7, 7, 7]
    load.sample()
    running[:] = [7]
    load.sample()
    gauges = told(load).labelled_gauges
    assert gauges[process_metrics.CONCURRENCY] == {(): 3}
    assert gauges[process_metrics.CONCURRENCY_THREADS] == {(): 1}
    for _ in range(60):
        load.sample()
    assert told(load).labelled_gauges[process_metrics.CONCURRENCY] == {(): 1}


def test_sizes_are_of_this_machine():
    load = ProcessLoad(Clock(), Clock(), list)
    load.sample()
    gauges = told(load).labelled_gauges
    ((labels, found),) = gauges[process_metrics.PROCESS_CORES].items()
    assert labels[0][0] == semconv.HOST_NAME
    assert 0 < found <= (os.cpu_count() or 1)
    assert found == cores(own_cgroup())
    assert list(gauges[process_metrics.MEMORY_LIMIT].values()) == [memory_limit_bytes(own_cgroup())]
    assert gauges[process_metrics.PROCESS_GIL] == {(): float(has_gil())}
    assert has_gil() or sys.version_info >= (3, 13)


def test_a_process_without_extractions_tells_nothing():
    """The parent of a server's workers is none of them."""
    found = Collection(0, 1)
    load = ProcessLoad(Clock(), Clock(), list)
    load.sample()
    load.add_to(found)
    assert not found.counters
    assert not found.labelled_gauges


def test_the_machine_s_busy_cores_are_those_of_the_last_minute():
    """Three cores for ten seconds, by whichever processes."""
    wall, used = Clock(), iter([100.0, 115.0, 130.0])
    load = ProcessLoad(wall, Clock(), list, lambda: next(used))
    for _ in range(3):
        load.sample()
        wall.ns += 5 * NS
    ((_, busy),) = told(load).labelled_gauges[process_metrics.MACHINE_BUSY].items()
    assert busy == 3.0
    assert machine_cpu_s(own_cgroup()) > 0


def test_busy_cores_are_those_that_the_process_may_use():
    """Pinned to one of several cores, it counts that one alone: others' work elsewhere takes nothing from it."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        one = machine_cpu_s(Cgroup())
    finally:
        os.sched_setaffinity(0, allowed)
    every = machine_cpu_s(Cgroup())
    assert 0 < one <= every
    assert len(allowed) == 1 or one < every


def test_a_process_whose_spans_a_collector_counts_exports_its_load():
    """The application's meter provider exports the load, from the first extraction until otel_fe is switched off."""
    reader, ended = InMemoryMetricReader(), [0]
    provider = MeterProvider([reader], shutdown_on_exit=False)
    load = ExportedLoad.begin(provider, lambda: ended[0])

    def told():
        data = reader.get_metrics_data()
        scopes = [s for r in data.resource_metrics for s in r.scope_metrics] if data is not None else []
        return {m.name: m.data.data_points[0] for s in scopes for m in s.metrics if m.data.data_points}

    assert told() == {}
    ended[0] = 1
    load._load.sample()
    found = told()
    assert 0 < found[process_metrics.PROCESS_TIME].value < 60
    assert found[process_metrics.PROCESS_CORES].attributes.keys() == {semconv.HOST_NAME}
    assert {*ProcessLoad.METRICS} - found.keys() <= {process_metrics.MACHINE_BUSY}  # which takes two samples
    load.end()
    assert told() == {}
    provider.shutdown()
