"""The telemetry received over the socket: the last value of every metric, and every span."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from otel_fe import semconv

_MAX_SPANS: Final = 200_000

Dimensions = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span, as far as the report needs it."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    error: bool
    trace_state: str


@dataclass(slots=True)
class LastPoint:
    """The last data point of one series."""

    value: float = 0
    """Value of a counter or gauge; of a histogram, its count."""
    total: float = 0
    bounds: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(slots=True)
class ReceivedTelemetry:
    """Everything received so far; `receive` may be called from any thread."""

    spans: list[ReceivedSpan] = field(default_factory=list)
    points: dict[str, dict[Dimensions, LastPoint]] = field(default_factory=lambda: defaultdict(dict))
    requests: int = 0
    exemplars: set[str] = field(default_factory=set)
    """Trace ids of the exemplars of `feature_extraction.duration`."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, signal: str, request: Any) -> None:
        """Take an OTLP request."""
        with self._lock:
            self.requests += 1
            if signal == "traces":
                self._take_spans(request)
            elif signal == "metrics":
                self._take_metrics(request)

    def extractions(self) -> list[ReceivedSpan]:
        """Return the spans of extractions."""
        return [span for span in self.spans if span.name.split(" ")[0] == semconv.SPAN_NAME]

    def total(self, metric: str, **dimensions: Any) -> float:
        """Return the sum of a metric over the series that have these dimensions."""
        wanted = dimensions.items()
        return sum(point.value for labels, point in self.points[metric].items() if wanted <= dict(labels).items())

    def by(self, metric: str, dimension: str) -> dict[str, float]:
        """Return the sums of a metric by one of its dimensions."""
        sums: dict[str, float] = defaultdict(float)
        for labels, point in self.points[metric].items():
            sums[str(dict(labels).get(dimension, ""))] += point.value
        return dict(sums)

    def _take_spans(self, request: Any) -> None:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if len(self.spans) < _MAX_SPANS:
                        self.spans.append(_span(span))

    def _take_metrics(self, request: Any) -> None:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    kind = metric.WhichOneof("data")
                    for point in getattr(metric, kind).data_points:
                        labels = tuple(sorted(_attributes(point.attributes).items()))
                        self.points[metric.name][labels] = _point(kind, point)
                        if metric.name == semconv.DURATION:
                            self.exemplars.update(exemplar.trace_id.hex() for exemplar in point.exemplars)


def _point(kind: str, point: Any) -> LastPoint:
    if kind != "histogram":
        value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
        return LastPoint(value)
    return LastPoint(
        point.count,
        point.sum,
        tuple(point.explicit_bounds),
        tuple(point.bucket_counts),
        point.min if point.HasField("min") else None,
        point.max if point.HasField("max") else None,
    )


def _span(span: Any) -> ReceivedSpan:
    return ReceivedSpan(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span.attributes),
        span.status.code == span.status.STATUS_CODE_ERROR,
        span.trace_state,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    return getattr(value, kind) if kind else None
