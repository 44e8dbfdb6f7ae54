"""Waits by formula: textbook values, limits, and a simulation."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from otel_fe.forecast.erlang import closed_wait, erlang_b, erlang_c, open_wait
from otel_fe.forecast.moments import Moments
from otel_fe.forecast.traffic import Traffic
from tests.unit.forecast.queue_simulation import closed_pool, open_pool, waits

MS = 1e-3


def test_textbook_values():
    """Erlang's tables: 5 lines and 3 Erlangs block 11 %; 10 agents and 8 Erlangs let 41 % wait."""
    assert erlang_b(5, 3) == pytest.approx(0.11005, abs=1e-5)
    assert erlang_c(10, 8) == pytest.approx(0.40918, abs=1e-5)
    assert erlang_c(1, 0.3) == pytest.approx(0.3)
    assert open_wait(1, 0.5, 1.0) == pytest.approx(1.0)  # M/M/1: rho / (1 - rho)
    assert open_wait(1, 0.5, 1.0, 1.0, 0.0) == pytest.approx(0.5)  # M/D/1 waits half as long


@pytest.mark.parametrize(("servers", "load"), [(1, 0.01), (7, 5.5), (60, 59.9), (150, 140.0)])
def test_the_recursion_agrees_with_the_definition(servers, load):
    """B = (a^c / c!) / sum of a^n / n!, in logarithms."""
    terms = [n * math.log(load) - math.lgamma(n + 1) for n in range(servers + 1)]
    most = max(terms)
    assert erlang_b(servers, load) == pytest.approx(
        math.exp(terms[-1] - most) / sum(math.exp(term - most) for term in terms), rel=1e-9
    )


def test_nothing_overflows():
    """A thousand servers, a load near none, and one beyond all of them."""
    assert erlang_b(2_000, 1_900.0) < 0.01
    assert erlang_b(2_000, 0.001) == 0.0
    assert open_wait(4, 5.0, 1.0) == math.inf
    assert open_wait(4, 0.0, 1.0) == 0.0
    assert 0 < closed_wait(50, 5_000, 10.0, 0.2) < math.inf


def test_a_closed_pool_in_its_limits():
    """Without thinking the rest always waits; with no more callers than servers none does."""
    assert closed_wait(4, 12, 0.0, 0.01) == pytest.approx(0.02)
    assert closed_wait(4, 12, 1e-7, 0.01) == pytest.approx(0.02, rel=1e-3)
    assert closed_wait(4, 4, 0.1, 0.01) == 0.0
    assert closed_wait(1, 2, 1.0, 1.0) == pytest.approx(0.5)  # p0 : p1 : p2 = 1 : 2 : 2


def exponential(rng, mean):
    return lambda: rng.expovariate(1 / mean)


def bursty(rng, mean):
    """A squared coefficient of variation of about 3: one of ten takes long."""
    return lambda: rng.expovariate(1 / (mean * (5.5 if rng.random() < 0.1 else 0.5)))


def constant(_rng, mean):
    return lambda: mean


@pytest.mark.parametrize("gap", [exponential, bursty], ids=lambda f: f"{f.__name__}-arrivals")
@pytest.mark.parametrize("use", [exponential, bursty, constant], ids=lambda f: f"{f.__name__}-uses")
@pytest.mark.parametrize("size", [2, 5, 20])
def test_what_is_measured_at_one_size_predicts_the_wait_at_others(gap, use, size):
    """The wait falls as predicted with one more connection and with a third more, within 25 %, of bursts within 35 %.

    The wait that is left is predicted to 25 % as well, or a hundredth of the use; where few long uses are among many short ones to
    40 %, and on the safe side: Allen-Cunneen then expects the variability to hurt many connections as much as few.
    """
    count = 100_000
    rng = random.Random(size)
    mean = 20 * MS
    gaps = [one() for one in [gap(rng, mean / size / 0.85)] for _ in range(count)]
    uses = [one() for one in [use(rng, mean)] for _ in range(count)]
    seen = open_pool(size, gaps, uses)
    traffic = Traffic(
        size, seen.rate, seen.use_s, seen.wait_s, seen.arrivals_variability, seen.use_variability, seen.callers
    )
    assert traffic.model == "open"
    for larger in {size + 1, math.ceil(size * 4 / 3)}:
        real = statistics.fmean(waits(larger, gaps, uses)[1])
        saved, predicted = seen.wait_s - real, seen.wait_s - traffic.wait_at(larger)
        assert predicted == pytest.approx(saved, rel=0.35 if gap is bursty else 0.25)
        if gap is exponential:
            assert traffic.wait_at(larger) == pytest.approx(real, rel=0.4 if use is bursty else 0.25, abs=mean / 100)


@pytest.mark.parametrize(("size", "callers", "think"), [(3, 16, 0.0), (3, 16, 20 * MS), (4, 40, 100 * MS)])
def test_a_saturated_pool_is_told_from_a_busy_one(size, callers, think):
    """Callers that are held back arrive no faster than they are let through: the closed model sees the demand behind."""
    rng = random.Random(1)

    def pause():
        return rng.expovariate(1 / think) if think else 0.0

    seen = closed_pool(size, callers, pause, exponential(rng, 20 * MS), 60_000)
    traffic = Traffic(
        size, seen.rate, seen.use_s, seen.wait_s, seen.arrivals_variability, seen.use_variability, seen.callers
    )
    assert traffic.saturated
    assert traffic.model == "closed"
    for larger in (size + 1, 2 * size, 3 * size):
        real = closed_pool(larger, callers, pause, exponential(rng, 20 * MS), 60_000).wait_s
        assert traffic.wait_at(larger) == pytest.approx(real, rel=0.25, abs=0.5 * MS)


def test_the_advised_size_is_the_smallest_that_will_do():
    """One connection fewer would let callers wait longer than the target."""
    traffic = Traffic(5, 200.0, 20 * MS, 11 * MS, callers=30)
    needed = traffic.size_for(MS)
    assert traffic.wait_at(needed) <= MS < traffic.wait_at(needed - 1)
    assert Traffic(50, 1.0, MS, 0.0).size_for(MS) == 1


def test_moments_of_what_happened_in_between():
    """The difference of two is exact, and one value varies from nothing."""
    before = Moments().plus([5, 7])
    after = before.plus([10_000_000, 30_000_000])
    between = after.since(before)
    assert (between.count, between.mean_s) == (2, 0.02)
    assert between.variability == pytest.approx(0.25)
    assert Moments().variability == Moments().plus([3]).variability == 1.0
    assert Moments().mean_s == 0.0
