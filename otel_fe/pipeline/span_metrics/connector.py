"""Derives metrics from spans: counted as they arrive, reported on request.

Counting comes before sampling, so that counts are exact; a span that was sampled upstream counts for as many as its
`tracestate` says. Exemplars come after: only spans of kept traces are offered, so that every exemplar leads to its trace.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from otel_fe import compiled
from otel_fe.config.span_metrics import SERVICE_NAME
from otel_fe.model import trace_state
from otel_fe.model.metric import ExemplarPoint, Metric, Point, ResourceMetrics
from otel_fe.model.probability import NEVER
from otel_fe.pipeline.span_metrics.measure import Measure, Measures, SharedMeasures, Source
from otel_fe.pipeline.span_metrics.series import FIXED_BITS, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from otel_fe.clock import Clock
    from otel_fe.compiled.series_protocols import DrawExemplars, RecordSpans
    from otel_fe.config.span_metrics import SpanMetrics
    from otel_fe.model.span import ResourceView, SpanView
    from otel_fe.pipeline.span_metrics.dimensions import Key

SCOPE: Final = "spanmetricsconnector"
"""The Collector's scope name, so that dashboards made for it work."""
_PER_UNIT: Final = {"ms": 1_000_000, "s": 1_000_000_000}
_ONE: Final = 1 << FIXED_BITS
_REMEMBERED_STARTS: Final = 100_000


