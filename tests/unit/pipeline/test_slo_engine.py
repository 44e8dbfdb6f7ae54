from __future__ import annotations

import random
from fractions import Fraction

from otel_fe import semconv
from otel_fe.model.slo import EventCounts
from otel_fe.pipeline.event_sums import BudgetGroup
from otel_fe.pipeline.slo_engine import SloEngine, gauges
from otel_fe.testing import FakeClock
from otel_fe.units import MINUTE_NS
from tests.simulation.minutes import GROUP, START_NS, Minutes, slo, steady

ERRORS = slo(Fraction("0.99"))


def state_of(history, minute, objective=ERRORS):
    """Return the state after so many minutes."""
    (found,) = SloEngine([objective], history, FakeClock(START_NS + minute * MINUTE_NS)).evaluate()
    return found


def test_ratios_are_sums_over_sums():
    """A quiet minute with every event bad does not outweigh a busy one: 10 of 100 010 are bad, not half of them."""
    state = state_of(Minutes([0, 10], [100_000, 10]), 2)
    assert state.counts == EventCounts(10, 100_010)
    assert not any(one.true for one in state.alerts)
    assert state.met
    assert state.remaining == 1 - Fraction(1000, 100_010)


def test_a_gap_and_a_restart_lose_nothing_and_add_nothing():
    """An engine made anew says what the old one would, and hours without events leave no ratio."""
    bad, total = steady(0.2, 100, 60) + [0] * 400, [100] * 60 + [0] * 400
    history = Minutes(bad, total)
    running = SloEngine([ERRORS], history, FakeClock(START_NS + 60 * MINUTE_NS))
    assert running.evaluate() == running.evaluate() == (state_of(history, 60),)
    state = state_of(history, 460)
    assert not any(one.true for one in state.alerts)
    assert state.alerts[0].rate is None
    assert state.counts == EventCounts(1200, 6000)


def test_a_clock_that_is_set_makes_no_alert():
    """However far the windows move over a history with 0.5 % bad, part over whole stays below 1 %."""
    history = Minutes(steady(0.005, 200, 3000), [200] * 3000)
    draw = random.Random(1)
    for _ in range(200):
        for state in SloEngine(
            [ERRORS], history, FakeClock(START_NS + draw.randint(-500, 9000) * MINUTE_NS)
        ).evaluate():
            assert not any(one.true for one in state.alerts)
            assert state.met is not False


class Groups:
    """Three groups, one of which fails."""

    def events(self, indicator, start_ns, end_ns):
        """Return events by group."""
        return {
            BudgetGroup("shop", "b"): EventCounts(100, 100),
            BudgetGroup("shop", "a"): EventCounts(0, 900),
            BudgetGroup("search", ""): EventCounts(0, 5),
        }


def test_every_group_has_its_own_budget():
    """Groups come in order, and a good one does not hide a bad one."""
    states = SloEngine([ERRORS], Groups(), FakeClock()).evaluate()
    assert [state.group for state in states] == [
        BudgetGroup("search", ""),
        BudgetGroup("shop", "a"),
        BudgetGroup("shop", "b"),
    ]
    assert [any(one.true for one in state.alerts) for state in states] == [False, False, True]


def test_gauges():
    """A burn rate for each window, once, and what is left of the budget; the service is the resource's."""
    found = gauges([state_of(Minutes([1] * 10, [100] * 10), 10)])
    assert {gauge.service for gauge in found} == {"shop"}
    rates = {gauge.attributes[semconv.WINDOW]: gauge.value for gauge in found if gauge.name == semconv.BURN_RATE}
    assert rates == dict.fromkeys(("5m", "30m", "1h", "6h", "3d"), 1.0)
    (left,) = (gauge for gauge in found if gauge.name == semconv.BUDGET_REMAINING)
    assert (left.value, left.attributes) == (0, {semconv.SLO: "errors", semconv.FEATURE_SET: GROUP.feature_set})


def test_without_a_budget_there_is_no_rate():
    """An objective of 100 % has a budget but no burn rate."""
    (left,) = gauges([state_of(Minutes([1], [100]), 1, slo(Fraction(1)))])
    assert (left.name, left.value) == (semconv.BUDGET_REMAINING, 0)
    assert gauges([]) == []


def test_a_group_in_its_first_minute_has_no_alert():
    """Everything is bad from the start: nothing fires in the first minute, when caches are cold, and all of it after the next."""
    history = Minutes([1000] * 10, [1000] * 10)
    for minute, fires in ((1, False), (2, True), (10, True)):
        state = state_of(history, minute)
        assert any(one.true for one in state.alerts) is fires
        assert any(one.warming_up for one in state.alerts) is not fires


def test_a_known_group_that_fails_fires_within_its_first_bad_minute():
    """The warm-up is of a group that is new, not of a trouble that is."""
    state = state_of(Minutes([0] * 60 + [1000], [1000] * 61), 61)
    assert any(one.true for one in state.alerts)
