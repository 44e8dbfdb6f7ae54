"""Metrics of received extractions, counted in C where possible.

An extraction that says in its `tracestate` how it was sampled has been counted by the stage that decided it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_fe import compiled, semconv
from otel_fe.model import trace_state
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.pipeline.derive import DerivedMetrics
from otel_fe.pipeline.extractions import MEASURED, extractions_in, figures_of, told_split
from otel_fe.requirements import LATENCY_LIMIT_NS, MEMORY_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_fe.compiled.series_protocols import CountExtractions, SeriesFinder
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.extraction_series import ExtractionSeries

    MetricsOf = Callable[[Any], "ReceivedMetrics"]
    """Returns those of a resource."""


_Metrics = TypeVar("_Metrics")
_TOLD: Final = {cause: semconv.TIME[cause] for cause in CAUSES}
"""Keyed by cause: the attribute with its part of a slow extraction's time."""


class ReceivedMetrics(DerivedMetrics):
    """The series of the extractions of one resource. Not thread-safe: its owner holds a lock."""

    def __init__(self, max_series: int, draw: Callable[[int], int]) -> None:
        super().__init__(max_series, draw)
        self._counter: SeriesFinder | None = (
            None
            if compiled.backend is None
            else compiled.backend.Counter(MEASURED, _TOLD, LATENCY_LIMIT_NS, MEMORY_LIMIT_BYTES)
        )

    @property
    def counter(self) -> SeriesFinder | None:
        """The counter of extractions in C; None if it is absent, or if a callback needs each extraction."""
        return self._counter if self._observed_by is None else None

    def record_spans(self, spans: Iterable[SpanView]) -> None:
        """Count extractions, and have `counter` know those that are like them."""
        counter = self.counter
        for span in spans:
            figures = figures_of(span)
            figures.split = told_split(span, figures.duration_ns)
            self.record(figures)
            series = self.series_of(figures)
            if counter is not None and series is not self._overflow:  # there values go that may never come twice
                counter.learn(span, series)

    def offer_spans(self, spans: Iterable[SpanView]) -> None:
        """Offer extractions of traces that are kept as exemplars."""
        counter = self._counter
        for span in spans:
            series: ExtractionSeries | None = None if counter is None else counter.find(span)
            if series is None:
                series = self.series_of(figures_of(span))
            self._offer(series, max(0, span.end_ns - span.start_ns), span.end_ns, span.trace_id, span.span_id)


def record(spans: Iterable[SpanView], metrics_of: MetricsOf) -> None:
    """Count the extractions among spans that no earlier stage has counted."""
    for metrics, extractions in _counted(spans, semconv.SPAN_NAME, metrics_of, _is_counted):
        metrics.record_spans(extractions)


def uncounted(
    spans: Iterable[SpanView], metrics_of: Callable[[Any], _Metrics]
) -> list[tuple[_Metrics, list[SpanView]]]:
    """Return the extractions among spans that no earlier stage has counted, adjacent ones with their resource's metrics."""
    found: list[tuple[_Metrics, list[SpanView]]] = []
    resource: object = None
    together: list[SpanView] = []
    for span in extractions_in(spans):
        if span.trace_state and _is_counted(span.trace_state):
            continue
        if not found or span.resource is not resource:
            resource = span.resource
            together = []
            found.append((metrics_of(resource), together))
        together.append(span)
    return found


def _is_counted(state: str) -> bool:
    return trace_state.sampling(state).threshold is not None


def _left(
    spans: Iterable[SpanView],
    _word: str,
    metrics_of: Callable[[Any], _Metrics],
    _is_counted: Callable[[str], bool],
) -> list[tuple[_Metrics, list[SpanView]]]:
    return uncounted(spans, metrics_of)


_counted: Final[CountExtractions] = _left if compiled.backend is None else compiled.backend.counted
