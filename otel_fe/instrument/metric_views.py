"""What an application's views and a reader's preferred aggregation ask of the derived metrics.

They are aggregated before any reader asks, with edges at the objectives. So they can be dropped, but not be aggregated in another
way or over fewer attributes afterwards: who asks for that is told once.
"""

from __future__ import annotations

import logging
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics import Counter, Histogram, ObservableGauge
from opentelemetry.sdk.metrics._internal.instrument import _Histogram
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.metrics.export import Sum
from opentelemetry.sdk.metrics.view import DefaultAggregation, DropAggregation, ExplicitBucketHistogramAggregation

from otel_fe import semconv
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.sdk.metrics.export import Metric, MetricReader

_log = logging.getLogger("otel_fe")
_OURS: Final = (DefaultAggregation, ExplicitBucketHistogramAggregation)
"""Aggregations of histograms that ours are an instance of."""


class Views:
    """The views of a meter provider, applied to metrics that are aggregated already.

    Args:
        views: The provider's.
    """

    def __init__(self, views: Iterable[Any]) -> None:
        self._views = tuple(views)
        self._told: set[str] = set()

    def apply(self, metrics: Sequence[Metric], reader: MetricReader) -> list[Metric]:
        """Return the metrics without those that are to be dropped; name once what cannot be done."""
        preferred: Any = reader._instrument_class_aggregation.get(_Histogram)
        kept = []
        for metric in metrics:
            histogram = isinstance(metric.data, HistogramData)
            views = [view for view in self._views if _selects(view, metric)]
            if any(isinstance(view._aggregation, DropAggregation) for view in views):
                continue
            if histogram and not views and isinstance(preferred, DropAggregation):
                continue
            if histogram and not isinstance(preferred, _OURS):
                self._tell(f"{type(preferred).__name__}, which a reader prefers")
            for view in views:
                self._tell(f"a view of {view._instrument_name or view._meter_name or 'all instruments'}")
            kept.append(metric)
        return kept

    def _tell(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _log.warning(
                "otel_fe: %s is not applied to feature_extraction.* and otel_fe.*: they keep their explicit buckets, names and "
                "attributes, and can only be dropped",
                what,
            )


def _selects(view: Any, metric: Metric) -> bool:
    """Return whether a view selects a metric, by the rules of the SDK's own `View`."""
    kind: type = Histogram if isinstance(metric.data, HistogramData) else Counter
    if not isinstance(metric.data, (HistogramData, Sum)):
        kind = ObservableGauge
    return (
        (view._instrument_type is None or issubclass(kind, view._instrument_type))
        and (view._instrument_name is None or fnmatchcase(metric.name, view._instrument_name.lower()))
        and (view._instrument_unit is None or fnmatchcase(metric.unit or "", view._instrument_unit))
        and view._meter_name in (None, semconv.SCOPE_NAME)
        and view._meter_version in (None, __version__)
        and view._meter_schema_url in (None, "")
    )
