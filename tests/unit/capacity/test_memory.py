"""Memory as what gives out first: known by how it grows with the extractions at once, and not taken for a leak."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from otel_fe.capacity.answer import LatencyRequirement, answer
from otel_fe.capacity.fitted import fitted
from otel_fe.capacity.memory import memory_of
from otel_fe.capacity.services import ServiceCapacity
from otel_fe.capacity.text import document, in_words
from otel_fe.units import MIB
from tests.unit.capacity.network_simulation import Service
from tests.unit.capacity.simulated import measured
from tests.unit.capacity.test_model import day, exponential

NOW = 40
LIMIT = 400 * MIB
EACH = 8 * MIB


def seen(memory_of_peak, seed=1):
    """Return a service of 100 ms that neither computes nor waits much, whose memory goes with the extractions at once, and time."""
    found = measured(Service(lambda _: 0.001, other=exponential(0.1), cores=8), day(NOW), 12)
    rng, windows = random.Random(seed), []
    for place, one in enumerate(found.windows):
        mean = one.rate * one.total_s / one.count
        peak = round(mean + 2 * math.sqrt(mean) + rng.gauss(0, 0.7))
        windows.append(replace(one, peak=peak, memory_bytes=memory_of_peak(peak, place) + rng.gauss(0, MIB)))
    return replace(found, windows=tuple(windows), setup=replace(found.setup, memory_limit_bytes=LIMIT))


def test_memory_is_full_at_as_many_at_once_as_fit():
    """300 MiB and 8 for each at once: 12.5 at once, which a mean of 7.0 reaches, at 70 a second."""
    measurements = seen(lambda peak, _: 300 * MIB + EACH * peak)
    said = answer(fitted(measurements), [LatencyRequirement("latency", 1.0, 0.95)], 2.5)
    assert said.first == "memory"
    assert said.broken_by == "memory"
    assert said.headroom.value == pytest.approx(70, rel=0.15)
    (memory,) = [one for one in said.resources if one.kind == "memory"]
    assert memory.full_at == pytest.approx(said.headroom.value, rel=0.02)
    assert memory.needed == pytest.approx(300 * MIB + EACH * (10 + 2 * math.sqrt(10)), rel=0.05)
    service = ServiceCapacity("service", 2.5, (said,))
    assert "memory (419 MB for each process)" in in_words([service])
    assert "MB needed for 2.5x" in in_words([service])
    assert document([service])[0]["groups"][0]["gives_out_first"] == "memory"


def test_a_leak_is_not_the_load():
    """Memory that grows with time allows no prediction for more traffic."""
    measurements = seen(lambda _, place: 200 * MIB + 5 * MIB * place)
    assert memory_of(measurements.windows, measurements.setup) is None


def test_memory_grows_with_the_load_beside_a_leak():
    measurements = seen(lambda peak, place: 200 * MIB + EACH * peak + 2 * MIB * place)
    found = memory_of(measurements.windows, measurements.setup)
    assert found.each_bytes == pytest.approx(EACH, rel=0.2)
    assert found.base_bytes == pytest.approx((200 + 2 * (len(measurements.windows) - 1)) * MIB, rel=0.05)


def test_no_limit_or_no_difference_is_no_answer():
    measurements = seen(lambda peak, _: 300 * MIB + EACH * peak)
    assert memory_of(measurements.windows, replace(measurements.setup, memory_limit_bytes=None)) is None
    even = [replace(one, peak=5) for one in measurements.windows]
    assert memory_of(even, measurements.setup) is None
