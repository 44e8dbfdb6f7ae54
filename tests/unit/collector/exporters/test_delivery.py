"""The outcome of one request: sent, refused, out of time, or interrupted."""

from __future__ import annotations

import logging

import pytest

from otel_fe.collector.exporters.delivery import Delivery, Stop
from otel_fe.collector.exporters.outcome import Delivered, Failed
from otel_fe.collector.exporters.payload import EXPORT_FAILED, RETRY_EXHAUSTED, SENT, SHUTDOWN
from otel_fe.collector.exporters.reachability import Reachability
from otel_fe.collector.exporters.tallies import Tallies
from otel_fe.config.sending import Retry
from otel_fe.testing import FakeClock
from tests.unit.collector.exporters.fakes import Ledger, Scripted

S = 1_000_000_000
STEADY = Retry(randomization_factor=0)
AGAIN = Failed("UNAVAILABLE", may_pass=True)


class FakeStop(Stop):
    """Moves the clock where the real one waits."""

    def __init__(self, clock, ends_after=None):
        super().__init__()
        self.clock = clock
        self.waits = []
        self.ends_after = ends_after

    def pause(self, ns):
        self.waits.append(ns / S)
        self.clock.advance(ns=ns)
        if len(self.waits) == self.ends_after:
            self.set()


def deliver(*outcomes, retry=STEADY, ends_after=None):
    clock = FakeClock()
    stop = FakeStop(clock, ends_after)
    transport = Scripted(*outcomes)
    tallies = Tallies(Ledger())
    delivery = Delivery(transport, retry, Reachability("otlp_grpc", clock), tallies, clock, lambda: 0.5, stop)
    reason = delivery.send("traces", b"x", 10).reason
    return (reason, tallies.rejected, tallies.failed_tries), stop.waits, len(transport.sent)


def test_is_sent():
    assert deliver() == ((SENT, 0, 0), [], 1)


def test_is_tried_again_until_it_is_sent():
    assert deliver(AGAIN, AGAIN) == ((SENT, 0, 2), [5, 7.5], 3)


def test_what_no_try_would_change_is_not_tried_again():
    assert deliver(Failed("INVALID_ARGUMENT", may_pass=False)) == ((EXPORT_FAILED, 0, 1), [], 1)


def test_a_fault_of_the_transport_ends_in_a_reason():
    assert deliver(RuntimeError("a bug")) == ((EXPORT_FAILED, 0, 1), [], 1)


def test_is_given_up_after_the_longest_time():
    """Delivery is given up after 300 s with the Collector's defaults, and after exactly the waits that fit in."""
    (reason, _, tries), waits, _ = deliver(*[AGAIN] * 100)
    assert reason == RETRY_EXHAUSTED
    assert sum(waits) <= 300 < sum(waits) + 30
    assert tries == len(waits) + 1


def test_without_retry_it_is_tried_once():
    assert deliver(AGAIN, retry=None) == ((RETRY_EXHAUSTED, 0, 1), [], 1)


def test_the_backend_says_how_long_to_wait():
    assert deliver(Failed("RESOURCE_EXHAUSTED", may_pass=True, after_ns=42 * S))[1] == [42]


def test_a_shutdown_ends_the_wait_for_one_last_try():
    assert deliver(AGAIN, ends_after=1) == ((SENT, 0, 1), [5], 2)
    assert deliver(AGAIN, AGAIN, ends_after=1) == ((SHUTDOWN, 0, 2), [5], 2)


def test_what_is_rejected_is_told_and_never_more_than_there_is(caplog):
    with caplog.at_level(logging.WARNING, "otel_fe"):
        assert deliver(Delivered(3, "too old"))[0] == (SENT, 3, 0)
        assert deliver(Delivered(99))[0] == (SENT, 10, 0)
    assert "too old" in caplog.text


class TestReachability:
    @pytest.fixture
    def clock(self):
        return FakeClock()

    @pytest.fixture
    def said(self, caplog):
        caplog.set_level(logging.DEBUG, "otel_fe")
        return lambda: [record.getMessage() for record in caplog.records]

    def test_a_warning_when_it_goes_and_one_when_it_comes_back(self, clock, said):
        backend = Reachability("otlp_grpc", clock)
        for _ in range(50):
            backend.failed("UNAVAILABLE: connection refused")
            clock.advance(1)
        backend.dropped(RETRY_EXHAUSTED, 7)
        for _ in range(50):
            backend.answered()
        assert said() == [
            "exporter otlp_grpc: the backend cannot be reached (UNAVAILABLE: connection refused)",
            "exporter otlp_grpc: items are being dropped (retry_exhausted)",
            "exporter otlp_grpc: the backend is back after 50.0 s; failed attempts: 50; 7 items dropped (retry_exhausted)",
        ]

    def test_one_that_comes_and_goes_is_spoken_of_once_a_minute(self, clock, said):
        backend = Reachability("otlp_grpc", clock)
        for _ in range(600):
            backend.failed("UNAVAILABLE")
            clock.advance(0.05)
            backend.answered()
            clock.advance(0.05)
        assert len(said()) == 2

    def test_what_is_dropped_is_spoken_of_when_it_begins(self, clock, said):
        backend = Reachability("otlp_grpc", clock)
        for _ in range(10_000):
            backend.dropped("queue_full", 10)
            clock.advance(0.1)
        clock.advance(61)
        backend.dropped("queue_full", 10)
        assert len(said()) == 2
