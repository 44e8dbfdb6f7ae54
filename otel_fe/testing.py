"""Test support for users of otel_fe: captures an application's telemetry in memory, and fakes time and ids.

`capture()` instruments the process for as long as its block lasts. The SDK, the pipeline and the wrappers are the real ones; only
the exporters are in memory, and every trace is kept by default:

    >>> import otel_fe
    >>> from otel_fe.testing import capture
    >>> @otel_fe.extraction(feature_set="user_profile")
    ... def extract(cache, user):
    ...     running = otel_fe.current_extraction()
    ...     running.cache_hit() if user in cache else running.cache_miss()
    ...     return cache.get(user, {})
    >>> with capture() as captured:
    ...     extract({"ada": {"age": 36}}, "ada")
    ...     extract({}, "bob")
    {'age': 36}
    {}
    >>> [span.attributes["feature_extraction.cache.hit"] for span in captured.extractions("user_profile")]
    [True, False]
    >>> captured.total("feature_extraction.cache.lookups", result="miss")
    1
    >>> captured.total("feature_extraction.slo.events", slo="error_rate", good=False)
    0

Name code that you do not want to change, as in `OTEL_FE_TARGETS`: `capture(targets="shop.features:extract=user_profile")`.
The child spans of OpenTelemetry's own instrumentations are captured if these use the same provider:
`RedisInstrumentor().instrument(tracer_provider=captured.traces)`.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from otel_fe import semconv
from otel_fe.config.settings import Settings
from otel_fe.errors import OtelFeError
from otel_fe.instrument.instrumentor import FeatureExtractionInstrumentor
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["Captured", "FakeClock", "SequentialIds", "capture"]


class FakeClock:
    """A clock that moves only on request: a `Clock` for everything that takes one as an argument, such as the engine.

    `advance` lets time pass, and `jump` sets the wall clock.

    Args:
        time_ns: The first Unix time.
        monotonic_ns: The first time of the monotonic clock.
    """

    def __init__(self, time_ns: int = 1_700_000_000 * NS_PER_S, monotonic_ns: int = NS_PER_S) -> None:
        self._time_ns = time_ns
        self._monotonic_ns = monotonic_ns

    def time_ns(self) -> int:
        """Return Unix time, in nanoseconds."""
        return self._time_ns

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never go backwards."""
        return self._monotonic_ns

    def advance(self, seconds: float = 0.0, *, ns: int = 0) -> None:
        """Move both clocks forward, by `seconds` and `ns` together.

        Raises:
            ValueError: The two add up to a negative time.
        """
        by = round(seconds * NS_PER_S) + ns
        if by < 0:
            raise ValueError(f"advance by {by} ns: a monotonic clock cannot go backwards")
        self._time_ns += by
        self._monotonic_ns += by

    def jump(self, seconds: float) -> None:
        """Move Unix time alone, as a correction by NTP does.

        Args:
            seconds: Forward; negative for back.
        """
        self._time_ns += round(seconds * NS_PER_S)


class SequentialIds(IdGenerator):
    """Ids that count up, so that a whole trace can be compared with an expected one. Safe to use from any thread.

    Since they are not random, the baseline would drop every healthy trace: leave `baseline_ratio` at 1 with them.

    Args:
        first: The first id, of traces and of spans.
    """

    def __init__(self, first: int = 1) -> None:
        self._lock = threading.Lock()
        self._trace_id = self._span_id = first - 1

    def generate_trace_id(self) -> int:
        """Return the next trace id: one more than the last."""
        with self._lock:
            self._trace_id += 1
            return self._trace_id

    def generate_span_id(self) -> int:
        """Return the next span id: one more than the last."""
        with self._lock:
            self._span_id += 1
            return self._span_id


