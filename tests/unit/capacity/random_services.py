"""Simulated services of many kinds, made from a seed: whether as many of their knees lie in the intervals as these promise."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from otel_fe.capacity.answer import LatencyRequirement, answer
from otel_fe.capacity.fitted import fitted
from tests.unit.capacity.network_simulation import Service
from tests.unit.capacity.simulated import measured, true_knee

_EXTRACTIONS = 600
"""In a window at today's rate."""
_IN_TRUTH = 6_000
"""In each run by which the true knee is sought."""


@dataclass(frozen=True)
class Drawn:
    """A service with its rate today, the rate at which it saturates, and its latency objective."""

    service: Service
    now: float
    most: float
    limit_s: float


def drawn(seed):
    """Return a service: a pool, an interpreter, cores, or several processes on cores, in turn."""
    draw = random.Random(f"service {seed}")
    kind = (_pool, _interpreter, _cores, _processes)[seed % 4]
    service, most, limit_s = kind(draw)
    return Drawn(service, most * draw.uniform(0.25, 0.45), most, limit_s)


def knee_of(one, seed):
    """Return the headroom of a service, as it is answered, and its true knee."""
    rates = [one.now * (0.75 - 0.25 * math.cos(2 * math.pi * place / 12)) for place in range(24)] + [one.now] * 3
    model = fitted(measured(one.service, rates, _EXTRACTIONS / one.now, seed=seed))
    said = answer(model, [LatencyRequirement("latency", one.limit_s, 0.95)], 1.5)
    true = true_knee(one.service, one.limit_s, one.now * 0.5, one.most * 1.05, seconds=_IN_TRUTH / one.most)
    return said.headroom, true


def _exponential(mean_s):
    return lambda rng: rng.expovariate(1 / mean_s)


def _regular(mean_s, parts):
    return lambda rng: rng.gammavariate(parts, mean_s / parts)


def _sometimes(share, draw):
    return lambda rng: draw(rng) if rng.random() < share else None


def _pool(draw):
    use_s, size, processes, share = (
        draw.uniform(0.01, 0.04),
        draw.randint(2, 6),
        draw.choice([1, 1, 2]),
        draw.choice([1, 0.5]),
    )
    use = draw.choice([_exponential(use_s), _regular(use_s, 2), lambda _: use_s])
    service = Service(_regular(0.001, 2), use=_sometimes(share, use), pool=size, cores=8, processes=processes)
    return service, size * processes / use_s / share, draw.uniform(3, 6) * use_s


def _interpreter(draw):
    cpu_s = draw.uniform(0.004, 0.015)
    cpu = draw.choice([_exponential(cpu_s), _regular(cpu_s, 3)])
    return (
        Service(cpu, other=_exponential(cpu_s * draw.uniform(0.5, 2)), cores=8),
        1 / cpu_s,
        draw.uniform(9, 14) * cpu_s,
    )


def _cores(draw):
    cpu_s, cores = draw.uniform(0.01, 0.03), draw.randint(2, 6)
    cpu = draw.choice([_exponential(cpu_s), _regular(cpu_s, 3)])
    return Service(cpu, cores=cores, lock=False), cores / cpu_s, draw.uniform(4, 7) * cpu_s


def _processes(draw):
    cpu_s, cores = draw.uniform(0.01, 0.03), draw.randint(2, 3)
    service = Service(_exponential(cpu_s), cores=cores, processes=draw.randint(cores, 2 * cores))
    return service, cores / cpu_s, draw.uniform(6, 9) * cpu_s
