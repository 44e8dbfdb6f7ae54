"""Measures of spans, and the metrics made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe import compiled
from otel_fe.pipeline.span_metrics.aggregates import Count, durations
from otel_fe.pipeline.span_metrics.dimensions import SpanDimensions
from otel_fe.pipeline.span_metrics.series import Series, SeriesMap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_fe.compiled.series_protocols import ForgettingFinder
    from otel_fe.config.span_metrics import Dimension, SpanMetrics
    from otel_fe.model.span import Attributes, SpanView, Value
    from otel_fe.pipeline.span_metrics.aggregates import Aggregate
    from otel_fe.pipeline.span_metrics.dimensions import Key

    DimensionsOf = Callable[[Sequence[Dimension], Attributes], SpanDimensions]
    """From a metric's own dimensions and the attributes that spans fall back on to how to count by them."""


REPLACED: Final = "\ufffd"
"""In the name of an attribute, it may represent bytes that are no UTF-8."""


@dataclass(frozen=True, slots=True)
class MeasureReport:
    """One metric that is made from a measure."""

    name: str
    unit: str
    value: Callable[[Any], Any]
    """From a series' aggregate to the value of its point."""
    is_sum: bool = False
    """Whether it is a monotonic sum, whose first cumulative point is 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """Series by the same dimensions, counted once, and what is reported of them.

    Where calls and durations have the same dimensions, as they do by default, one measure makes both metrics: the
    count of a histogram is the count of calls.
    """

    own: Sequence[Dimension]
    """Dimensions beside those of every metric."""
    series: SeriesMap
    reports: tuple[MeasureReport, ...]


class SharedMeasures:
    """The measures of all resources that count as one."""

    __slots__ = ("attributes", "events", "measures", "seen_ns")

    def __init__(self, attributes: Attributes, measures: Sequence[Measure], events: Measure | None) -> None:
        self.attributes = attributes
        """The first resource's."""
        self.measures = tuple(measures)
        """Measures of spans."""
        self.events = events
        """Measures of span events; None where they are not wanted."""
        self.seen_ns = 0
        """Monotonic time of the last span."""

    @property
    def all(self) -> tuple[Measure, ...]:
        """Every measure."""
        return self.measures if self.events is None else (*self.measures, self.events)


class Source:
    """A resource as its spans are counted: measures that it may share with others, and dimensions of its own."""

    __slots__ = ("_attributes", "_dimensions_of", "counted", "finders", "measured")

    def __init__(self, measured: SharedMeasures, attributes: Attributes, dimensions_of: DimensionsOf) -> None:
        self.measured = measured
        self._attributes = attributes
        self._dimensions_of = dimensions_of
        self.counted = tuple(
            ResourceMeasure(dimensions_of(measure.own, attributes), measure) for measure in measured.measures
        )
        finders = tuple(counted.finder for counted in self.counted if counted.finder is not None)
        self.finders = finders if len(finders) == len(self.counted) and measured.events is None else None
        """The counter of spans in C; None if it is absent or does not support all that is counted."""

    def of_event(self, events: Measure, attributes: Mapping[str, Value]) -> ResourceMeasure:
        """Return the key of an event: its attributes take precedence over the resource's."""
        return ResourceMeasure(self._dimensions_of(events.own, {**self._attributes, **attributes}), events)


class ResourceMeasure:
    """A measure seen from one resource."""

    __slots__ = ("by_key", "dimensions", "finder", "series")

    def __init__(self, dimensions: SpanDimensions, measure: Measure) -> None:
        self.dimensions = dimensions
        usual = not dimensions.unusual and not any(REPLACED in name for name in dimensions.names)
        self.finder: ForgettingFinder | None = None
        """Finds series in C; None where that is not there, or where a key needs more than what attributes say."""
        if compiled.backend is not None and usual:
            self.finder = compiled.backend.Finder(dimensions.names, dimensions.fallback_texts, measure.series.find)
        self.series = measure.series
        self.by_key = measure.series.by_key

    def of(self, span: SpanView, adjusted: int | None) -> Series | None:
        """Return the series that a span was counted in."""
        found: Series | None = None if self.finder is None else self.finder.find(span)
        return self.series.of(self.dimensions.key(span, adjusted)) if found is None else found

    def forget(self) -> None:
        """Forget which series spans belong to; where series have gone."""
        if self.finder is not None:
            self.finder.clear()

    def learn(self, span: SpanView, series: Series) -> None:
        """Have a series found in C from now on; all that overflow would fill the memory with values that come once."""
        if self.finder is not None and series is not self.series.overflow:
            self.finder.learn(span, series)

    def begin(self, key: Key, span: SpanView, now_ns: int, *, adjusted: bool) -> Series:
        """Return the series of a key that has none yet."""
        return self.series.add(key, lambda: self.dimensions.attributes(span, span.scope, adjusted=adjusted), now_ns)


class Measures:
    """Makes measures, and the dimensions to count by.

    Args:
        settings: Of the connector.
        per_unit: Nanoseconds in the unit of durations.
        instance_id: The value of `collector.instance.id`.
    """

    def __init__(self, settings: SpanMetrics, per_unit: int, instance_id: str) -> None:
        self._settings = settings
        self._instance_id = instance_id
        prefix = f"{settings.namespace}." if settings.namespace else ""
        self._calls = MeasureReport(f"{prefix}calls", "", lambda aggregate: aggregate.count, is_sum=True)
        self._duration = MeasureReport(f"{prefix}duration", settings.unit, lambda aggregate: aggregate.value())
        self._events = MeasureReport(f"{prefix}events", "", lambda aggregate: aggregate.count, is_sum=True)
        self._durations = None if settings.histogram is None else durations(settings.histogram, per_unit)

    def of(self, attributes: Attributes) -> SharedMeasures:
        """Return new measures for a resource."""
        settings = self._settings
        events = self._measure(settings.event_dimensions, Count, self._events) if settings.events_enabled else None
        return SharedMeasures(attributes, self._of_spans(), events)

    def source(self, measured: SharedMeasures, attributes: Attributes) -> Source:
        """Return how the spans of a resource are counted in measures."""
        return Source(measured, attributes, lambda own, of: SpanDimensions(self._settings, own, of, self._instance_id))

    def _of_spans(self) -> list[Measure]:
        calls, duration = self._settings.calls_dimensions, self._settings.histogram_dimensions
        if self._durations is None:
            return [self._measure(calls, Count, self._calls)]
        if calls == duration:
            return [self._measure(duration, self._durations, self._calls, self._duration)]
        return [
            self._measure(calls, Count, self._calls),
            self._measure(duration, self._durations, self._duration),
        ]

    def _measure(self, own: Sequence[Dimension], make: Callable[[], Aggregate], *reports: MeasureReport) -> Measure:
        return Measure(own, SeriesMap(make, self._settings.cardinality_limit), reports)
