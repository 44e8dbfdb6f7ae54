"""Counts the spans of this process as the `span_metrics` connectors of a Collector configuration do."""

from __future__ import annotations

from _thread import RLock
from typing import TYPE_CHECKING

from otel_fe.pipeline.span_metrics.connector import SpanMetricsConnector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_fe.clock import Clock
    from otel_fe.config.span_metrics import SpanMetrics
    from otel_fe.model.metric import ResourceMetrics
    from otel_fe.model.span import SpanView

    View = Callable[[object], SpanView]
    """Converts a span of the process to the form that policies and dimensions read."""


class LocalSpanMetrics:
    """Counts the spans of this process by the settings of `span_metrics` connectors."""

    def __init__(
        self, settings: Iterable[SpanMetrics], clock: Clock, draw: Callable[[int], int], instance_id: str, view: View
    ) -> None:
        self._view = view
        self._lock = RLock()
        self._connectors = [SpanMetricsConnector(one, clock, draw, instance_id) for one in settings]

    def __bool__(self) -> bool:
        return bool(self._connectors)

    def record(self, spans: Iterable[object]) -> None:
        """Count spans that have ended, before their trace is kept or not."""
        views = [self._view(span) for span in spans]
        with self._lock:
            for connector in self._connectors:
                connector.record(views)

    def offer(self, spans: Iterable[object]) -> None:
        """Offer the spans of a kept trace as exemplars."""
        views = [self._view(span) for span in spans]
        with self._lock:
            for connector in self._connectors:
                connector.offer(views)

    def collect(self) -> list[ResourceMetrics]:
        """Return the metrics as they are now."""
        with self._lock:
            return [metrics for connector in self._connectors for metrics in connector.collect()]
