"""The `span_metrics` connectors: they send metrics through their pipelines every `metrics_flush_interval`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from otel_fe.model.randomness import drawing
from otel_fe.pipeline.span_metrics.connector import SpanMetricsConnector
from otel_fe.wire.metrics import encode_metrics
from otel_fe.wire.validation import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.clock import Clock
    from otel_fe.collector.graph.passthrough import PassthroughPipeline
    from otel_fe.config.span_metrics import SpanMetrics
    from otel_fe.model.metric import ResourceMetrics


class Connected:
    """A connector and its schedule. Not thread-safe: the graph holds its lock.

    Args:
        settings: Of the connector.
        clock: Both clocks.
        instance_id: Distinguishes the metrics of several collectors, or workers of one.
    """

    def __init__(self, settings: SpanMetrics, clock: Clock, instance_id: str) -> None:
        self.settings = settings
        self.connector = SpanMetricsConnector(settings, clock, drawing(random.random), instance_id)
        self._flushed_ns = clock.monotonic_ns()

    @property
    def due_ns(self) -> int:
        """When `collect_due` has something to return."""
        return self._flushed_ns + self.settings.flush_interval_ns

    def collect_due(self, now_ns: int, *, at_once: bool = False) -> list[ResourceMetrics]:
        """Return what is counted, if it is time to send it; else nothing.

        Args:
            now_ns: Monotonic.
            at_once: At the end: nothing is collected after it.
        """
        if not at_once and now_ns < self.due_ns:
            return []
        self._flushed_ns = now_ns
        return self.connector.collect(last=at_once)


def send_collected(metrics: Sequence[ResourceMetrics], pipelines: Sequence[PassthroughPipeline]) -> None:
    """Hand what a connector has counted to pipelines."""
    send_metrics(encode_metrics(metrics) if metrics else b"", pipelines)


def send_metrics(payload: bytes, pipelines: Sequence[PassthroughPipeline]) -> None:
    """Hand an encoded `ExportMetricsServiceRequest` of our own to pipelines; nothing where it is empty."""
    items = check("metrics", payload).items if payload else 0
    for pipeline in pipelines if items else ():
        pipeline.offer(payload, items)
