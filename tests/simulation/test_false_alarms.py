"""Thirty days at one evaluation a minute, with chance at work: how often an alert comes for nothing; seeded."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.simulation.minutes import Minutes, evaluations, key, periods, slo

MONTH = 30 * 1440


def traffic(rate, share, seed=7, minutes=MONTH):
    """Return bad and all events of each minute: Poisson arrivals, each bad with the same chance."""
    draw = np.random.default_rng(seed)
    total = draw.poisson(rate, minutes)
    return draw.binomial(total, share).tolist(), total.tolist()


@pytest.mark.parametrize("objective", ["0.999", "0.95", "0.7"])
@pytest.mark.parametrize("rate", [1, 1000])
def test_nobody_is_paged_for_what_the_budget_allows(rate, objective):
    """All of it, spent evenly, in minutes with one event or with a thousand: no page in a month."""
    objective = slo(Fraction(objective))
    found = periods(objective, Minutes(*traffic(rate, float(objective.budget))), 1, MONTH)
    assert not any(on for (_, severity, _), on in found.items() if severity == "page")


def test_the_objective_s_own_test_is_quiet_below_it():
    """p95 at half of the allowance: at most one ticket a month, at any traffic."""
    for rate in (1, 10, 1000):
        found = periods(slo(Fraction("0.95")), Minutes(*traffic(rate, 0.025)), 1, MONTH)
        assert len(found["objective", "ticket", 60]) <= 1


def test_without_the_guard_few_events_page_for_nothing():
    """One bad event in an hour is a burn rate of 16.7x at one event a minute and 99.9 %, the budget spent evenly."""
    objective = slo(Fraction("0.999"))
    unguarded = guarded = 0
    before = False
    for _, state in evaluations(objective, Minutes(*traffic(1, 0.001)), 1, MONTH):
        one = state.alerts[0]
        assert key(one.alert) == ("burn", "page", 60)
        plain = one.long.exceed(one.alert.share) and one.short.exceed(one.alert.share)
        unguarded += plain and not before
        guarded += one.true
        before = plain
    assert unguarded >= 20
    assert guarded == 0


def test_few_events_still_page_for_an_outage():
    """Every event fails, one a minute: the guard takes minutes, not hours."""
    bad, total = [0] * 600 + [1] * 60, [1] * 660
    found = periods(slo(Fraction("0.99")), Minutes(bad, total), 1, 660)
    ((begin, _),) = found["burn", "page", 60]
    assert begin - 600 <= 20


def test_the_forty_thousand_evaluations_of_a_month_take_seconds(request):
    """Evaluating a month on a fake clock takes less than 20 s of CPU time."""
    from time import process_time

    begin = process_time()
    periods(slo(Fraction("0.99")), Minutes(*traffic(100, 0.005)), 1, MONTH)
    assert process_time() - begin < 20
