"""A store with an hour of a simulated service: two processes with a pool of three each."""

from __future__ import annotations

import math

import pytest

from tests.unit.capacity.network_simulation import Service
from tests.unit.capacity.simulated import fill
from tests.unit.store.parts import MINUTE, T0, bed

RATES = [40 * (0.75 - 0.25 * math.cos(2 * math.pi * place / 20)) for place in range(40)] + [40] * 6
UNTIL = T0 + len(RATES) * MINUTE
SERVICE = Service(
    lambda rng: rng.expovariate(1 / 0.004),
    use=lambda rng: rng.expovariate(1 / 0.03) if rng.random() < 0.5 else None,
    pool=2,
    cores=8,
    processes=2,
)


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    with bed(tmp_path_factory.mktemp("capacity") / "store") as made:
        made.clock.advance(ns=UNTIL - T0)
        fill(made.write, SERVICE, RATES, T0)
        yield made
