"""Views of an application and preferred aggregations of its readers, applied to metrics that otel_fe aggregates itself.

Names, descriptions and attributes are changed when a reader collects. Another aggregation of a derived histogram is recorded
in addition. Any other request for another aggregation cannot be met, and is named in one warning.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics._internal.instrument import _Counter, _Histogram, _ObservableGauge
from opentelemetry.sdk.metrics._internal.metric_reader_storage import _DEFAULT_VIEW, MetricReaderStorage
from opentelemetry.sdk.metrics._internal.view import _default_reservoir_factory
from opentelemetry.sdk.metrics.export import ExponentialHistogram, Histogram, Sum
from opentelemetry.sdk.metrics.view import (
    DefaultAggregation,
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    LastValueAggregation,
    SumAggregation,
)

from otel_fe import semconv
from otel_fe.sdk.collected import SCOPE
from otel_fe.sdk.collection import HISTOGRAMS
from otel_fe.sdk.metric_streams import Stream
from otel_fe.sdk.recorded_histograms import RecordedHistograms

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from opentelemetry.sdk.metrics._internal.sdk_configuration import SdkConfiguration
    from opentelemetry.sdk.metrics.export import Metric, MetricReader

_log = logging.getLogger("otel_fe")
_AS_IT_IS: Final = Stream()
_TOO_LATE: Final = "it is aggregated before any reader asks"


class ReaderViews:
    """The streams that one reader gets of otel_fe's metrics.

    Args:
        config: The meter provider's, with its views.
        reader: The reader.
        warned: The views that warnings have named already; shared by the readers of a provider.
        recordable: The histograms that can also be recorded by the SDK's aggregations, where a view sets others than
            ours.
    """

    def __init__(
        self, config: SdkConfiguration, reader: MetricReader, warned: set[str], recordable: Collection[str] = HISTOGRAMS
    ) -> None:
        self._config = config
        self._reader = reader
        self._warned = warned
        self._streams: dict[tuple[str, type], list[Stream]] = {}
        self.recorded: RecordedHistograms | None = self._record(recordable)

    def apply(self, metrics: Sequence[Metric]) -> list[Metric]:
        """Return the streams of metrics, and those that have been recorded for this reader."""
        recorded = self.recorded
        names = frozenset() if recorded is None else recorded.names
        found = [
            metric if stream is _AS_IT_IS else stream.of(metric)
            for metric in metrics
            if metric.name not in names
            for stream in self._streams_of(metric)
        ]
        return found if recorded is None else found + recorded.metrics()

    def _record(self, names: Collection[str]) -> RecordedHistograms | None:
        """Return the derived histograms that have another aggregation for this reader; None if none has."""
        found = RecordedHistograms(self._config, self._reader)
        for name in names:
            instrument = _histogram(name)
            asking = [view for view in self._views_of(instrument) if not self._is_kept(view, instrument)]
            if not asking:
                continue
            try:
                found.add(instrument)
            except Exception as fault:  # noqa: BLE001 the warning names it
                for view in asking:
                    self._tell(view, self._aggregation(view, instrument), name, str(fault))
        return found if found.names else None

    def _streams_of(self, metric: Metric) -> list[Stream]:
        key = metric.name, type(metric.data)
        found = self._streams.get(key)
        if found is None:
            try:
                found = self._find_streams(metric)
            except Exception:  # noqa: BLE001 the SDK has no instrument of that name, so that no view selects it
                found = [_AS_IT_IS]
            self._streams[key] = found
        return found

    def _find_streams(self, metric: Metric) -> list[Stream]:
        instrument = _instrument_of(metric)
        found = []
        for view in self._views_of(instrument):
            aggregation = self._aggregation(view, instrument)
            if isinstance(aggregation, DropAggregation):
                continue
            if not _is_of(aggregation, instrument, metric.data):
                self._tell(view, aggregation, metric.name, _TOO_LATE)
            if view._attribute_keys is not None and isinstance(metric.data, ExponentialHistogram):
                self._tell(view, "the attribute filter", metric.name, _TOO_LATE)
            stream = Stream(view._name, view._description, view._attribute_keys)
            found.append(_AS_IT_IS if stream == _AS_IT_IS else stream)
        return found

    def _views_of(self, instrument: Any) -> list[Any]:
        found = [
            view
            for view in self._config.views
            if view._match(instrument) and MetricReaderStorage._check_view_instrument_compatibility(view, instrument)
        ]
        return found or [_DEFAULT_VIEW]

    def _aggregation(self, view: Any, instrument: Any) -> Any:
        if isinstance(view._aggregation, DefaultAggregation):
            return self._reader._instrument_class_aggregation[type(instrument)]
        return view._aggregation

    def _is_kept(self, view: Any, instrument: _Histogram) -> bool:
        """Return whether a view's stream of a derived histogram can be made from the series."""
        aggregation = self._aggregation(view, instrument)
        if isinstance(aggregation, DropAggregation):
            return True
        return _is_of(aggregation, instrument) and view._exemplar_reservoir_factory is _default_reservoir_factory

    def _tell(self, view: Any, what: object, name: str, reason: str) -> None:
        by = "a reader" if view is _DEFAULT_VIEW else f"a view of {view._instrument_name or view._meter_name or 'many'}"
        if by in self._warned:
            return
        self._warned.add(by)
        shown = what if isinstance(what, str) else type(what).__name__
        _log.warning("otel_fe: %s of %s is not applied to %s: %s", shown, by, name, reason)


def _is_of(aggregation: Any, instrument: Any, data: object = None) -> bool:
    """Return whether an instrument's metric, as we aggregate it, is of an aggregation."""
    if isinstance(aggregation, DefaultAggregation):
        return True
    if isinstance(instrument, _Counter):
        return isinstance(aggregation, SumAggregation)
    if isinstance(instrument, _ObservableGauge):
        return isinstance(aggregation, LastValueAggregation)
    if isinstance(data, ExponentialHistogram):
        return isinstance(aggregation, ExponentialBucketHistogramAggregation)
    return (
        isinstance(aggregation, ExplicitBucketHistogramAggregation)
        and aggregation._record_min_max
        and tuple(aggregation._boundaries or _bounds(instrument)) == _bounds(instrument)
    )


def _bounds(histogram: _Histogram) -> tuple[float, ...]:
    return tuple(histogram._advisory.explicit_bucket_boundaries or ())


def _histogram(name: str) -> _Histogram:
    """Return the SDK's instrument that a derived histogram corresponds to."""
    meta = semconv.METRIC_BY_NAME[name]
    edges, per_unit = HISTOGRAMS[name]
    found: _Histogram = _make(_Histogram, name, meta.unit, meta.meaning, [edge / per_unit for edge in edges])
    return found


def _instrument_of(metric: Metric) -> Any:
    """Return the SDK's instrument that a metric corresponds to."""
    data = metric.data
    if isinstance(data, Histogram):
        bounds = [list(point.explicit_bounds) for point in data.data_points[:1]]
        return _make(_Histogram, metric.name, metric.unit, metric.description, *bounds)
    kind = (
        _Histogram
        if isinstance(data, ExponentialHistogram)
        else _Counter
        if isinstance(data, Sum)
        else _ObservableGauge
    )
    return _make(kind, metric.name, metric.unit, metric.description)


def _make(kind: Any, name: str, unit: str | None, description: str | None, *more: Any) -> Any:
    """Return an instrument that records nothing, for matching views."""
    consumer: Any = None
    return kind(
        name, SCOPE, consumer, *(([],) if kind is _ObservableGauge else ()), unit or "", description or "", *more
    )
