"""What otel_fe would have measured of a simulated service: windows with histograms and sums, kept extractions, and its setup."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter

from otel_fe.capacity.measured import Measured, PoolSize, PoolUse, Row, Setup, Window
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS
from otel_fe.store.counts import pack_buckets
from otel_fe.store.distribution import Distribution
from tests.unit.capacity.network_simulation import p95

NS = 1_000_000_000
EDGES = tuple(edge / 1e9 for edge in DURATION_EDGES_NS)
SET = "profile"


def spread(durations):
    """Return a histogram of durations as the store holds one."""
    found = Distribution()
    buckets = Counter(bisect_left(EDGES, one) for one in durations)
    total = sum(round(one * NS) for one in durations)
    found.add(
        EDGES,
        pack_buckets(dict(buckets)),
        len(durations),
        total,
        0,
        scale=NS,
        extremes=(min(durations), max(durations)),
    )
    return found


def variability(values):
    mean = math.fsum(values) / len(values)
    return math.fsum((one - mean) ** 2 for one in values) / len(values) / mean**2


def measured(service, rates, seconds, seed=1, keep=7, **setup):
    """Return what is known of a service that ran at some rates, one window each; every `keep`-th extraction is kept."""
    windows, rows, uses, begin = [], [], [], 0.0
    for place, rate in enumerate(rates):
        seen = service.run(rate, seconds, seed * 1_000 + place, begin)
        asked = [one for one in seen if one.asked]
        uses += [one.use_s for one in asked]
        pools = (
            {"primary": PoolUse(len(asked), sum(u.use_s for u in asked), sum(u.wait_s for u in asked))} if asked else {}
        )
        durations = [one.duration_s for one in seen]
        cpu = sum(one.cpu_s for one in seen)
        windows.append(Window(round(begin * NS), seconds, {SET: spread(durations)}, cpu, cpu, service.processes, pools))
        rows += [
            Row(
                round(one.start_s * NS),
                round(one.duration_s * NS),
                keep,
                round(one.wait_s * NS) + one.asked,
                round(one.cpu_s * NS),
                SET,
            )
            for one in seen[::keep]
        ]
        begin += seconds
    sizes = {"primary": PoolSize(service.pool, variability(uses))} if uses else {}
    cores = service.cores if math.isfinite(service.cores) else 64
    found = Setup(service.processes, cores, 1, sizes, has_gil=service.lock, **setup)
    return Measured("service", tuple(windows), tuple(rows), found)


def true_p95(service, rate, seconds=600.0, seed=77):
    """Return p95 at a rate, by a run of its own."""
    return p95([one.duration_s for one in service.run(rate, seconds, seed)])


def true_knee(service, limit_s, low, high, seconds=400.0):
    """Return the highest rate at which p95 is below a limit, by bisection over runs."""
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if true_p95(service, middle, seconds) < limit_s else (low, middle)
    return low