class Captured:
    """The telemetry of an application, readable within the block of `capture()` and after it.

    Args:
        ids: Where trace and span ids come from; random ones by default.
    """

    traces: TracerProvider
    """The tracer provider; pass it to other instrumentations to capture their spans."""
    metrics: MeterProvider
    """A meter provider that captures what is exported."""
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    def __init__(self, ids: IdGenerator | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.traces = TracerProvider(shutdown_on_exit=False, id_generator=ids)
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.metrics = MeterProvider([self.reader], shutdown_on_exit=False)
        self._last: MetricsData | None = None

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Every span exported so far, in order."""
        self.traces.force_flush()
        return self.exporter.get_finished_spans()

    def extractions(self, feature_set: str | None = None) -> list[ReadableSpan]:
        """Return the spans of extractions, in the order in which they ended.

        Args:
            feature_set: Its name; empty for extractions without one, None for all.
        """
        wanted = semconv.SPAN_NAME if feature_set is None else f"{semconv.SPAN_NAME} {feature_set}".strip()
        found = [
            span
            for span in self.spans
            if span.name == wanted or (feature_set is None and span.name.startswith(f"{wanted} "))
        ]
        return sorted(found, key=lambda span: span.end_time or 0)

    def extraction(self, feature_set: str | None = None) -> ReadableSpan:
        """Return the span of the only extraction, or of the only one of a feature set.

        Args:
            feature_set: As in `extractions`.

        Raises:
            AssertionError: No extraction matches, or more than one; the message names the existing ones.
        """
        found = self.extractions(feature_set)
        if len(found) != 1:
            which = "extraction" if feature_set is None else f"extraction of {feature_set!r}"
            names = ", ".join(span.name for span in self.extractions()) or "no extraction"
            raise AssertionError(f"expected one {which}, found {len(found)}; captured: {names}")
        return found[0]

    def points(self, name: str) -> Sequence[Any]:
        """Return the data points of a metric; empty where nothing was counted.

        Args:
            name: The metric's, for example `feature_extraction.duration`.

        Returns:
            The SDK's points (`NumberDataPoint`, `HistogramDataPoint` …): within the block as of now, after it as of
            its end.
        """
        data = self._last or self.reader.get_metrics_data()
        return [
            point
            for resource in ([] if data is None else data.resource_metrics)
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def total(self, name: str, **dimensions: object) -> float:
        """Return the sum of a metric over its points with these dimensions; of a histogram, the number of its values.

        Args:
            name: The metric's.
            dimensions: By name, with `__` for a dot: `feature_extraction__feature_set="user_profile"`.
        """
        wanted = {key.replace("__", "."): value for key, value in dimensions.items()}
        return sum(
            getattr(point, "count", getattr(point, "value", 0))
            for point in self.points(name)
            if wanted.items() <= dict(point.attributes).items()
        )

    def close(self) -> None:
        """Shut the providers down; what was captured stays."""
        self.traces.shutdown()
        self.metrics.shutdown()

    def freeze(self) -> None:
        """Export finished spans, and keep the metrics as they are now."""
        self.traces.force_flush()
        self._last = self.reader.get_metrics_data()


@contextmanager
def capture(*, ids: IdGenerator | None = None, **settings: Any) -> Generator[Captured, None, None]:
    """Instrument this process for the length of a block, with exporters in memory; see the module for an example.

    Args:
        ids: Where trace and span ids come from, for example `SequentialIds()`; random ones by default.
        settings: Fields of `Settings`. Unlike in production, every trace is kept by default (`baseline_ratio=1.0`), and the
            `OTEL_FE_*` variables are not read.

    Raises:
        OtelFeError: This process is instrumented already, by the launcher, `configure()` or another capture.
        TypeError: A setting does not exist.
    """
    instrumentor = FeatureExtractionInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        raise OtelFeError("this process is instrumented already: capture() needs it for itself")
    captured = Captured(ids)
    chosen: dict[str, Any] = {"baseline_ratio": 1.0, **settings}
    instrumentor.instrument(
        tracer_provider=captured.traces, meter_provider=captured.metrics, settings=Settings(**chosen)
    )
    try:
        yield captured
    finally:
        captured.freeze()
        instrumentor.uninstrument()
        captured.close()
