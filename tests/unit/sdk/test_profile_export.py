"""Profiles on their way out of a process: bounded, counted, never in the application's way."""

from __future__ import annotations

import os
import threading
from collections import Counter

import pytest
from opentelemetry.proto.profiles.v1development.profiles_pb2 import ProfilesData
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from otel_fe import faults, semconv
from otel_fe.sdk import profile_export
from otel_fe.sdk.profile_export import ProfileExport
from otel_fe.sdk.profile_senders import FAILED, UNSUPPORTED, SendOutcome

STACK = "sleep;app.py:3 handle;app.py:9 fetch 40000"


class Backend:
    """Takes requests once it is free, and returns a given answer."""

    def __init__(self):
        self.payloads = []
        self.answer = SendOutcome()
        self.free = threading.Event()
        self.free.set()
        self.busy = threading.Event()
        self.connections = self.closed = 0

    def connect(self):
        self.connections += 1
        return self

    def send(self, payload):
        self.busy.set()
        self.free.wait(30)
        self.payloads.append(payload)
        return self.answer

    def close(self):
        self.closed += 1
        self.free.set()

    @property
    def profiles(self):
        found = [ProfilesData.FromString(payload) for payload in self.payloads]
        return sum(
            len(scope.profiles) for data in found for one in data.resource_profiles for scope in one.scope_profiles
        )


class Process:
    """A tracer provider with an export of profiles, and its counts."""

    def __init__(self, backend, sampler=ALWAYS_ON):
        self._reader = InMemoryMetricReader()
        self._meters = MeterProvider([self._reader])
        self.export = ProfileExport(backend.connect, self._meters, delay_s=0.01)
        self.traces = TracerProvider(sampler=sampler)
        self.traces.add_span_processor(self.export)

    def slow(self, folded=(STACK,), number=1):
        for _ in range(number):
            with self.traces.get_tracer("t").start_as_current_span("x") as span:
                span.add_event(semconv.STACKS_EVENT, {semconv.STACKS_FOLDED: folded})

    def counts(self):
        data = self._reader.get_metrics_data()
        found = Counter()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        found[point.attributes.get("reason", "sent")] += point.value
        return dict(found)


@pytest.fixture
def sink():
    faults.reset()
    return Backend()


@pytest.fixture
def process(sink):
    made = Process(sink)
    yield made
    sink.free.set()
    made.traces.shutdown()
    assert not faults.counts()


def threads():
    return sum(one.name == "otel-fe-profiles" for one in threading.enumerate())


def test_nothing_happens_until_an_extraction_is_slow(process, sink):
    """No thread, and no connection."""
    with process.traces.get_tracer("t").start_as_current_span("healthy") as span:
        span.add_event("other")
    assert process.traces.force_flush()
    assert (threads(), sink.connections, process.counts()) == (0, 0, {})


def test_what_was_slow_is_sent_in_one_request_and_counted(process, sink):
    process.export._delay_s = 30  # only the flush ends it
    process.slow(number=5)
    assert process.traces.force_flush()
    assert (len(sink.payloads), sink.profiles) == (1, 5)
    assert process.counts() == {"sent": 5}


def test_a_span_that_is_not_sampled_has_no_profile(sink):
    unsampled = Process(sink, ALWAYS_OFF)
    unsampled.slow()
    unsampled.traces.shutdown()
    assert not sink.payloads


def test_a_backend_that_hangs_holds_up_no_one_and_what_does_not_fit_is_counted(process, sink, monkeypatch):
    """The queue is bounded in bytes; a flush gives up at its time."""
    monkeypatch.setattr(profile_export, "MOST_BYTES", 1_000)
    sink.free.clear()
    process.slow()
    assert sink.busy.wait(20)
    process.slow(number=20)
    assert not process.traces.force_flush(50)
    fitting = 1_000 // (200 + len(STACK))
    assert process.counts() == {"queue_full": 20 - fitting}
    sink.free.set()
    assert process.traces.force_flush()
    assert process.counts() == {"queue_full": 20 - fitting, "sent": 1 + fitting}


