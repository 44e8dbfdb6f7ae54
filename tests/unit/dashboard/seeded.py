"""A store with an hour and more of two services in it, made without chance: what the dashboard's tests look at."""

from __future__ import annotations

import math
import random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.model.edges import EDGES
from otel_fe.model.metric import Buckets, Metric, Point, ResourceMetrics
from otel_fe.store import KeptExtraction, KeptTrace
from otel_fe.store.points import MetricPoint
from tests.unit.store.parts import SPLIT, pairs

NS = 1_000_000_000
MINUTE = 60 * NS
DURATION = "feature_extraction.duration"
GROUPS = (
    ("feature-service", "user_profile", 0.10, 900),
    ("feature-service", "image_embedding", 0.03, 240),
    ("ranking", "session", 0.01, 420),
)
"""Service, feature set, share of slow ones while all is well, extractions a minute."""


def record(trace_id, duration_ns, policy="slow", time_ns=0, sampled=True):
    """Return a decision as `DecisionRecord.as_dict` has it."""
    slow = duration_ns >= 100_000_000
    ms = duration_ns / 1e6
    votes = [
        {"policy": "errors", "vote": "not sampled", "saw": "no span with status ERROR"},
        {
            "policy": "slow",
            "vote": "sampled" if slow else "not sampled",
            "saw": f"{ms:.0f} ms {'≥' if slow else '<'} 100 ms",
        },
        {
            "policy": "baseline",
            "vote": "sampled" if policy == "baseline" else "not sampled",
            "saw": "randomness 0.031 of 0.05",
        },
    ]
    weight = {"baseline": 20.0}.get(policy, 1.0) if sampled else 0.0
    return {
        "trace_id": f"{trace_id:032x}", "time_unix_nano": time_ns, "trigger": "whole", "sampled": sampled, "dropped": False,
        "outcome": f"kept by {policy}, weight {weight:g}" if sampled else "not sampled", "policy": policy if sampled else "none",
        "weight": weight, "spans": 4, "duration_ns": duration_ns, "votes": votes,
    }  # fmt: skip


