"""Plans are requested by statement, by minute, and in the background."""

from __future__ import annotations

import os

import pytest

from otel_fe import faults
from otel_fe.instrument.plans.asking import Plans
from otel_fe.testing import FakeClock

MINUTE = 60.0


class Bed:
    """Plans whose background runs when a test says so."""

    def __init__(self, per_minute=6):
        self.clock = FakeClock(10**18)
        self.started, self.asked, self.found = [], [], []
        self.plans = Plans(50_000_000, per_minute, self.clock, self.started.append)

    def of(self, key, plan="Seq Scan"):
        def ask():
            self.asked.append(key)
            if isinstance(plan, Exception):
                raise plan
            return plan

        return self.plans.of(key, ask, self.found.append)

    def work(self):
        while self.started:
            self.started.pop(0)()


def test_the_first_asks_and_the_next_have_the_plan():
    bed = Bed()
    assert bed.of("a") == ""
    assert bed.of("a") == "", "it is asked for in the background, and once"
    assert bed.asked == []
    bed.work()
    assert (bed.asked, bed.found) == (["a"], ["Seq Scan"])
    assert bed.of("a") == "Seq Scan"
    bed.work()
    assert bed.asked == ["a"]


def test_a_statement_is_asked_about_once_in_ten_minutes():
    """Until the new plan is there, the previous one is used."""
    bed = Bed()
    bed.of("a", "old")
    bed.work()
    bed.clock.advance(10 * MINUTE - 1)
    assert bed.of("a", "new") == "old"
    bed.work()
    bed.clock.advance(1)
    assert bed.of("a", "new") == "old"
    bed.work()
    assert bed.of("a") == "new"
    assert len(bed.asked) == 2


def test_a_minute_has_its_most():
    bed = Bed(per_minute=2)
    for key in "abcd":
        bed.of(key)
        bed.work()
    assert bed.asked == ["a", "b"]
    bed.clock.advance(MINUTE)
    for key in "abcd":
        bed.of(key)
        bed.work()
    assert bed.asked == ["a", "b", "c", "d"]


def test_what_waits_and_what_is_known_is_bounded():
    bed = Bed(per_minute=10_000)
    for number in range(100):
        bed.of(number)
    bed.work()
    assert len(bed.asked) == 8
    for number in range(1_000):
        bed.of(number)
        bed.work()
    assert len(bed.plans._known) == 256


def test_a_plan_that_cannot_be_had_is_a_fault_and_not_asked_for_again():
    bed = Bed()
    faults.reset()
    bed.of("a", RuntimeError("permission denied"))
    bed.of("b")
    bed.work()
    assert faults.counts() == {"plans.ask": 1}
    faults.reset()
    assert (bed.of("a"), bed.of("b")) == ("", "Seq Scan")
    bed.work()
    assert bed.asked == ["a", "b"]


def test_once_closed_nothing_is_asked():
    bed = Bed()
    bed.of("a")
    bed.plans.close()
    bed.of("b")
    bed.work()
    assert (bed.asked, bed.found) == ([], [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_starts_over(monkeypatch):
    """The lock and the thread of the parent are not the child's; a process of another number stands for one here."""
    bed = Bed()
    bed.of("a")
    bed.work()
    bed.plans._lock.acquire()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert bed.of("a") == ""
    bed.work()
    assert bed.asked == ["a", "a"]
