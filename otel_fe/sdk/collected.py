"""Adds otel_fe's metrics to the collection of a metric reader."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_fe import semconv
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import Metric
    from opentelemetry.sdk.resources import Resource

SCOPE: Final = InstrumentationScope(semconv.SCOPE_NAME, __version__)
"""The scope of otel_fe's metrics."""


def with_ours(collected: MetricsData | None, metrics: Sequence[Metric], resource: Resource) -> MetricsData | None:
    """Return what was collected with metrics under our scope.

    They join those that are already under it: of two entries with one scope, the SDK's OTLP encoder (1.45) sends the last alone.

    Args:
        collected: By the reader; None or empty where there is nothing yet.
        metrics: To add; none leaves all as it is.
        resource: Of the provider, for where nothing was collected.
    """
    if not metrics:
        return collected
    if collected is None or not collected.resource_metrics:
        scope = ScopeMetrics(scope=SCOPE, metrics=list(metrics), schema_url="")
        return MetricsData([ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")])
    first, *rest = collected.resource_metrics
    ours = [one for one in first.scope_metrics if one.scope == SCOPE]
    others = [one for one in first.scope_metrics if one.scope != SCOPE]
    together = [metric for one in ours for metric in one.metrics] + list(metrics)
    scope = ScopeMetrics(scope=SCOPE, metrics=together, schema_url="")
    return MetricsData([replace(first, scope_metrics=[*others, scope]), *rest])
