from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.model.slo import EventCounts
from otel_fe.pipeline.confidence import CONFIDENCE, NEEDED, at_least, evidence, exceeds, interval


def tail(bad, total, share):
    """Return the chance of at least `bad` of `total`, summed exactly: the test that Clopper-Pearson inverts."""
    return float(sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(bad, total + 1)))


@given(st.integers(0, 60), st.integers(1, 60), st.integers(1, 99))
def test_the_bound_never_claims_more_than_the_exact_one(bad, total, percent):
    """e^-evidence is at least the binomial tail, so what exceeds a share here does so by Clopper-Pearson as well."""
    bad, share = min(bad, total), Fraction(percent, 100)
    exact = tail(bad, total, share)
    assert math.exp(-evidence(bad, total, float(share))) >= exact * (1 - 1e-9)
    if exceeds(EventCounts(bad, total), share):
        assert exact <= 1 - CONFIDENCE + 1e-12


@pytest.mark.parametrize(
    ("bad", "total", "share", "sure"),
    [
        (1, 1, "0.0144", False),  # one of one: it happens once in 70 times
        (2, 2, "0.0144", True),
        (1, 60, "0.0144", False),  # one bad event in an hour of one a minute burns at 16.7x
        (5, 60, "0.0144", True),
        (1, 1000, "0", True),  # nothing may be bad, and something is
        (0, 1000, "0", False),
        (0, 0, "0.5", False),
        (1000, 1000, "0.75", True),
        (10, 10, "0.75", False),
        (17, 17, "0.75", True),
    ],
)
def test_few_events_prove_little(bad, total, share, sure):
    """The number of events that it takes to prove a rate is the known one."""
    assert exceeds(EventCounts(bad, total), Fraction(share)) is sure


def test_what_is_surely_exceeded():
    """The share at which the evidence is just enough; more events bring it closer to what was counted."""
    found = [at_least(EventCounts(one, 10 * one)) for one in (1, 10, 1000)]
    assert found == sorted(found)
    assert 0.09 < found[-1] < 0.1
    assert evidence(1000, 10_000, found[-1]) == pytest.approx(NEEDED)
    assert at_least(EventCounts(0, 10)) == at_least(EventCounts(0, 0)) == 0


def test_wilson_s_interval():
    """Wilson's interval equals published examples: Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I."""
    assert interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert interval(0, 0) == (0, 1)
