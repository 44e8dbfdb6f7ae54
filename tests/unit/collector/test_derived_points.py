"""Metrics that are derived in the collector, against the form that the SDK gives to the same ones."""

from __future__ import annotations

import random

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics as Encoded
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_fe.collector.graph.derived_points import metrics_of
from otel_fe.model.measurements import Measurements
from otel_fe.pipeline.derive import DerivedMetrics
from otel_fe.sdk.collection import Collected
from otel_fe.sdk.metric_points import Collection
from otel_fe.wire.metrics import encode_scope


def figures(draw: random.Random) -> Measurements:
    """Return what some extraction measured."""
    made = Measurements()
    made.feature_set, made.library = draw.choice(["", "shop", "fraud ☂"]), draw.choice(["", "feast"])
    made.duration_ns = draw.randrange(1, 3_000_000_000)
    made.error_type = draw.choice(["", "", "ValueError"])
    made.cache_lookups = draw.randrange(3)
    made.cache_hits = draw.randint(0, made.cache_lookups)
    made.pool_waits = draw.randrange(2)
    made.pool_wait_ns = made.pool_waits * draw.randrange(1_000_000_000)
    made.cpu_ns = draw.choice([-1, draw.randrange(1_000_000)])
    made.memory_growth_bytes = draw.randrange(1 << 30)
    made.split = draw.choice([None, {"cpu": draw.randrange(1_000_000_000), "gc": 0, "unexplained": 1}])
    return made


def test_both_say_the_same():
    """Histograms with their extremes and exemplars, counters, the series for all that no longer fit."""
    draw = random.Random(7)
    metrics = DerivedMetrics(8, draw.randrange)
    for number in range(500):
        one = figures(draw)
        metrics.record(one)
        if not number % 5:
            metrics.offer(number + 1, [(one, 1_700_000_000_000_000_000 + number, number + 2)])
    ours, sdk = Collected(10, 20), Collection(10, 20)
    for series in metrics.all_series():
        sdk.add_series(series)
    ours.histograms, ours.exemplars, ours.counters = sdk.histograms, sdk.exemplars, sdk.counters
    points = sdk.metrics(None, delta_histograms=False, delta_counters=False)
    scope = ScopeMetrics(scope=InstrumentationScope("a scope", "1.2"), metrics=points, schema_url="")
    data = MetricsData([ResourceMetrics(resource=Resource({}), scope_metrics=[scope], schema_url="")])
    (wanted,) = encode_metrics(data).resource_metrics[0].scope_metrics
    found = Encoded.FromString(encode_scope("a scope", "1.2", metrics_of(ours)))
    assert found == wanted
    assert {metric.WhichOneof("data") for metric in found.metrics} == {"histogram", "sum"}
    (times,) = [metric for metric in found.metrics if metric.name == "feature_extraction.time"]
    assert (times.unit, times.sum.is_monotonic) == ("s", True)
    assert {point.attributes[0].value.string_value for point in times.sum.data_points} == {"cpu", "unexplained"}
    assert any(point.exemplars for metric in found.metrics for point in metric.histogram.data_points)
