"""Derives the metrics of feature extractions that no SDK has counted already.

With `OTEL_FE_PIPELINE=collector` an application sends every span and derives nothing; otherwise it derives before it samples, and
what it then sends carries its decision: `th` in the `ot` entry of `tracestate`. So an extraction with `th` has been counted by
the stage that decided it, and is not counted again; one without has not been.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from otel_fe import semconv
from otel_fe.collector.graph.derived_points import metrics_of
from otel_fe.config.span_metrics import COLLECTOR_INSTANCE_ID
from otel_fe.pipeline.received_metrics import ReceivedMetrics, record, uncounted
from otel_fe.sdk.collection import Collected
from otel_fe.version import __version__
from otel_fe.wire.fields import delimited
from otel_fe.wire.metrics import encode_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_fe.clock import Clock
    from otel_fe.model.metric import Metric
    from otel_fe.model.span import SpanView
    from otel_fe.sdk.collection import Labels
    from otel_fe.wire.resource_scope import WireResource

_RESOURCES: Final = 500
_SERIES: Final = 2_000
"""Series of one resource, as in the process (`OTEL_FE_MAX_SERIES`)."""
_RESOURCE_METRICS: Final = 1
_SCOPE_METRICS: Final = 2


class _Source:
    """The counts of one resource's extractions."""

    def __init__(self, frame: bytes, start_ns: int, draw: Callable[[int], int]) -> None:
        self.frame = frame
        """A `ResourceMetrics` without its scopes: laid out like the `ResourceSpans` that it came from."""
        self.start_ns = start_ns
        self.metrics = ReceivedMetrics(_SERIES, draw)
        self._told = 0
        """The number of extractions at the last `changed`."""
        self._points: dict[tuple[str, Labels], int] = {}
        """The last reported count of each data point."""

    def changed(self, now_ns: int) -> list[Metric]:
        """Return the metrics whose data points have changed since the last call, with those points; empty where none has.

        Exemplars are left alone: they are of what is exported.
        """
        counted = sum(series.duration.count for series in self.metrics.all_series())
        if counted == self._told:
            return []
        self._told = counted
        now, changed = Collected(self.start_ns, now_ns), Collected(self.start_ns, now_ns)
        for series in self.metrics.all_series():
            now.add_series(series, exemplars=False)
        for name, states in now.histograms.items():
            for labels, state in states.items():
                if self._tells(name, labels, state.count):
                    changed.histograms[name][labels] = state
        for name, counts in now.counters.items():
            for labels, count in counts.items():
                if self._tells(name, labels, count):
                    changed.counters[name][labels] = count
        return metrics_of(changed)

    def _tells(self, name: str, labels: Labels, count: int) -> bool:
        if self._points.get((name, labels), -1) == count:
            return False
        self._points[name, labels] = count
        return True

    def encode(self, now_ns: int) -> bytes:
        """Return all metrics as one field of an `ExportMetricsServiceRequest`."""
        now = Collected(self.start_ns, now_ns)
        for series in self.metrics.all_series():
            now.add_series(series)
        encoded = encode_scope(semconv.SCOPE_NAME, __version__, metrics_of(now))
        return delimited(_RESOURCE_METRICS, self.frame + delimited(_SCOPE_METRICS, encoded))


class Derived:
    """Metrics of extractions by resource. Not thread-safe: the graph holds its lock.

    Args:
        clock: Unix time.
        draw: Returns a random integer from 0 to its argument less one; chooses exemplars.
        instance_id: Added to the resources where several workers report for the same ones; empty to add nothing.
    """

    def __init__(self, clock: Clock, draw: Callable[[int], int], instance_id: str = "") -> None:
        self._clock = clock
        self._draw = draw
        self._instance_id = instance_id
        self._sources: OrderedDict[bytes, _Source] = OrderedDict()

    def record(self, spans: Iterable[SpanView]) -> None:
        """Count the extractions among the spans that no earlier stage has counted."""
        record(spans, self._metrics_of)

    def offer(self, spans: Iterable[SpanView]) -> None:
        """Offer spans of kept traces as exemplars."""
        for metrics, extractions in uncounted(spans, self._metrics_of):
            metrics.offer_spans(extractions)

    def collect(self) -> bytes:
        """Return all metrics as an `ExportMetricsServiceRequest`; empty where there was no extraction."""
        now_ns = self._clock.time_ns()
        return b"".join(source.encode(now_ns) for source in self._sources.values())

    def collect_changed(self) -> list[tuple[bytes, list[Metric]]]:
        """Return the metrics of each resource that have changed since the last call, not encoded.

        A resource is a `ResourceMetrics` without its scopes, encoded.
        """
        now_ns = self._clock.time_ns()
        return [(source.frame, changed) for source in self._sources.values() if (changed := source.changed(now_ns))]

    def _metrics_of(self, resource: object) -> ReceivedMetrics:
        return self._source(resource).metrics

    def _source(self, resource: object) -> _Source:
        frame = _frame_of(resource)
        source = self._sources.get(frame)
        if source is None:
            source = _Source(self._with_instance(frame), self._clock.time_ns(), self._draw)
            self._sources[frame] = source
            if len(self._sources) > _RESOURCES:
                self._sources.popitem(last=False)
        self._sources.move_to_end(frame)
        return source

    def _with_instance(self, frame: bytes) -> bytes:
        if not self._instance_id:
            return frame
        described = ResourceSpans.FromString(frame)
        value = AnyValue(string_value=self._instance_id)
        described.resource.attributes.append(KeyValue(key=COLLECTOR_INSTANCE_ID, value=value))
        return bytes(described.SerializeToString())


def _frame_of(resource: object) -> bytes:
    """Return the bytes of a resource; all that the engine is handed come off the wire."""
    wire: WireResource = resource  # type: ignore[assignment]
    return wire.frame
