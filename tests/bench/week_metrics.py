"""The metrics of a synthetic week of extractions, as the services' processes export them: as deltas."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from otel_fe import semconv
from otel_fe.model.edges import EDGES
from otel_fe.model.metric import Buckets, Metric, Point, ResourceMetrics
from tests.bench.week_traces import GROUPS, NS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.bench.week_traces import Group

MINUTE_NS = 60 * NS
HOUR_NS = 60 * MINUTE_NS


def metrics_of(draw: random.Random, start_ns: int, step_ns: int) -> list[ResourceMetrics]:
    """Return what the services counted in a step, as deltas."""
    end = start_ns + step_ns - NS
    found = []
    for service in dict.fromkeys(group.service for group in GROUPS):
        metrics: list[Metric] = []
        for group in GROUPS:
            if group.service == service:
                metrics += _counted(draw, group, start_ns, end, step_ns // MINUTE_NS)
        resource = {semconv.SERVICE_NAME: service, "service.instance.id": "a"}
        found.append(ResourceMetrics(resource, "otel_fe", tuple(metrics)))
    return found


def _counted(draw: random.Random, group: Group, start_ns: int, end_ns: int, minutes: int) -> Iterator[Metric]:
    total = round(group.per_minute * minutes * _wave(start_ns) * draw.uniform(0.9, 1.1))
    slow, failed, missed = (round(total * draw.uniform(0.5, 1.5) * share) for share in (0.04, 0.006, 0.2))
    named = {semconv.FEATURE_SET: group.feature_set}
    library = {semconv.LIBRARY: group.library} if group.library else {}

    def points(metric: str, unit: str, *told: tuple[dict[str, Any], Any]) -> Metric:
        return Metric(
            metric, unit, True, tuple(Point(named | labels, start_ns, end_ns, value) for labels, value in told)
        )

    for hit, number in ((True, total - missed), (False, missed)):
        labels = {semconv.CACHE_HIT: hit, **library}
        late = slow // 2
        yield points(semconv.DURATION, "s", (labels, _duration(number, late, group.usual_ms / 1_000)))
        yield points(semconv.CPU_TIME_METRIC, "s", (labels, _evenly(semconv.CPU_TIME_METRIC, number, 0.004)))
        yield points(semconv.MEMORY_GROWTH_METRIC, "By", (labels, _evenly(semconv.MEMORY_GROWTH_METRIC, number, 4_096)))
    waited = {semconv.CACHE_HIT: False, **library}
    yield points(semconv.POOL_WAIT_METRIC, "s", (waited, _evenly(semconv.POOL_WAIT_METRIC, missed, 0.002)))
    for slo, bad in (("latency", slow), ("error_rate", failed), ("cache_hit_rate", missed), ("memory", 0)):
        told = ((good, number) for good, number in ((True, total - bad), (False, bad)) if number)
        yield points(
            semconv.SLO_EVENTS,
            "{extraction}",
            *(({semconv.SLO: slo, semconv.GOOD: good}, number) for good, number in told),
        )
    lookups = (({semconv.RESULT: "hit"}, 2 * (total - missed)), ({semconv.RESULT: "miss"}, missed))
    yield points(semconv.CACHE_LOOKUPS_METRIC, "{lookup}", *lookups)


def _duration(total: int, slow: int, usual_s: float) -> Buckets:
    edges = tuple(float(edge) for edge in EDGES[semconv.DURATION])
    counts = [0] * (len(edges) + 1)
    slow = min(slow, total)
    limit = edges.index(0.1)
    middle = max(3, min(limit - 5, next(place for place, edge in enumerate(edges) if edge >= usual_s)))
    shares = (0.03, 0.07, 0.15, 0.25, 0.22, 0.14, 0.08)
    for place, share in enumerate(shares, middle - 3):
        counts[place] += round((total - slow) * share)
    counts[limit - 1] += total - slow - sum(counts)
    for place, share in enumerate((0.4, 0.3, 0.2), limit + 1):
        counts[place] += round(slow * share)
    counts[limit + 4] += total - sum(counts)
    counts = [max(0, number) for number in counts]
    return Buckets(sum(counts), usual_s * total + 0.2 * slow, edges, tuple(counts))


def _evenly(metric: str, total: int, each: float) -> Buckets:
    edges = tuple(float(edge) for edge in EDGES[metric])
    counts = [0] * (len(edges) + 1)
    third = total // 3
    counts[2], counts[4], counts[5] = third, third, total - 2 * third
    return Buckets(total, total * each, edges, tuple(counts))


def _wave(time_ns: int) -> float:
    """Return how busy a moment is: three times as busy by day as by night."""
    return 1 + 0.5 * math.sin(time_ns / (24 * HOUR_NS) * 2 * math.pi)
