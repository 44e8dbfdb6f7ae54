"""Reads a recording of the capacity benchmark: what the model is given, and what was measured at more load."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_fe import semconv
from otel_fe.capacity.measured import MeasuredService, PoolActivity, PoolSize, ServiceWindow, Setup
from otel_fe.capacity.pool_traffic import variability
from otel_fe.forecast.prediction import Observed
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS, TIME_EDGES_NS
from otel_fe.store.counts import pack_buckets
from otel_fe.store.distribution import Distribution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NS = 1_000_000_000
_SET = "features"


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of constant load, as it was measured."""

    rate: float
    """Extractions a second that arrived."""
    p95_s: float
    low_s: float
    high_s: float
    """Of its 90 % interval."""
    callers_p95_s: float
    """From arrival to end."""


def measured(recording: Mapping[str, Any]) -> MeasuredService:
    """Return what is known of the recorded service from its time at today's load and below."""
    windows = tuple(_window(one) for one in recording["windows"])
    rows = recording["rows"]
    weight = sum(one.count for one in windows) / len(rows)
    observed = tuple(
        Observed(duration, weight, hit, wait, begin, cpu, _SET) for begin, duration, hit, wait, cpu in rows
    )
    pools = {
        name: PoolSize(round(size), _variability(recording["windows"], name))
        for name, size in recording["sizes"].items()
        if any(name in one.pools for one in windows)
    }
    setup = Setup(1, recording["cores"], 1, pools, event_loop=recording["event_loop"])
    return MeasuredService(recording["kind"], windows, observed, setup)


def steps(recording: Mapping[str, Any]) -> list[Step]:
    """Return the steps in the order in which they were taken: 1.5 times, twice, and then towards the knee."""
    return [
        Step(one["rate_per_s"], *(math.inf if value is None else value for value in one["p95_s"]), one["callers_p95_s"])
        for one in recording["steps"]
    ]


def knee(recording: Mapping[str, Any]) -> float:
    """Return the rate at which p95 crosses the objective: between steps, with the logarithm of p95 made to rise with the rate."""
    limit = math.log(recording["limit_s"])
    points = sorted((one.rate, math.log(one.p95_s)) for one in steps(recording))
    rising = _rising([value for _, value in points])
    for (low, _), (high, _), before, after in zip(points, points[1:], rising, rising[1:], strict=False):
        if before < limit <= after:
            return low + (high - low) * (limit - before) / (after - before)
    raise ValueError(f"p95 of {recording['kind']} does not cross {recording['limit_s']} s in any step")


def _rising(values: Sequence[float]) -> list[float]:
    """Return the closest values that never fall (pool adjacent violators)."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (mean, count), (other, more) = blocks.pop(), blocks.pop()
            blocks.append([(mean * count + other * more) / (count + more), count + more])
    return [mean for mean, count in blocks for _ in range(int(count))]


def _distribution(edges_ns: Sequence[int], buckets: Mapping[str, int], total_s: float) -> Distribution:
    found = Distribution()
    counts = {int(place): number for place, number in buckets.items()}
    edges = tuple(edge / _NS for edge in edges_ns)
    found.add(edges, pack_buckets(counts), sum(counts.values()), round(total_s * _NS), 0, scale=_NS)
    return found


def _window(one: Mapping[str, Any]) -> ServiceWindow:
    pools = {}
    for name, found in one["pools"].items():
        uses, use_s, _ = found.get(semconv.CONNECTION_USE_TIME, (0, 0.0, {}))
        wait_s, create_s = (
            found.get(metric, (0, 0.0, {}))[1]
            for metric in (semconv.CONNECTION_WAIT_TIME, semconv.CONNECTION_CREATE_TIME)
        )
        if uses:
            pools[name] = PoolActivity(uses, use_s, max(0.0, wait_s - create_s))
    return ServiceWindow(
        one["since_ns"],
        one["seconds"],
        {_SET: _distribution(DURATION_EDGES_NS, one["durations"], one["total_s"])},
        *one["cpu"],
        one["process_cpu_s"],
        1.0,
        pools,
        others_cpu_s=max(0.0, one["machine_cpu_s"] - one["process_cpu_s"]),
    )


def _variability(windows: Sequence[Mapping[str, Any]], name: str) -> float:
    whole = Distribution()
    for one in windows:
        _, total, buckets = one["pools"].get(name, {}).get(semconv.CONNECTION_USE_TIME, (0, 0.0, {}))
        if buckets:
            whole.merge(_distribution(TIME_EDGES_NS, buckets, total))
    return variability(whole)
