"""Work on shared processors, held against exact results and an event-by-event simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from otel_fe.forecast.erlang import open_wait
from otel_fe.forecast.extraction_mix import Alone, ExtractionMix, quantile
from otel_fe.forecast.processor_sharing import slowdown, variance_s2
from otel_fe.forecast.shared_processors import sharing
from otel_fe.forecast.station import CORES, GIL, POOL, Station
from tests.unit.capacity.network_simulation import Service, p95


def exponential(mean_s):
    return lambda rng: rng.expovariate(1 / mean_s)


def test_one_server_slows_by_the_exact_formula():
    """M/G/1-PS: 1 / (1 - utilisation), and infinite from 1 on."""
    assert slowdown(1, 0.5) == pytest.approx(2)
    assert slowdown(1, 0.0) == 1
    assert math.isinf(slowdown(1, 1.0))


@pytest.mark.parametrize("load", [0.3, 2.0, 3.6])
def test_several_servers_slow_as_the_mean_of_a_queue(load):
    """M/M/c: sharing changes who waits, and not the mean."""
    assert slowdown(4, load) == pytest.approx(1 + open_wait(4, load, 1.0))


def test_the_variance_of_all_work_is_that_of_coffman_muntz_and_trotter():
    """M/M/1-PS at half load: the squared coefficient of variation of all durations is (2 + rho) / (2 - rho)."""
    rho, mean = 0.5, 1.0
    step, variance, second = 1e-3, 0.0, 0.0
    for place in range(40_000):
        work = (place + 0.5) * step
        density = math.exp(-work) * step
        variance += density * variance_s2(1 / (1 - rho), work, mean)
        second += density * (work / (1 - rho)) ** 2
    whole = variance + second - (mean / (1 - rho)) ** 2
    assert whole / (mean / (1 - rho)) ** 2 == pytest.approx((2 + rho) / (2 - rho), rel=0.01)


def test_the_simulation_itself_waits_as_erlang_says():
    """M/M/4 at load 3.2: the mean wait of the formula."""
    seen = Service(lambda _: 1e-6, use=exponential(0.04), pool=4, cores=64).run(80, 600, 5)
    assert sum(one.wait_s for one in seen) / len(seen) == pytest.approx(open_wait(4, 80, 0.04), rel=0.12)


CASES = {
    "interpreter": (Service(exponential(0.01)), [Station(GIL, "", 1, 1, 0.01)], 70),
    "constant work": (Service(lambda _: 0.01), [Station(GIL, "", 1, 1, 0.01)], 70),
    "cores": (Service(exponential(0.04), cores=4, lock=False), [Station(CORES, "", 4, 1, 0.04)], 80),
    "processes on fewer cores": (
        Service(exponential(0.02), processes=4, cores=2),
        [Station(GIL, "", 1, 4, 0.02), Station(CORES, "", 2, 1, 0.02)],
        80,
    ),
    "one process on one core": (
        Service(exponential(0.01), cores=1),
        [Station(GIL, "", 1, 1, 0.01), Station(CORES, "", 1, 1, 0.01)],
        70,
    ),
    "three processes on two cores": (
        Service(exponential(0.02), processes=3, cores=2),
        [Station(GIL, "", 1, 3, 0.02), Station(CORES, "", 2, 1, 0.02)],
        75,
    ),
    "pool": (
        Service(lambda _: 1e-4, use=lambda _: 0.04, pool=4, cores=64),
        [Station(POOL, "", 4, 1, 0.04, use_s=0.04, use_variability=0.0)],
        80,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mix_at_a_rate_lasts_as_long_as_simulated(name):
    """The 95th percentile holds within 12 % and the mean within 15 %, at 70 to 80 % utilisation."""
    service, stations, rate = CASES[name]
    seen = service.run(rate, 400, 2)
    mix = ExtractionMix([Alone(one.cpu_s + one.use_s, 1.0, one.cpu_s, one.asked) for one in seen])
    found = mix.durations(stations, rate, mix.work_s)
    durations = [one.duration_s for one in seen]
    assert quantile(found, 0.95) == pytest.approx(p95(durations), rel=0.12)
    assert sum(found) / len(found) == pytest.approx(sum(durations) / len(durations), rel=0.15)


def test_a_pool_that_is_next_to_never_full_makes_next_to_nobody_wait():
    """A hundred and fifty connections of which one is busy: Erlang C is below the smallest difference from 1."""
    share, each_s = Station(POOL, "", 150, 1, 0.02, use_s=0.02, visits=0.5).waits(50)
    assert 0 <= share < 1e-100
    assert each_s < 1


def test_an_overloaded_station_has_no_durations():
    mix = ExtractionMix([Alone(0.01, 1.0, 0.01, asks=False)])
    assert mix.durations([Station(GIL, "", 1, 1, 0.01)], 100, 0.01) == []
    assert math.isinf(quantile([], 0.95))


def test_durations_rise_with_the_rate():
    """The same numbers are drawn at every rate."""
    mix = ExtractionMix([Alone(0.01 * number, 1.0 + number % 3, 0.005, number % 2 == 0) for number in range(1, 50)])
    stations = [Station(GIL, "", 1, 1, 0.005), Station(POOL, "", 3, 1, 0.01, use_s=0.02)]
    percentiles = [quantile(mix.durations(stations, rate, 0.005), 0.95) for rate in range(10, 190, 10)]
    assert percentiles == sorted(percentiles)
    assert percentiles[-1] > 1.1 * percentiles[0]


def test_an_extraction_shorter_than_a_turn_does_not_wait_for_the_interpreter():
    """A short extraction ends before CPython takes the interpreter from it; a longer one waits for the rest of its work, and after its calls."""
    lock = Station(GIL, "", 1, 1, 0.01, held_s=0.005)
    assert sharing([lock], 50).extra_s(0.004) == 0
    assert sharing([lock], 50).extra_s(0.015) == pytest.approx(0.01)
    assert sharing([replace(lock, resumed_s=0.002)], 50).extra_s(0.004) == pytest.approx(0.002)


def test_a_busy_interpreter_keeps_extractions_from_beginning():
    """An ever smaller part of the wait is within the extractions; no wait is finite if the interpreter is overloaded."""
    lock = Station(GIL, "", 1, 1, 0.01, unstarted=0.2)
    assert sharing([lock], 50).extra_s(0.01) == pytest.approx(0.01 / 1.2)
    assert sharing([lock], 90).extra_s(0.01) == pytest.approx(0.09 / (1 + 0.2 * 9))
    assert sharing([lock], 100).overloaded


def test_a_quota_of_one_and_a_half_cores_is_full_at_one_and_a_half():
    station = Station(CORES, "", 2, 1, 0.01, speed=0.75)
    assert station.saturates_at == pytest.approx(150)
    assert station.utilisation(75) == pytest.approx(0.5)
