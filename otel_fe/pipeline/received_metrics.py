"""Metrics of extractions whose spans are received, counted in C as far as that goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe import compiled
from otel_fe.pipeline.derive import DerivedMetrics
from otel_fe.pipeline.extractions import MEASURED, figures_of
from otel_fe.pipeline.slo import LATENCY_LIMIT_NS, MEMORY_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.series import Series


class ReceivedMetrics(DerivedMetrics):
    """The series of the extractions of one resource. Not thread-safe: its owner holds a lock."""

    def __init__(self, max_series: int, draw: Callable[[int], int]) -> None:
        super().__init__(max_series, draw)
        self._counter = (
            None if compiled.spans is None else compiled.spans.Counter(MEASURED, LATENCY_LIMIT_NS, MEMORY_LIMIT_BYTES)
        )

    def record_spans(self, spans: list[SpanView]) -> None:
        """Count extractions."""
        counter = self._counter if self._observed_by is None else None
        for span in spans if counter is None else counter.count(spans):
            figures = figures_of(span)
            self.record(figures)
            series = self.series_of(figures)
            if counter is not None and series is not self._overflow:  # there values go that may never come twice
                counter.learn(span, series)

    def offer_spans(self, trace_id: int, spans: list[SpanView]) -> None:
        """Offer extractions of a trace that is kept as exemplars."""
        counter = self._counter
        for span in spans:
            series: Series | None = None if counter is None else counter.find(span)
            if series is None:
                series = self.series_of(figures_of(span))
            self._offer(series, max(0, span.end_ns - span.start_ns), span.end_ns, trace_id, span.span_id)
