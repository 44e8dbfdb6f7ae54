"""The derived metrics as metrics of the pipeline: cumulative since the start.

The SDK has a form for it too (`sdk/metric_points.py`), but takes several MiB, and there is none in a collector.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.model.metric import Buckets, ExemplarPoint, Metric, Point
from otel_fe.sdk.collection import COUNTED_IN, HISTOGRAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.histogram import Exemplar, HistogramState
    from otel_fe.sdk.collection import Collected

_INT64_MAX: Final = (1 << 63) - 1
"""The largest count of OTLP, and of a store."""


def metrics_of(collected: Collected) -> list[Metric]:
    """Return histograms and counters, cumulative."""
    times = collected.start_ns, collected.time_ns
    found = []
    for name, states in collected.histograms.items():
        bounds, per_unit = _bounds(name), HISTOGRAMS[name][1]
        exemplars = collected.exemplars if name == semconv.DURATION else {}
        points = [
            Point(dict(labels), *times, _buckets(state, bounds, per_unit), _shown(exemplars.get(labels, ()), per_unit))
            for labels, state in states.items()
        ]
        found.append(_metric(name, points))
    found += [
        _metric(name, [Point(dict(labels), *times, _exported(name, value)) for labels, value in counts.items()])
        for name, counts in collected.counters.items()
    ]
    return found


@lru_cache
def _bounds(name: str) -> tuple[float, ...]:
    """Return the edges of a histogram in its exported unit: the same object each time, which compares fast."""
    edges, per_unit = HISTOGRAMS[name]
    return tuple(edge / per_unit for edge in edges)


def _exported(name: str, value: int) -> float:
    per_unit = COUNTED_IN.get(name)
    return min(value, _INT64_MAX) if per_unit is None else value / per_unit


def _buckets(state: HistogramState, bounds: tuple[float, ...], per_unit: int) -> Buckets:
    return Buckets(
        state.count,
        state.total / per_unit,
        bounds,
        tuple(state.buckets),
        None if state.least is None else state.least / per_unit,
        None if state.most is None else state.most / per_unit,
    )


def _shown(exemplars: Sequence[Exemplar], per_unit: int) -> list[ExemplarPoint]:
    return [ExemplarPoint(one.value / per_unit, one.time_ns, one.trace_id, one.span_id) for one in exemplars]


def _metric(name: str, points: Sequence[Point]) -> Metric:
    meta = semconv.METRIC_BY_NAME[name]
    return Metric(name, meta.unit, delta=False, points=points, description=meta.meaning)
