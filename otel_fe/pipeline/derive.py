"""Metrics from every extraction, before any trace is dropped: exact, bounded, with exemplars that resolve."""

from __future__ import annotations

from _thread import RLock
from typing import TYPE_CHECKING, Protocol

from otel_fe.model.histogram import Exemplar
from otel_fe.pipeline.extraction_series import Dimensions, ExtractionSeries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_fe.model.measurements import Measurements
    from otel_fe.pipeline.trace import Candidate


class ValueRecorder(Protocol):
    """Something that aggregates the values of extractions in another way than series do. Must be quick and not raise."""

    def record(self, series: ExtractionSeries, figures: Measurements) -> None:
        """Record an ended extraction, which has been counted in its series."""
        ...

    def offer(self, series: ExtractionSeries, figures: Measurements, time_ns: int, trace_id: int, span_id: int) -> None:
        """Offer an extraction of a kept trace as an exemplar."""
        ...


class DerivedMetrics:
    """The series of all extractions; at most `max_series`, the last of them for all that no longer fit."""

    def __init__(self, max_series: int, draw: Callable[[int], int]) -> None:
        self._max_series = max_series
        self._draw = draw
        self._lock = RLock()
        self._series: dict[tuple[str, bool | None, str, str], ExtractionSeries] = {}
        self._overflow: ExtractionSeries | None = None
        self._observed_by: Callable[[Measurements], None] | None = None
        self._also_in: ValueRecorder | None = None
        self.cancelled: dict[str, int] = {}
        """Extractions that their callers ended early, by feature set; as many of those as there may be series."""

    def observe(self, callback: Callable[[Measurements], None] | None) -> None:
        """Pass every extraction counted from now on to `callback`, which replaces the previous one; None for no callback.

        Args:
            callback: Called on the thread that counts, after the extraction has been counted. It must be quick, must not
                raise, and must not keep the figures: extractions die by reference counting alone.
        """
        self._observed_by = callback

    def record_also_in(self, recorder: ValueRecorder | None) -> None:
        """Have `recorder`, instead of the one before, record every extraction that is counted from now on; None for no one."""
        self._also_in = recorder

    def record(self, figures: Measurements) -> None:
        """Count one ended extraction in every metric."""
        figures.settle()
        series = self.series_of(figures)
        series.record(figures)
        recorder = self._also_in
        if recorder is not None:
            recorder.record(series, figures)
        if figures.cancelled:
            self._count_cancelled(figures.feature_set)
        observer = self._observed_by
        if observer is not None:
            observer(figures)

    def _count_cancelled(self, feature_set: str) -> None:
        with self._lock:
            if feature_set in self.cancelled or len(self.cancelled) < self._max_series:
                self.cancelled[feature_set] = self.cancelled.get(feature_set, 0) + 1

    def series_of(self, figures: Measurements) -> ExtractionSeries:
        """Return the series that an ended extraction belongs to."""
        lookups = figures.cache_lookups
        key = (
            figures.feature_set,
            figures.cache_hits == lookups if lookups else None,
            figures.error_type,
            figures.library,
        )
        found = self._series.get(key)
        return found if found is not None else self._add(key)

    def _add(self, key: tuple[str, bool | None, str, str]) -> ExtractionSeries:
        with self._lock:
            found = self._series.get(key)
            if found is not None:
                return found
            if len(self._series) + 1 < self._max_series:
                found = self._series[key] = ExtractionSeries(Dimensions(*key))
                return found
            if self._overflow is None:
                self._overflow = ExtractionSeries(None)
            return self._overflow

    def offer(self, trace_id: int, candidates: Iterable[Candidate]) -> None:
        """Offer the extractions of a trace that is kept as exemplars."""
        recorder = self._also_in
        for figures, time_ns, span_id in candidates:
            series = self.series_of(figures)
            self._offer(series, figures.duration_ns, time_ns, trace_id, span_id)
            if recorder is not None:
                recorder.offer(series, figures, time_ns, trace_id, span_id)

    def _offer(self, series: ExtractionSeries, duration_ns: int, time_ns: int, trace_id: int, span_id: int) -> None:
        durations = series.duration
        with series.lock:
            if durations.draws_exemplar(duration_ns, self._draw):
                durations.keep_exemplar(Exemplar(duration_ns, time_ns, trace_id, span_id))

    def all_series(self) -> list[ExtractionSeries]:
        """Return every series there is, the overflow last."""
        with self._lock:
            found = list(self._series.values())
            return found if self._overflow is None else [*found, self._overflow]