class SpanMetricsConnector:
    """Counts spans by their dimensions. Not thread-safe: its owner calls it from one thread, or holds a lock.

    Args:
        settings: Of the `span_metrics` connector.
        clock: Unix time.
        draw: Returns a random integer from 0 to its argument less one; chooses exemplars.
        instance_id: The value of `collector.instance.id`, which distinguishes the metrics of several instances apart.
    """

    def __init__(self, settings: SpanMetrics, clock: Clock, draw: Callable[[int], int], instance_id: str) -> None:
        self._settings = settings
        self._clock = clock
        self._draw = draw
        self._per_unit = _PER_UNIT[settings.unit]
        self._measures = Measures(settings, self._per_unit, instance_id)
        self._resources: OrderedDict[object, SharedMeasures] = OrderedDict()
        """Keyed by the key of the resource."""
        self._sources: dict[ResourceView, Source | None] = {}
        """Keyed by identity: spans that came together share the object. None without a service's name."""
        self._starts: OrderedDict[tuple[object, str, Key], int] = OrderedDict()
        """With delta temporality, where the next interval of a series begins."""
        self.skipped = 0
        """Spans without `service.name` on their resource, which the Collector does not count either."""

    # --- spans in ----------------------------------------------------------------------------------------------------

    def record(self, spans: Iterable[SpanView]) -> None:
        """Count ended spans."""
        now_ns, seen_ns = self._clock.time_ns(), self._clock.monotonic_ns()
        sources = self._sources
        for span in _recorded(spans, sources, seen_ns, _adjusted):  # flat: this is done for every span there is
            try:
                source = sources[span.resource]
            except KeyError:
                source = self._source(span.resource)
            if source is None:
                self.skipped += 1
                continue
            source.measured.seen_ns = seen_ns
            state = span.trace_state
            adjusted = _adjusted(state) if state else None
            duration_ns = span.end_ns - span.start_ns
            if duration_ns < 0:  # noqa: PLR1730 a call of max() costs more
                duration_ns = 0  # the clock was set back
            get = span.attributes.get
            for counted in source.counted:
                dimensions = counted.dimensions
                key = dimensions.plain_key(span, get)
                if dimensions.unusual:
                    key = dimensions.unusual_key(key, span, adjusted)
                series = counted.by_key.get(key) or counted.begin(key, span, now_ns, adjusted=adjusted is not None)
                counted.learn(span, series)
                series.seen_ns = seen_ns
                series.record(duration_ns, 1 if adjusted is None else series.whole(adjusted))
            if source.measured.events is not None:
                self._record_events(source, source.measured.events, span, (now_ns, seen_ns), adjusted)

    def _record_events(
        self, source: Source, events: Measure, span: SpanView, times_ns: tuple[int, int], adjusted: int | None
    ) -> None:
        now_ns, seen_ns = times_ns
        for event in span.events:
            counted = source.of_event(events, event.attributes)
            key = counted.dimensions.key(span, adjusted)
            series = counted.by_key.get(key) or counted.begin(key, span, now_ns, adjusted=adjusted is not None)
            series.seen_ns = seen_ns
            series.record(0, 1 if adjusted is None else series.whole(adjusted))

    def offer(self, spans: Iterable[SpanView]) -> None:
        """Offer the spans of a kept trace, which have been counted, as exemplars."""
        if not self._settings.exemplars.enabled:
            return
        now_ns = self._clock.time_ns()
        left, drawn = _drawn(spans, self._sources, self._draw)
        for series, bucket, duration_ns, span in drawn:
            self._keep(series, bucket, duration_ns, span, now_ns)
        for span in left:
            source = self._sources.get(span.resource) or self._source(span.resource)
            if source is None or not span.trace_id:
                continue
            duration_ns = max(0, span.end_ns - span.start_ns)
            adjusted = _adjusted(span.trace_state) if span.trace_state else None
            for counted in source.counted:
                series = counted.of(span, adjusted)
                if series is not None:
                    bucket = series.aggregate.bucket(duration_ns)
                    if series.reservoir.draws(bucket, self._draw):
                        self._keep(series, bucket, duration_ns, span, now_ns)

    def _keep(self, series: Series, bucket: int, duration_ns: int, span: SpanView, now_ns: int) -> None:
        value = duration_ns / self._per_unit
        series.reservoir.keep(bucket, ExemplarPoint(value, now_ns, span.trace_id, span.span_id))

    # --- resources ----------------------------------------------------------------------------------------------------

    def _source(self, resource: ResourceView) -> Source | None:
        """Return how the spans of a resource are counted that is seen for the first time, or again after a while."""
        limit = self._settings.resource_cache_size
        if len(self._sources) >= 4 * limit:
            self._sources.clear()
        attributes = resource.attributes
        if SERVICE_NAME not in attributes:
            self._sources[resource] = None
            return None
        wanted = self._settings.resource_key_attributes or attributes
        identity = tuple(sorted((name, repr(attributes[name])) for name in wanted if name in attributes))
        measured = self._resources.get(identity)
        if measured is None:
            measured = self._resources[identity] = self._measures.of(attributes)
            if len(self._resources) > limit:
                _, oldest = self._resources.popitem(last=False)
                self._sources = {r: s for r, s in self._sources.items() if s is None or s.measured is not oldest}
        self._resources.move_to_end(identity)
        source = self._sources[resource] = self._measures.source(measured, attributes)
        return source

    # --- metrics out ---------------------------------------------------------------------------------------------------

    def collect(self, *, last: bool = False) -> list[ResourceMetrics]:
        """Return all metrics as they are now; with delta temporality, counts are reset.

        The first point of a cumulative sum is 0, as the Collector's (v0.160), so that `increase()` of Prometheus, which knows
        no start time, sees what the series began with. A histogram's first point is what it holds, as there.

        Args:
            last: No collection follows: a series that is new reports what it counted, since no later point would.
        """
        now_ns = self._clock.time_ns()
        collected = [
            ResourceMetrics(measured.attributes, SCOPE, self._metrics(identity, measured, now_ns, last=last))
            for identity, measured in self._resources.items()
        ]
        if self._settings.delta:
            self._resources.clear()
            self._sources.clear()
        else:
            self._expire(self._clock.monotonic_ns())
        return collected

    def changed(self, since_ns: int) -> list[ResourceMetrics]:
        """Return what `collect` would of the series that have counted since a time, and leave everything as it is.

        Exemplars are left out. With delta temporality nothing is returned: what is taken is not there for `collect` any more.

        Args:
            since_ns: Monotonic time, inclusive.
        """
        if self._settings.delta:
            return []
        now_ns = self._clock.time_ns()
        return [
            ResourceMetrics(measured.attributes, SCOPE, metrics)
            for measured in self._resources.values()
            if measured.seen_ns >= since_ns and (metrics := self._changed(measured, since_ns, now_ns))
        ]

    def _changed(self, measured: SharedMeasures, since_ns: int, now_ns: int) -> list[Metric]:
        metrics = []
        for measure in measured.all:
            series = [one for _, one in measure.series.items() if one.seen_ns >= since_ns]
            for report in measure.reports if series else ():
                points = [
                    Point(one.attributes, one.start_ns, now_ns, report.value(one.aggregate), ()) for one in series
                ]
                metrics.append(Metric(report.name, report.unit, False, points))  # noqa: FBT003 as in `_metrics`
        return metrics

    def _metrics(self, identity: object, measured: SharedMeasures, now_ns: int, *, last: bool) -> list[Metric]:
        limit, delta = self._settings.exemplars.max_per_data_point, self._settings.delta
        metrics = []
        for measure in measured.all:
            reports: dict[str, list[Point]] = {report.name: [] for report in measure.reports}
            for key, series in measure.series.items():
                start_ns = self._start_of((identity, measure.reports[0].name, key), series, now_ns)
                exemplars = series.reservoir.take(limit, self._draw)
                first = not (delta or last or series.reported)
                series.reported = True
                for report in measure.reports:
                    value = 0 if first and report.is_sum else report.value(series.aggregate)
                    reports[report.name].append(Point(series.attributes, start_ns, now_ns, value, exemplars))
            metrics += [Metric(report.name, report.unit, delta, reports[report.name]) for report in measure.reports]
        return metrics

    def _start_of(self, place: tuple[object, str, Key], series: Series, now_ns: int) -> int:
        """Return where a point's interval begins: deltas of a series follow each other without a gap."""
        if not self._settings.delta:
            return series.start_ns
        start = self._starts.pop(place, series.start_ns)
        self._starts[place] = now_ns
        if len(self._starts) > _REMEMBERED_STARTS:
            self._starts.popitem(last=False)
        return start

    def _expire(self, now_ns: int) -> None:
        settings = self._settings
        if settings.expiration_ns:
            stale = [i for i, m in self._resources.items() if now_ns - m.seen_ns >= settings.expiration_ns]
            for identity in stale:
                del self._resources[identity]
            if stale:
                self._sources.clear()
        if settings.series_expiration_ns:
            for measured in self._resources.values():
                for measure in measured.all:
                    measure.series.expire(now_ns - settings.series_expiration_ns)
            for source in self._sources.values():
                for counted in source.counted if source is not None else ():
                    counted.forget()


@functools.lru_cache(1_024)
def _adjusted(text: str) -> int | None:
    """Return the weight of a span by its `tracestate`, in parts of 2**-64; None if it has none."""
    threshold = trace_state.sampling(text).threshold
    return None if threshold is None else _ONE * NEVER // (NEVER - threshold)


def _all_left(
    spans: Iterable[SpanView], _sources: Mapping[Any, Any], _now_ns: int, _weigh: object = None
) -> Iterable[SpanView]:
    return spans


def _none_drawn(
    spans: Iterable[SpanView], _sources: Mapping[Any, Any], _draw: Callable[[int], int]
) -> tuple[Iterable[SpanView], Sequence[tuple[Any, int, int, SpanView]]]:
    return spans, ()


_recorded: Final[RecordSpans] = _all_left if compiled.backend is None else compiled.backend.record
_drawn: Final[DrawExemplars] = _none_drawn if compiled.backend is None else compiled.backend.drawn
