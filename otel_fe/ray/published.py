"""Metrics published through `ray.util.metrics`, so that Ray's own Prometheus endpoint serves them under the prefix `ray_`.

The names are the metrics' own as OpenTelemetry's rules write them for Prometheus. Ray adds `_total` to counters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.model.edges import EDGES
from otel_fe.pipeline.requirement_slos import REQUIREMENTS
from otel_fe.ray.ray_import import ray_module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.model.measurements import Measurements
    from otel_fe.ray.requests_seen import RequestKey, RequestSums

PREFIX: Final = "ray_"
APPLICATION: Final = "application"
DEPLOYMENT: Final = "deployment"
FEATURE_SET: Final = "feature_set"
LE: Final = "latency_le_ms"
"""Upper edge of the bucket of a request's whole latency."""

DURATION: Final = semconv.DURATION.replace(".", "_") + "_seconds"
SLO_EVENTS: Final = semconv.SLO_EVENTS.replace(".", "_")
LOOKUPS: Final = semconv.CACHE_LOOKUPS_METRIC.replace(".", "_")
REQUESTS: Final = f"{semconv.NAMESPACE}_serve_requests"
QUEUE: Final = f"{semconv.NAMESPACE}_serve_queue_seconds"
EXTRACTION: Final = f"{semconv.NAMESPACE}_serve_extraction_seconds"
LATENCY: Final = f"{semconv.NAMESPACE}_serve_latency_seconds"
SYNCED: Final = f"{semconv.NAMESPACE}_synced"
LOST: Final = f"{semconv.NAMESPACE}_unpublished"

DURATION_EDGES_S: Final = [float(edge) for edge in EDGES[semconv.DURATION]]
"""Those of the metric that each process exports, so that Ray's percentiles lie in the same bucket."""

_WHERE: Final = (APPLICATION, DEPLOYMENT)


class Published:
    """The metrics of this process; made where Ray is running, since they report to it from then on."""

    def __init__(self) -> None:
        metrics = ray_module("ray.util.metrics")
        labels = (*_WHERE, FEATURE_SET)
        self._duration = metrics.Histogram(DURATION, "Duration of extractions.", DURATION_EDGES_S, labels)
        self._events = metrics.Counter(SLO_EVENTS, "Extractions that count for an SLO.", (*labels, "slo", "good"))
        self._lookups = metrics.Counter(LOOKUPS, "Look-ups in caches.", (*labels, "result"))
        split = (*_WHERE, LE)
        self._requests = metrics.Counter(REQUESTS, "Requests by their whole latency.", split)
        self._queue = metrics.Counter(QUEUE, "Time they waited in Serve.", split)
        self._extraction = metrics.Counter(EXTRACTION, "Time of their extractions.", split)
        self._latency = metrics.Counter(LATENCY, "Their whole latency.", split)
        self._synced = metrics.Gauge(SYNCED, "Figures handed to the integration.", ("figure",))
        self._lost = metrics.Counter(LOST, "Extractions that were pushed out before they were published.")

    def extraction(self, figures: Measurements, application: str = "", deployment: str = "") -> None:
        """Count one extraction."""
        figures.settle()
        labels = {APPLICATION: application, DEPLOYMENT: deployment, FEATURE_SET: figures.feature_set}
        self._duration.observe(figures.duration_ns / 1e9, labels)
        for slo in REQUIREMENTS:
            good = slo.good(figures)
            if good is not None:
                self._events.inc(1, {**labels, "slo": slo.name, "good": str(good).lower()})
        self._add(self._lookups, figures.cache_hits, {**labels, "result": "hit"})
        self._add(self._lookups, figures.cache_lookups - figures.cache_hits, {**labels, "result": "miss"})

    def requests(self, taken: Mapping[RequestKey, RequestSums]) -> None:
        """Count requests that ended."""
        for key, sums in taken.items():
            labels = {APPLICATION: key.application, DEPLOYMENT: key.deployment, LE: key.edge}
            self._add(self._requests, sums.requests, labels)
            self._add(self._queue, sums.queue_ns / 1e9, labels)
            self._add(self._extraction, sums.extraction_ns / 1e9, labels)
            self._add(self._latency, sums.latency_ns / 1e9, labels)

    def figures(self, figures: Mapping[str, float]) -> None:
        """Publish figures that were summed elsewhere."""
        for name, value in figures.items():
            self._synced.set(value, {"figure": name})

    def lost(self, count: int) -> None:
        """Count extractions that could not be published."""
        self._add(self._lost, count, {})

    @staticmethod
    def _add(counter: Any, value: float, labels: dict[str, str]) -> None:
        if value > 0:  # Ray refuses to count nothing
            counter.inc(value, labels)