def test_many_are_sent_in_several_requests(process, sink, monkeypatch):
    """One that is too large by itself is in a request of its own."""
    monkeypatch.setattr(profile_export, "_MOST_SENT_BYTES", 100)
    process.slow(number=3)
    assert process.traces.force_flush()
    assert (len(sink.payloads), sink.profiles) == (3, 3)


def test_what_a_backend_refuses_is_counted_by_the_reason_and_said_once(process, sink, caplog):
    """Whatever it refuses later."""
    sink.answer = SendOutcome(FAILED, "INTERNAL")
    process.slow(number=2)
    process.traces.force_flush()
    sink.answer = SendOutcome(rejected=1)
    process.slow(number=3)
    process.export._delay_s = 0.2
    process.traces.force_flush()
    found = process.counts()
    assert caplog.text.count("profiles could not be sent (INTERNAL)") == caplog.text.count("could not be sent") == 1
    assert found.pop("export_failed") == 2
    assert found["sent"] + found["rejected"] == 3
    assert found["rejected"] >= 1


def test_a_backend_that_takes_no_profiles_is_asked_once(process, sink, caplog):
    """Profiles that wait, and later ones, are counted."""
    sink.answer = SendOutcome(UNSUPPORTED, "404 Not Found")
    with caplog.at_level("WARNING", logger="otel_fe"):
        process.slow()
        process.traces.force_flush()
        process.slow(number=3)
        process.traces.force_flush()
    assert len(sink.payloads) == 1
    assert process.counts() == {"unsupported": 4}
    assert caplog.text.count("takes no OTLP profiles (404 Not Found)") == 1


def test_a_connection_that_cannot_be_made_is_a_fault_and_tried_again(sink, caplog):
    """A failing connection, as with a missing certificate, is a fault, and is tried again."""
    attempts = []

    def connect():
        attempts.append(1)
        if len(attempts) == 1:
            raise FileNotFoundError("ca.pem")
        return sink

    process = Process(sink)
    process.export._connect = connect
    with caplog.at_level("ERROR"):
        for _ in range(2):
            process.slow()
            process.traces.force_flush()
    assert process.counts() == {"export_failed": 1, "sent": 1}
    assert faults.counts() == {"profiles.send": 1}
    process.traces.shutdown()
    faults.reset()


def test_shutdown_sends_what_waits_and_ends_the_thread(process, sink):
    process.export._delay_s = 30
    process.slow()
    process.traces.shutdown()
    assert (sink.profiles, sink.closed) == (1, 1)
    process.export.shutdown()
    assert sink.closed == 1
    process.slow()
    assert process.counts() == {"sent": 1, "shutdown": 1}
    process.export._thread.join(20)
    assert not process.export._thread.is_alive()


def test_shutdown_gives_up_a_backend_that_hangs(process, sink, monkeypatch):
    """Profiles that it could not send are counted."""
    monkeypatch.setattr(profile_export, "_SHUTDOWN_S", 0.05)
    sink.free.clear()
    process.slow()
    assert sink.busy.wait(20)
    process.slow(number=2)
    process.export.shutdown()
    process.slow()
    assert sink.closed == 1
    assert process.counts()["shutdown"] == 3


def test_a_forked_child_sends_its_own_alone(process, sink):
    """The parent sends what waits in it; the child has a connection of its own, even while the parent's is busy."""
    sink.free.clear()
    process.slow()
    assert sink.busy.wait(20)
    process.slow(number=2)
    child = os.fork()
    if not child:
        status = 1
        try:
            own = Backend()
            process.export._connect = own.connect
            process.slow()
            status = 0 if process.export.force_flush(20_000) and own.profiles == 1 and not sink.payloads else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    sink.free.set()
    assert process.traces.force_flush()
    assert sink.profiles == 3
