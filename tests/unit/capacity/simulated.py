"""The measurements that otel_fe would have made of a simulated service: windows with histograms and sums, kept extractions, and its setup."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter

from otel_fe import process_metrics, semconv
from otel_fe.capacity.measured import MeasuredService, PoolActivity, PoolSize, ServiceWindow, Setup
from otel_fe.forecast.prediction import Observed
from otel_fe.model.metric import Buckets, Metric, Point, ResourceMetrics
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS, TIME_EDGES_NS
from otel_fe.store.counts import pack_buckets
from otel_fe.store.distribution import Distribution
from otel_fe.store.points import MetricPoint
from tests.unit.capacity.network_simulation import p95
from tests.unit.store.parts import MINUTE, SPLIT, extraction, trace

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
            {"primary": PoolActivity(len(asked), sum(u.use_s for u in asked), sum(u.wait_s for u in asked))}
            if asked
            else {}
        )
        durations = [one.duration_s for one in seen]
        cpu = sum(one.cpu_s for one in seen)
        windows.append(
            ServiceWindow(
                round(begin * NS), seconds, {SET: spread(durations)}, cpu, len(seen), cpu, service.processes, pools
            )
        )
        rows += [
            Observed(
                round(one.duration_s * NS),
                keep,
                None,
                round(one.wait_s * NS) + one.asked,
                round(one.start_s * NS),
                round(one.cpu_s * NS),
                SET,
            )
            for one in seen[::keep]
        ]
        begin += seconds
    sizes = {"primary": PoolSize(service.pool, variability(uses))} if uses else {}
    cores = service.cores if math.isfinite(service.cores) else 64
    found = Setup(service.processes, cores, 1, sizes, has_gil=service.lock, **setup)
    return MeasuredService("service", tuple(windows), tuple(rows), found)


def true_p95(service, rate, seconds=600.0, seed=77):
    """Return p95 at a rate, by a run of its own."""
    return p95([one.duration_s for one in service.run(rate, seconds, seed)])


def true_knee(service, limit_s, low, high, seconds=400.0):
    """Return the highest rate at which p95 is below a limit, by bisection over runs."""
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if true_p95(service, middle, seconds) < limit_s else (low, middle)
    return low


def _histogram(name, values, edges_ns, labels, begin, end):
    edges = tuple(edge / NS for edge in edges_ns)
    counts = [0] * (len(edges) + 1)
    for one in values:
        counts[bisect_left(edges, one)] += 1
    value = Buckets(len(values), math.fsum(values), edges, tuple(counts), min(values), max(values))
    return Metric(name, "s", True, (Point(labels, begin, end, value),))


def _gauge(name, unit, value, end, **labels):
    return MetricPoint(name, unit, "gauge", "service", labels, "a", 0, end, delta=False, value=float(value))


def _minute(service, seen, begin):
    """Return what the processes of a service send of a minute, added up."""
    end = begin + MINUTE - NS
    own = {semconv.FEATURE_SET: SET}
    pool = {semconv.POOL: "primary"}
    cpu = math.fsum(one.cpu_s for one in seen)
    asked = [one for one in seen if one.asked]
    told = [
        _histogram(semconv.DURATION, [one.duration_s for one in seen], DURATION_EDGES_NS, own, begin, end),
        _histogram(semconv.CPU_TIME_METRIC, [one.cpu_s for one in seen], TIME_EDGES_NS, own, begin, end),
        Metric(process_metrics.PROCESS_TIME, "s", True, (Point({}, begin, end, 60.0 * service.processes),)),
        Metric(process_metrics.PROCESS_CPU_TIME, "s", True, (Point({}, begin, end, cpu),)),
        Metric(
            semconv.SLO_EVENTS,
            "{extraction}",
            True,
            (Point(own | {semconv.SLO: "latency", semconv.GOOD: True}, begin, end, len(seen)),),
        ),
    ]
    if asked:
        told += [
            _histogram(semconv.CONNECTION_USE_TIME, [one.use_s for one in asked], TIME_EDGES_NS, pool, begin, end),
            _histogram(semconv.CONNECTION_WAIT_TIME, [one.wait_s for one in asked], TIME_EDGES_NS, pool, begin, end),
        ]
    counted = ResourceMetrics({"service.name": "service", "service.instance.id": "a"}, "otel_fe", tuple(told))
    gauges = [
        _gauge(process_metrics.PROCESS_CORES, "{core}", min(service.cores, 64), end, **{semconv.HOST_NAME: "one"})
    ]
    gauges.append(_gauge(process_metrics.PROCESS_GIL, "1", service.lock, end))
    if asked:
        gauges.append(_gauge(semconv.CONNECTION_MAX, "{connection}", service.pool, end, **pool))
    return [counted, *gauges]


def fill(write, service, rates, start_ns, seed=1, keep=10):
    """Write a simulated service's minutes into a store, one for each rate; every `keep`-th extraction is kept."""
    trace_id = 1 << 64
    for place, rate in enumerate(rates):
        begin = start_ns + place * MINUTE
        seen = service.run(rate, 60, seed * 1_000 + place)
        write("metrics", _minute(service, seen, begin))
        found = []
        for one in seen[::keep]:
            trace_id += 1
            duration_ns = round(one.duration_s * NS)
            split = dict.fromkeys(SPLIT, 0) | {"pool_wait": round(one.wait_s * NS) + one.asked}
            split["cpu"] = max(0, duration_ns - split["pool_wait"])
            start = begin + round(one.start_s * NS)
            made = extraction(
                start, duration_ns, service="service", feature_set=SET, split=split, cpu_ns=round(one.cpu_s * NS)
            )
            found.append(trace(trace_id, made, weight=float(keep), service="service"))
        write("trace", *found)
