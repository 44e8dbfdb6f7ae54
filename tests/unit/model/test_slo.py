from __future__ import annotations

from fractions import Fraction

import pytest

from otel_fe.model.slo import EventCounts
from tests.simulation.minutes import EVENTS, slo


def test_shares_are_exact():
    """Exactly at the share is not more than it: 0.95 is 95/100, in counts of any size."""
    share = Fraction("0.05")
    assert not EventCounts(5, 100).exceed(share)
    assert EventCounts(5, 100).exceed(share, reached=True)
    assert EventCounts(5 * 10**20 + 1, 100 * 10**20).exceed(share)
    assert not EventCounts(0, 0).exceed(share, reached=True)


@pytest.mark.parametrize(
    ("strict", "bad", "met"), [(False, 5, True), (True, 5, False), (False, 6, False), (True, 4, True)]
)
def test_an_objective_is_reached_or_exceeded(strict, bad, met):
    """The SLO decides whether its objective must be reached or exceeded; without events the result is None."""
    assert slo(Fraction("0.95"), strict=strict).met(EventCounts(bad, 100)) is met
    assert slo(Fraction("0.95"), strict=strict).met(EventCounts(0, 0)) is None


def test_burn_rates():
    """The share of bad events over the share that may be."""
    objective = slo(Fraction("0.7"))
    assert objective.burn_rate(EventCounts(10, 10)) == objective.fastest_burn == Fraction(10, 3)
    assert objective.burn_rate(EventCounts(0, 0)) is None
    assert slo(Fraction(1)).burn_rate(EventCounts(1, 10)) is None
    assert slo(Fraction(1)).fastest_burn is None


def test_good_or_bad_events_are_counted():
    """A part that was read a moment later than the total makes neither less than none nor more than all."""
    from dataclasses import replace

    assert EVENTS.bad(3, 10) == 3
    assert EVENTS.bad(11, 10) == 10
    assert replace(EVENTS, part_is_good=True).bad(3, 10) == 7
    assert replace(EVENTS, part_is_good=True).bad(11, 10) == 0