def spans_of(
    trace_id, start_ns, duration_ns, service, feature_set, attributes=None, name=None, error=False, split=None
):
    """Return an encoded trace: a request, its extraction, a Redis GET and, after a miss, a query."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(pairs({"service.name": service, "service.version": "2.4.1"}))
    scoped = group.scope_spans.add()
    low = trace_id & (2**64 - 1)
    hit = not (split or {}).get("downstream")
    own = {
        "feature_extraction.feature_set": feature_set, "feature_extraction.cache.hit": hit, "feature_extraction.cache.lookups": 3,
        "feature_extraction.cache.hits": 3 if hit else 1, "feature_extraction.cache.time": 0.0021, "feature_extraction.library": "sklearn",
        "feature_extraction.pool.wait_time": (split or {}).get("pool_wait", 0) / 1e9, "feature_extraction.pool.name": "primary",
        "feature_extraction.pool.in_use": 5, "feature_extraction.pool.size": 5,
    } | (attributes or {})  # fmt: skip

    def add(number, parent, called, kind, begin, end, attrs):
        return scoped.spans.add(
            trace_id=trace_id.to_bytes(16, "big"), span_id=(low ^ number).to_bytes(8, "big"),
            parent_span_id=(low ^ parent).to_bytes(8, "big") if parent else b"", name=called, kind=kind,
            start_time_unix_nano=start_ns + int(begin * duration_ns), end_time_unix_nano=start_ns + int(end * duration_ns), attributes=pairs(attrs),
        )  # fmt: skip

    add(1, 0, "GET /features", 2, 0, 1, {"http.request.method": "GET", "http.route": "/features"})
    extraction = add(2, 1, name or f"feature_extraction {feature_set}", 1, 0.01, 0.99, own)
    add(3, 2, "GET", 3, 0.03, 0.09, {"db.system.name": "redis"})
    if not hit:
        add(4, 2, "SELECT features", 3, 0.35, 0.9, {"db.system.name": "postgresql"})
    if error:
        extraction.status.code = 2
        extraction.status.message = "upstream timed out"
        extraction.events.add(name="exception", time_unix_nano=start_ns + duration_ns // 2).attributes.extend(
            pairs({"exception.type": "TimeoutError"})
        )
    return request.SerializeToString()


def kept(
    trace_id,
    start_ns,
    duration_ns,
    service="feature-service",
    feature_set="user_profile",
    policy=None,
    error=False,
    cause=None,
    **more,
):
    """Return a kept trace of one extraction."""
    slow = duration_ns >= 100_000_000
    policy = policy or ("errors" if error else "slow" if slow else "baseline")
    cause = cause or ("pool_wait" if slow else "cpu")
    parts = (
        {"cache_miss": 0.03, "cpu": 0.2, "downstream": 0.12, "unexplained": 0.05}
        if slow
        else {"cache_miss": 0.0, "cpu": 0.75, "unexplained": 0.25}
    )
    split = dict.fromkeys(SPLIT, 0) | {name: int(share * duration_ns) for name, share in parts.items()}
    split[cause] += duration_ns - sum(split.values())
    extraction = KeptExtraction(
        (trace_id & (2**64 - 1)) ^ 2, start_ns, duration_ns, service, feature_set, error, "TimeoutError" if error else "", "sklearn",
        not slow, 3, 1 if slow else 3, int(duration_ns * 0.2), 1_000_000, cause, split,
    )  # fmt: skip
    spans = spans_of(trace_id, start_ns, duration_ns, service, feature_set, split=split, error=error, **more)
    decision = record(trace_id, duration_ns, policy, start_ns + duration_ns)
    return KeptTrace(
        trace_id,
        start_ns,
        start_ns + duration_ns,
        "GET /features",
        service,
        error,
        policy,
        decision["weight"],
        4 if slow else 3,
        spans,
        (extraction,),
        b"",
        decision,
    )


def metrics(minute_ns, service, feature_set, total, slow, errors, misses):
    """Return what one process counted in a minute, as deltas."""
    edges = tuple(float(edge) for edge in EDGES[DURATION])
    counts = [0] * (len(edges) + 1)
    limit = edges.index(0.1)
    for number, share in enumerate((0.15, 0.4, 0.3, 0.15)):
        counts[limit - 3 + number] += round((total - slow) * share)
    counts[limit] += total - slow - sum(counts)
    counts[limit + 1] += slow
    labels = {"feature_extraction.feature_set": feature_set}
    end = minute_ns + MINUTE - NS

    def sum_of(name, value, **more):
        return Metric(name, "{extraction}", True, (Point(labels | more, minute_ns, end, value),))

    slos = {"latency": slow, "error_rate": errors, "cache_hit_rate": misses, "memory": 0}
    found = [
        Metric(
            DURATION, "s", True, (Point(labels, minute_ns, end, Buckets(total, 0.04 * total, edges, tuple(counts))),)
        )
    ]
    for slo, bad in slos.items():
        found += [
            Metric(
                "feature_extraction.slo.events",
                "{extraction}",
                True,
                tuple(
                    Point(labels | {"slo": slo, "good": told}, minute_ns, end, value)
                    for told, value in ((True, total - bad), (False, bad))
                    if value
                ),
            )
        ]
    found.append(sum_of("feature_extraction.cache.lookups", 3 * (total - misses), result="hit"))
    found.append(sum_of("feature_extraction.cache.lookups", 3 * misses, result="miss"))
    return ResourceMetrics({"service.name": service, "service.instance.id": "a"}, "otel_fe", tuple(found))


POOL_EDGES = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5)


def pool_metrics(minute_ns, service="feature-service", requests=12_300, use_s=0.02, wait_s=0.0135, size=5):
    """Return the metrics that a pool reported in a minute: random uses, and the waits that queueing theory expects of them."""
    end = minute_ns + MINUTE - NS
    labels = {"db.client.connection.pool.name": "primary"}
    below = [round(requests * (1 - math.exp(-edge / use_s))) for edge in POOL_EDGES]
    uses = tuple(b - a for a, b in zip([0, *below], [*below, requests], strict=True))
    waits = (requests // 2, *(0,) * 3, requests - requests // 2, *(0,) * 6)

    def histogram(name, counts, total):
        point = Point(labels, minute_ns, end, Buckets(requests, total, POOL_EDGES, counts))
        return Metric(f"db.client.connection.{name}", "s", True, (point,))

    told = (histogram("use_time", uses, requests * use_s), histogram("wait_time", waits, requests * wait_s))
    return [
        ResourceMetrics({"service.name": service, "service.instance.id": "a"}, "otel_fe", told),
        MetricPoint(
            "db.client.connection.max",
            "{connection}",
            "gauge",
            service,
            labels,
            "a",
            0,
            end,
            delta=False,
            value=float(size),
        ),
    ]


def fill(write, now_ns, minutes=90, seed=1, traces_a_minute=12):
    """Fill a store: the pool of `user_profile` is too small in the last twenty minutes.

    Args:
        write: Takes a kind and contents, as `Bed.write` does.
    """
    chance = random.Random(seed)
    begin = now_ns - minutes * MINUTE
    begin -= begin % MINUTE
    trace_id = chance.getrandbits(100) << 20
    for number in range(minutes):
        at = begin + number * MINUTE
        worse = number >= minutes - 20
        counted, found = [], []
        for service, feature_set, share, usual in GROUPS:
            total = round(usual * (1 + 0.15 * math.sin(number / 9)))
            bad = worse and feature_set == "user_profile"
            slow = round(total * (0.22 if bad else share * 0.4) * chance.uniform(0.8, 1.2))
            counted.append(
                metrics(
                    at, service, feature_set, total, slow, round(total * 0.004), round(total * (0.34 if bad else 0.18))
                )
            )
            for _ in range(traces_a_minute):
                trace_id += 1
                is_slow = chance.random() < (0.55 if bad else 0.12)
                ms = chance.lognormvariate(5.2, 0.35) if is_slow else chance.lognormvariate(3.4, 0.45)
                ms = max(ms, 101.0) if is_slow else min(ms, 99.0)
                found.append(
                    kept(
                        trace_id,
                        at + chance.randrange(55 * NS),
                        int(ms * 1e6),
                        service,
                        feature_set,
                        error=chance.random() < 0.02,
                        cause=None if bad else "downstream" if is_slow else None,
                    )
                )
        write("metrics", [*counted, *pool_metrics(at)])
        write("trace", *found)
    write("record", *(record(trace_id + n, 20_000_000, time_ns=now_ns, sampled=False) for n in range(1, 40)))
    return trace_id
