"""A backend refuses a batch as malformed: only the items that it refuses alone are lost, in a bounded number of tries."""

from __future__ import annotations

import pytest

from otel_fe.collector.exporters.delivery import Delivery, Stop
from otel_fe.collector.exporters.isolation import MOST_TRIES, PAUSE_NS, Isolation
from otel_fe.collector.exporters.outcome import Delivered, Failed
from otel_fe.collector.exporters.payload import EXPORT_FAILED, MALFORMED, SENT, SHUTDOWN, Payload
from otel_fe.collector.exporters.reachability import Reachability
from otel_fe.collector.exporters.tallies import Tallies
from otel_fe.config.sending import Retry
from otel_fe.testing import FakeClock
from tests.unit.collector.exporters.fakes import Ledger, metrics, span_names, traces

REFUSED = Failed("INVALID_ARGUMENT", may_pass=False, divisible=True)


class Picky:
    """A backend that refuses any request in which there is one of certain spans."""

    def __init__(self, *refused: str, everything: bool = False):
        self.refused = set(refused)
        self.everything = everything
        self.tries = 0
        self.taken: list[str] = []

    def start(self):
        """Do nothing."""

    def send(self, signal, data):
        self.tries += 1
        if self.everything:
            return REFUSED
        names = span_names(data)
        if self.refused & set(names):
            return REFUSED
        self.taken += names
        return Delivered()

    def close(self):
        """Do nothing."""


def isolating(backend, clock=None, stop=None):
    clock = clock or FakeClock()
    delivery = Delivery(
        backend, Retry(), Reachability("otlp", clock), Tallies(Ledger()), clock, lambda: 0.5, stop or Stop()
    )
    return Isolation(delivery, clock)


@pytest.mark.parametrize("culprit", [0, 1, 499, 999])
def test_the_culprit_alone_is_refused(culprit: int):
    """Whichever of 1 000 items is malformed, the others arrive once each, in about 10 tries."""
    backend = Picky(f"span-{culprit}")
    (outcome,) = isolating(backend).deliver([traces(1_000, scopes=7)])
    assert outcome == {SENT: 999, MALFORMED: 1}
    assert sorted(backend.taken) == sorted(f"span-{number}" for number in range(1_000) if number != culprit)
    assert backend.tries <= 22


def test_payloads_of_one_batch_are_told_apart():
    """Only the payload of the malformed item loses it; the others are delivered whole."""
    backend = Picky("span-12")
    outcomes = isolating(backend).deliver([traces(10), traces(10, first=10), traces(10, first=20)])
    assert outcomes == [{SENT: 10}, {SENT: 9, MALFORMED: 1}, {SENT: 10}]
    assert len(backend.taken) == 29


def test_tries_are_bounded():
    """Every second span is refused: what is not tried in time is lost by another name."""
    backend = Picky(*(f"span-{number}" for number in range(0, 1_000, 2)))
    (outcome,) = isolating(backend).deliver([traces(1_000)])
    assert backend.tries == 1 + MOST_TRIES
    assert sum(outcome.values()) == 1_000
    assert outcome[MALFORMED] >= 5
    assert outcome[SENT] == len(backend.taken)
    assert outcome[EXPORT_FAILED] > 900


def test_a_backend_that_refuses_everything_is_not_pestered():
    """If a backend refuses everything, no item is to blame, and nothing is split for a minute."""
    clock, backend = FakeClock(), Picky(everything=True)
    isolation = isolating(backend, clock)
    assert isolation.deliver([traces(1_000)]) == [{EXPORT_FAILED: 1_000}]
    tried = backend.tries
    assert isolation.deliver([traces(1_000)]) == [{EXPORT_FAILED: 1_000}]
    assert backend.tries == tried + 1
    clock.advance(ns=PAUSE_NS)
    isolation.deliver([traces(1_000)])
    assert backend.tries > tried + 2


def test_a_refusal_of_another_kind_splits_nothing():
    class Forbidden(Picky):
        def send(self, signal, data):
            self.tries += 1
            return Failed("PERMISSION_DENIED", may_pass=False)

    backend = Forbidden()
    assert isolating(backend).deliver([traces(10)]) == [{EXPORT_FAILED: 10}]
    assert backend.tries == 1


def test_one_item_and_what_cannot_be_split_are_refused_as_they_are():
    backend = Picky(everything=True)
    assert isolating(backend).deliver([traces(1)]) == [{EXPORT_FAILED: 1}]
    assert isolating(backend).deliver([Payload("traces", b"\xff", 5)]) == [{EXPORT_FAILED: 5}]


def test_points_of_a_metric_are_split_too():
    class NoHistograms(Picky):
        def send(self, signal, data):
            self.tries += 1
            return REFUSED if b"histogram" in data else Delivered()

    assert isolating(NoHistograms()).deliver([metrics()]) == [{SENT: 3, MALFORMED: 2}]


def test_the_end_interrupts_it():
    """Spans not yet tried at shutdown are counted as `shutdown` rather than as refused."""
    stop = Stop()

    class Leaving(Picky):
        def send(self, signal, data):
            outcome = super().send(signal, data)
            if self.tries == 3:
                stop.set()
            return Failed("UNAVAILABLE", may_pass=True) if stop.is_set() else outcome

    (outcome,) = isolating(Leaving("span-99"), stop=stop).deliver([traces(100)])
    assert outcome == {SENT: 50, SHUTDOWN: 50}
