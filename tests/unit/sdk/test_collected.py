"""Metrics of ours beside the SDK's: whatever is collected arrives, over OTLP too."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric, NumberDataPoint, Sum
from opentelemetry.sdk.resources import Resource

from otel_fe import semconv
from otel_fe.sdk.collected import with_ours
from otel_fe.version import __version__

HERE = Resource({"service.name": "shop"})


def ours(name):
    return Metric(name, "", "1", Sum([NumberDataPoint({}, 1, 2, 3)], 2, is_monotonic=True))


def names(data):
    """Return the names of what is sent, by scope."""
    return {
        scope.scope.name: sorted(metric.name for metric in scope.metrics)
        for resource in encode_metrics(data).resource_metrics
        for scope in resource.scope_metrics
    }


def test_all_under_one_scope_arrive():
    """An instrument of ours, two lots of ours beside it, and a foreign one: the encoder knows a scope once."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], HERE)
    provider.get_meter(semconv.SCOPE_NAME, __version__).create_counter("instrument").add(1)
    provider.get_meter("theirs").create_counter("other").add(1)
    data = with_ours(with_ours(reader.get_metrics_data(), [ours("pool")], HERE), [ours("a"), ours("b")], HERE)
    assert names(data) == {semconv.SCOPE_NAME: ["a", "b", "instrument", "pool"], "theirs": ["other"]}
    assert with_ours(data, [], HERE) is data
    provider.shutdown()


def test_where_nothing_was_collected_ours_are_all():
    assert names(with_ours(None, [ours("a")], HERE)) == {semconv.SCOPE_NAME: ["a"]}
    assert with_ours(None, [], HERE) is None
