"""Changes of another instrumentation's up-down counter are summed between two collections, and none is lost."""

from __future__ import annotations

import threading

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from otel_fe.config.settings import Settings
from otel_fe.instrument.process import ProcessPipeline
from otel_fe.sdk.summed_counter import SummedCounter


def points(reader) -> dict:
    """Return the sums that a reader collects now, by attributes."""
    metrics = [
        metric
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "usage"
    ]
    return {tuple(sorted(point.attributes.items())): point.value for m in metrics for point in m.data.data_points}


@pytest.fixture
def counted():
    """Return a reader, the SDK's counter, and its proxy, under a pipeline."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    traces = TracerProvider(shutdown_on_exit=False)
    pipeline = ProcessPipeline(Settings(), traces, meters)
    pipeline.install()
    counter = meters.get_meter("t").create_up_down_counter("usage")
    yield reader, counter, SummedCounter(counter), pipeline
    pipeline.remove()
    meters.shutdown()


def test_a_reader_gets_all_changes_up_to_its_collection(counted):
    """A collection includes all changes, also those of a series whose sum is 0."""
    reader, _, summed, _ = counted
    summed.add(1, {"state": "used"})
    summed.add(-1, {"state": "idle"})
    summed.add(1, {"state": "idle"})
    summed.add(2)

    assert points(reader) == {(("state", "used"),): 1, (("state", "idle"),): 0, (): 2}

    summed.add(-1, {"state": "used"})
    assert points(reader)[("state", "used"),] == 0


def test_changes_are_handed_on_at_once_where_no_pipeline_runs(counted):
    """Removing the pipeline flushes the waiting changes; without a pipeline, each change is passed on at once."""
    reader, _, summed, pipeline = counted
    summed.add(1, {"state": "used"})
    pipeline.remove()
    assert points(reader) == {(("state", "used"),): 1}
    summed.add(1, {"state": "used"})
    assert not summed._waiting
    pipeline.install()


def test_changes_from_many_threads_are_all_counted(counted):
    """Appending needs no lock, and each change is summed once."""
    reader, _, summed, _ = counted

    def work():
        for number in range(3_000):
            summed.add(1 if number % 3 else -1, {"state": "used"})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        reader.collect()
    for thread in threads:
        thread.join()

    assert points(reader) == {(("state", "used"),): 4 * (2_000 - 1_000)}


def test_the_rest_is_the_counters_own(counted):
    """Other attributes, such as the name, are those of the wrapped counter."""
    _, counter, summed, _ = counted
    assert summed.name == counter.name == "usage"
