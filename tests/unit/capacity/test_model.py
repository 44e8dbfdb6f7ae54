"""The capacity model against simulated services whose truth is known: p95 at more traffic, the knee, what gives out, and silence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from otel_fe.capacity.answer import LatencyRequirement, answer
from otel_fe.capacity.fitted import fitted
from otel_fe.capacity.stations import stations_of
from otel_fe.capacity.text import sentence
from otel_fe.forecast.forecast_error import ForecastError
from tests.unit.capacity.network_simulation import Service
from tests.unit.capacity.simulated import measured, true_p95


def exponential(mean_s):
    return lambda rng: rng.expovariate(1 / mean_s)


def sometimes(share, draw):
    return lambda rng: draw(rng) if rng.random() < share else None


def day(now, windows=24):
    """Return rates that go from half of what is now to what is now and back, and end there."""
    return [now * (0.75 - 0.25 * math.cos(2 * math.pi * place / 12)) for place in range(windows)] + [now] * 3


CASES = {
    "a pool of four": (Service(lambda _: 0.001, use=exponential(0.02), pool=4, cores=8), 80, 0.1, "primary"),
    "misses only use the pool of each process": (
        Service(exponential(0.002), use=sometimes(0.5, lambda _: 0.02), pool=3, cores=8, processes=2),
        200,
        0.06,
        "primary",
    ),
    "an interpreter": (
        Service(lambda _: 0.01, other=exponential(0.005), cores=8),
        35,
        0.1,
        "Python interpreter (GIL)",
    ),
    "cores": (Service(exponential(0.02), cores=4, lock=False), 80, 0.1, "CPU cores"),
    "four processes on two cores": (Service(exponential(0.02), cores=2, processes=4), 40, 0.15, "CPU cores"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", CASES)
def test_a_service_at_more_traffic_is_as_predicted(name):
    """p95 at 1.5 and 2 times within 20 %, the highest good rate within 20 %, and the right resource named."""
    service, now, limit_s, first = CASES[name]
    found = fitted(measured(service, day(now), 1_000 / now))
    requirement = LatencyRequirement("latency", limit_s, 0.95)
    for factor in (1.5, 2.0):
        said = answer(found, [requirement], factor)
        assert said.p95_then_s.value == pytest.approx(true_p95(service, now * factor, 8_000 / now), rel=0.2)
        assert said.p95_then_s.low <= said.p95_then_s.value <= said.p95_then_s.high
    assert said.first == first
    assert said.check.median_error < 0.2
    assert true_p95(service, said.headroom.value / 1.2, 8_000 / now) < limit_s
    assert true_p95(service, said.headroom.value * 1.2, 8_000 / now) > limit_s
    assert said.headroom.low <= said.headroom.value <= said.headroom.high < 1.5 * said.headroom.low


@pytest.mark.thorough
def test_the_asked_size_of_the_pool_is_enough_and_no_larger():
    service, now, limit_s, _ = CASES["a pool of four"]
    found = fitted(measured(service, day(now), 1_000 / now))
    said = answer(found, [LatencyRequirement("latency", limit_s, 0.95)], 3.0)
    assert said.kept[0].verdict == "breaks"
    assert math.isinf(said.p95_then_s.value)  # 240 uses a second of 20 ms are 4.8 connections
    (pool,) = [one for one in said.resources if one.kind == "pool"]
    assert pool.busy_then == pytest.approx(1.2, rel=0.1)
    assert true_p95(replace(service, pool=pool.needed), 3 * now, 100) < limit_s
    assert true_p95(replace(service, pool=pool.needed - 2), 3 * now, 100) > limit_s


@pytest.mark.thorough
@pytest.mark.parametrize(("pool", "processes"), [(4, 1), (4, 2)], ids=["one process", "two processes"])
def test_writers_of_sqlite_that_take_turns_are_not_taken_for_a_small_pool(pool, processes):
    """One transaction writes at a time, whatever the pools: connections are held longer as traffic grows.

    The knee is within 20 %, the pool is not what gives out, and no larger one is asked for, which would change nothing.
    """
    service = Service(lambda _: 0.001, use=exponential(0.01), pool=pool, cores=8, processes=processes, serial=True)
    now, limit_s = 40, 0.1
    said = answer(fitted(measured(service, day(now), 1_000 / now)), [LatencyRequirement("latency", limit_s, 0.95)], 3.0)
    assert said.first == "something not measured"
    assert true_p95(service, said.headroom.value / 1.2, 8_000 / now) < limit_s
    assert true_p95(service, said.headroom.value * 1.2, 8_000 / now) > limit_s
    assert said.kept[0].verdict == "breaks"
    assert [one.needed for one in said.resources if one.kind == "pool"] == [None]


def test_an_even_load_is_no_answer():
    service, now, *_ = CASES["an interpreter"]
    with pytest.raises(ForecastError, match="load hardly varied"):
        fitted(measured(service, [now] * 20, 500 / now))


def test_a_short_time_is_no_answer():
    service, now, *_ = CASES["an interpreter"]
    with pytest.raises(ForecastError, match="Only 8 intervals"):
        fitted(measured(service, day(now)[:8], 500 / now))


def test_few_kept_extractions_are_no_answer():
    service, now, *_ = CASES["an interpreter"]
    seen = measured(service, day(now), 500 / now)
    with pytest.raises(ForecastError, match="kept extractions"):
        fitted(replace(seen, rows=seen.rows[:50]))


def test_a_service_that_the_model_does_not_describe_is_no_answer():
    """Busy hours are slow for a reason of their own: calls of another service take six times as long then."""
    calm, now, *_ = CASES["an interpreter"]
    slow = replace(calm, other=exponential(0.3))
    rates = day(now)
    one, other = measured(calm, rates, 500 / now), measured(slow, rates, 500 / now)
    busy = [rate > 0.9 * now for rate in rates]
    windows = tuple(b if late else a for a, b, late in zip(one.windows, other.windows, busy, strict=True))
    starts = [(w.since_ns, w.since_ns + w.seconds * 1e9) for w, late in zip(windows, busy, strict=True) if late]
    late = lambda row: any(since <= row.start_ns < until for since, until in starts)  # noqa: E731
    rows = [row for row in one.rows if not late(row)] + [row for row in other.rows if late(row)]
    with pytest.raises(ForecastError, match=r"does not describe|not representative"):
        fitted(replace(one, windows=windows, rows=tuple(rows)))


@pytest.mark.thorough
def test_feature_sets_are_answered_apart():
    """Two sets share a pool: the slow one has the lower headroom, and its share of the traffic."""
    fast = measured(Service(lambda _: 0.001, use=exponential(0.01), pool=4, cores=8), day(60), 12, seed=4)
    slow = measured(Service(lambda _: 0.001, use=exponential(0.03), pool=4, cores=8), day(20), 12, seed=5)
    windows = []
    for one, other in zip(fast.windows, slow.windows, strict=True):
        mine, theirs = one.pools["primary"], other.pools["primary"]
        both = replace(
            mine, uses=mine.uses + theirs.uses, use_s=mine.use_s + theirs.use_s, wait_s=mine.wait_s + theirs.wait_s
        )
        windows.append(
            replace(
                one,
                durations=dict(one.durations) | {"slow": other.durations["profile"]},
                cpu_s=one.cpu_s + other.cpu_s,
                cpu_count=one.cpu_count + other.cpu_count,
                process_cpu_s=one.cpu_s + other.cpu_s,
                pools={"primary": both},
            )
        )
    rows = (*fast.rows, *(replace(row, feature_set="slow") for row in slow.rows))
    found = fitted(replace(fast, windows=tuple(windows), rows=rows))
    wanted = [LatencyRequirement("latency", 0.12, 0.95)]
    whole, quick, late = (answer(found, wanted, 2.0, name) for name in (None, "profile", "slow"))
    assert late.now == pytest.approx(20, rel=0.15)
    assert quick.now == pytest.approx(60, rel=0.15)
    assert whole.now == pytest.approx(late.now + quick.now)
    assert late.p95_then_s.value > whole.p95_then_s.value > quick.p95_then_s.value
    assert late.headroom.value / late.now < quick.headroom.value / quick.now


@pytest.mark.thorough
def test_what_is_not_measured_is_found_by_what_it_does():
    """CPU time is not known, and durations grow with the rate all the same: something is shared. The knee is within 20 %."""
    service, now, limit_s, _ = CASES["an interpreter"]
    seen = measured(service, day(now), 1_000 / now)
    windows = tuple(replace(one, cpu_s=0.0, cpu_count=0, process_cpu_s=None) for one in seen.windows)
    rows = tuple(replace(row, cpu_ns=-1) for row in seen.rows)
    said = answer(
        fitted(replace(seen, windows=windows, rows=rows)), [LatencyRequirement("latency", limit_s, 0.95)], 1.5
    )
    assert said.first == "something not measured"
    assert true_p95(service, said.headroom.value / 1.2, 8_000 / now) < limit_s
    assert true_p95(service, said.headroom.value * 1.2, 8_000 / now) > limit_s


def test_a_service_of_which_no_resource_is_known_is_no_answer():
    seen = measured(Service(lambda _: 0.0001, other=exponential(0.005), cores=8), day(40), 12)
    windows = tuple(replace(one, cpu_s=0.0, cpu_count=0, process_cpu_s=None) for one in seen.windows)
    with pytest.raises(ForecastError, match="no resource can be modelled"):
        fitted(replace(seen, windows=windows))


def test_a_knee_beyond_what_is_looked_at_is_no_headroom():
    """Extractions that take next to nothing: twenty times today's traffic breaks nothing."""
    service = Service(lambda _: 0.0001, other=exponential(0.005), cores=8)
    said = answer(fitted(measured(service, day(40), 12)), [LatencyRequirement("latency", 0.1, 0.95)], 2.0)
    assert said.broken_by == ""
    assert sentence(said).startswith("headroom beyond ")


def cores_with_others(service, others):
    """Return the cores of a service that is measured beside others, of four."""
    seen = measured(service, day(80), 20)
    windows = tuple(replace(one, others_cpu_s=others * one.seconds) for one in seen.windows)
    setup = replace(seen.setup, cores=4)
    works_s = [one.cpu_ns / 1e9 for one in seen.rows]
    return {one.name: one for one in stations_of(windows, setup, 0.0, works_s=works_s)}["CPU cores"]


def test_other_processes_take_cores_from_a_service():
    """A service carries half the traffic when other processes use two of four cores."""
    found = cores_with_others(Service(exponential(0.02), cores=2, lock=False), 2)
    assert found.saturates_at == pytest.approx(100, rel=0.05)


def test_other_processes_that_give_way_take_nothing():
    """Others keep all idle time busy at a lower priority; durations show that the service has four cores all the same."""
    found = cores_with_others(Service(exponential(0.02), cores=4, lock=False), 3.2)
    assert found.saturates_at == pytest.approx(200, rel=0.05)
