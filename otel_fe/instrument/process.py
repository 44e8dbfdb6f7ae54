"""The pipeline in this process: between the SDK's providers and their exporters.

What it puts in, it takes out again: tracers, processors and readers are afterwards what they were.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor
from opentelemetry.trace import SpanKind

from otel_fe import faults, semconv
from otel_fe.forks import renew_after_fork
from otel_fe.instrument.alerts import ProcessAlerts
from otel_fe.instrument.background import Background
from otel_fe.instrument.engines import CLOCK, Engines
from otel_fe.instrument.gpu import GpuSampler, import_nvml_early
from otel_fe.instrument.process_load import ProcessLoad
from otel_fe.instrument.resources import sample_rss, set_gpu
from otel_fe.model.span import OUTGOING_KINDS
from otel_fe.pipeline.requirement_slos import breached_by
from otel_fe.requirements import LATENCY_LIMIT_NS, MEMORY_LIMIT_BYTES
from otel_fe.sdk import summed_counter
from otel_fe.sdk import tracer as lean_tracer
from otel_fe.sdk.export import KeptTraces, exports
from otel_fe.sdk.flush import Providers
from otel_fe.sdk.metric_points import Collection
from otel_fe.sdk.metric_source import MetricSource
from otel_fe.sdk.processor import PipelineProcessor
from otel_fe.sdk.span import LeanSpan
from otel_fe.semconv import CAUSE_DOWNSTREAM
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections import Counter

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import Metric
    from opentelemetry.sdk.trace import SpanProcessor, Tracer, TracerProvider
    from opentelemetry.trace import Span
    from opentelemetry.trace import Tracer as ApiTracer

    from otel_fe.config.settings import Settings
    from otel_fe.instrument.live_measurements import LiveMeasurements
    from otel_fe.model.decision import Decision
    from otel_fe.pipeline.derive import ValueRecorder
    from otel_fe.pipeline.records import DecisionRecord
    from otel_fe.pipeline.trace import LocalTrace

_CALLS: Final = tuple(kind for kind in SpanKind if kind.value + 1 in OUTGOING_KINDS)
"""Calls of other services; OTLP's numbers begin with UNSPECIFIED, those of the API do not have it."""
_SWEEP_EVERY_NS: Final = 1_000_000_000


class ProcessPipeline:
    """The runtime of extractions while the pipeline runs in the process.

    Args:
        settings: Thresholds and bounds.
        traces: The provider whose tracers become lean and whose exporters go behind the pipeline.
        metrics: The provider whose readers also collect the derived metrics; None where there is none.
        profiles: Sends the stacks of slow extractions that are kept; None where that is off.
    """

    def __init__(
        self,
        settings: Settings,
        traces: TracerProvider,
        metrics: MeterProvider | None,
        profiles: SpanProcessor | None = None,
    ) -> None:
        self._settings = settings
        self._provider = traces
        self._meters = () if metrics is None else (metrics,)
        self._slow_ns = int(settings.slow_threshold_s * 1e9)
        self._remarkable_ns = min(self._slow_ns, LATENCY_LIMIT_NS)
        self.exception_messages = settings.exception_messages
        self._profiles = profiles
        self._kept = KeptTraces([], self._settled)
        self._started_ns = CLOCK.time_ns()
        self._engines = Engines(settings)
        self.engine = self._engines.make(self._keep)
        self._processor = PipelineProcessor(self.engine, self.close, self._flush)
        self._metrics = None if metrics is None else MetricSource(metrics, self)
        self._gpu: GpuSampler | None = None
        self._alerts = (
            ProcessAlerts(self, self._service_name, settings.page_url, settings.runbook_url)
            if settings.alerts
            else None
        )
        self._load = ProcessLoad()
        self._background = Background(
            (
                ("sweep", self._sweep),
                ("rss", sample_rss),
                ("gpu", self._sample_gpu),
                ("load", self._load.sample),
                ("alerts", self._evaluate_alerts),
            )
        )
        self._replaced: Any = None
        """The application's own `active_span_processor`, where ours replaces it."""
        self._closing = threading.RLock()
        self._closed = False
        self.generation = 0
        """Raised in a forked child, so that it does not count what its parent had begun."""
        self.tracer: ApiTracer = traces.get_tracer(semconv.SCOPE_NAME, __version__)
        renew_after_fork(self._after_fork)

    def __str__(self) -> str:
        return f"pipeline in the process ({self._engines})"

    def _service_name(self) -> str:
        return str(self._provider.resource.attributes.get(semconv.SERVICE_NAME, ""))

    # --- putting it in, and taking it out -------------------------------------------------------------------------

    def install(self) -> None:
        """Put the pipeline between the provider and its exporters."""
        active: Any = self._active()
        with active._lock:
            behind = [p for p in active._span_processors if exports(p)]
            before = [p for p in active._span_processors if not exports(p)]
            self._kept = KeptTraces(behind, self._settled, self._profiles)
            active._span_processors = (*before, self._processor)
        self._adopt_tracers()
        if self._metrics is not None:
            self._metrics.install()
        if self._settings.gpu:
            import_nvml_early()
        self._background.start()
        if not self._background.running:
            self._sweep_at_ends()

    def remove(self) -> None:
        """Decide what is pending and put everything back."""
        self._background.stop()
        self._decide(everything=True)
        active: Any = self._provider._active_span_processor
        with active._lock:
            others = [p for p in active._span_processors if p is not self._processor]
            active._span_processors = (*others, *self._kept.processors)
        self._kept.release()
        if self._replaced is not None:
            self._activate(self._replaced)
            self._replaced = None
        own: Any = self._provider.__dict__
        own.pop("get_tracer", None)
        for tracer in list(self._provider._tracers.values()):
            lean_tracer.release(tracer)
        if self._metrics is not None:
            self._metrics.remove()
        if self._gpu is not None:
            self._gpu.close()
        self._close_alerts()

    def _active(self) -> Any:
        """Return what passes spans on to the provider's processors; ours beside an application's own that has no list of them."""
        active: Any = self._provider._active_span_processor
        if isinstance(getattr(active, "_span_processors", None), tuple) and hasattr(active, "_lock"):
            return active
        self._replaced = active
        ours: Any = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]
        ours.add_span_processor(active)
        self._activate(ours)
        return ours

    def _activate(self, active: Any) -> None:
        self._provider._active_span_processor = active
        for tracer in list(self._provider._tracers.values()):
            tracer.span_processor = active

    def _adopt_tracers(self) -> None:
        """Make the provider's tracers lean, existing and future ones."""
        provider: Any = self._provider
        original = type(provider).get_tracer

        def get_tracer(*args: Any, **kwargs: Any) -> Tracer:
            tracer: Tracer = original(provider, *args, **kwargs)
            _adopt(tracer)
            return tracer

        provider.get_tracer = get_tracer
        for tracer in list(provider._tracers.values()):
            _adopt(tracer)

    # --- what extractions need ----------------------------------------------------------------------------------------

    def derive(self, extraction: LiveMeasurements, span: Span | None, end_ns: int) -> None:
        """Count an ended extraction, and note on it which SLOs it breaks and, if it is slow, where its time went."""
        trace, span_id = (span.local_trace, span.span_id) if type(span) is LeanSpan else (None, 0)
        if (
            extraction.duration_ns >= self._remarkable_ns
            or extraction.error_type
            or extraction.memory_growth_bytes >= MEMORY_LIMIT_BYTES
        ):
            self._remark(extraction, span, trace)
        self.engine.derive(extraction, trace, span_id, end_ns)

    def _remark(self, extraction: LiveMeasurements, span: Span | None, trace: LocalTrace | None) -> None:
        """Note what is remarkable about an extraction that may break an SLO or be slow."""
        breached = breached_by(extraction)
        extraction.slo_breached = breached
        if breached and trace is not None:
            trace.slo_breached = True
        if extraction.duration_ns >= self._slow_ns:
            calls: list[tuple[str, int, int]] = []
            if type(span) is LeanSpan and span.local_trace is not None:
                shift = extraction.start_mono_ns - extraction.start_ns
                calls = _calls_below(span.local_trace, span.span_id, shift)
            extraction.explain(calls)

    def explain(self, trace_id: int) -> DecisionRecord | None:
        """Return why a trace was kept or not; None where it is not, or no longer, known."""
        self.engine.settle()
        return self.engine.sampler.explain(trace_id)

    # --- in the background, at the end, after a fork --------------------------------------------------------------------

    def collect(self) -> Collection:
        """Return the derived metrics as they are now."""
        self.engine.settle()
        found = Collection.take(self.engine, self._started_ns, CLOCK.time_ns(), faults.counts())
        self._load.add_to(found)
        return found

    def record_also_in(self, recorder: ValueRecorder | None) -> None:
        """Have another recorder record every extraction as well."""
        self.engine.metrics.record_also_in(recorder)

    def collect_more(self) -> list[Metric]:
        """Return what alerts say, and what `span_metrics` connectors have counted, of a configuration that has any."""
        found = [] if self._alerts is None else self._alerts.metrics()
        connectors = self._engines.span_metrics
        if connectors is not None:
            from otel_fe.sdk.span_metric_points import sdk_metrics  # noqa: PLC0415 few need it

            found += sdk_metrics(connectors.collect())
        return found

    def decide_all(self) -> None:
        """Decide every trace that holds an ended span, and hand what is kept to the exporters."""
        self._decide(everything=True)

    @property
    def providers(self) -> Providers:
        """The providers to export by."""
        return Providers((self._provider,), self._meters)

    def progress(self) -> int:
        """Return a number that has changed where there is anything new to export since."""
        self.engine.settle()
        extractions = sum(series.duration.count for series in self.engine.metrics.all_series())
        return self.engine.counters.received + self.engine.assembler.pending()[1] + extractions

    def flush_all(self) -> None:
        """Decide and export what is finished, and then the metrics, which so include it."""
        self._decide(everything=True)
        self.providers.flush()

    def close(self) -> None:
        """Decide what is pending and shut the exporters down; a second call has no effect."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._background.stop()
        self._decide(everything=True)
        self._close_alerts()
        self._kept.shutdown()

    def _flush(self, timeout_millis: int) -> bool:
        self._decide(everything=False)
        return self._kept.flush(timeout_millis)

    def _decide(self, *, everything: bool) -> None:
        """Decide the complete traces, or all of them with the spans they have.

        Never raises: an application has called, and the rest of its request (flush, shut down, restore) must be done.
        """
        try:
            self.engine.settle()
            if everything:
                self.engine.assembler.decide_all()
        except Exception as fault:
            faults.record("pipeline.decide", fault)

    def _keep(self, trace: LocalTrace, decision: Decision) -> str:
        """Queue a kept trace; return why it could not be. Never raises, so that one trace does not hold up others."""
        try:
            return self._kept(trace, decision)
        except Exception as fault:
            faults.record("pipeline.keep", fault)
            return "export_failed"

    def _settled(self, reasons: Counter[str], lost: str) -> None:
        self.engine.counters.settle(reasons, lost)

    def _sweep(self) -> None:
        self.engine.settle()
        self.engine.assembler.decide_overdue()
        summed_counter.flush_all()

    def _sweep_at_ends(self) -> None:
        """Have extractions that end sweep, once a second, without a background. Its other tasks would delay them."""
        derive: Any = self.derive
        due_ns = 0

        def derive_and_sweep(extraction: LiveMeasurements, span: Span | None, end_ns: int) -> None:
            nonlocal due_ns
            derive(extraction, span, end_ns)
            now = CLOCK.monotonic_ns()
            if now >= due_ns:
                due_ns = now + _SWEEP_EVERY_NS
                self._sweep()

        self.derive = derive_and_sweep  # type: ignore[method-assign]

    def _sample_gpu(self) -> None:
        if not self._settings.gpu:
            return
        if self._gpu is None:
            self._gpu = GpuSampler()
        if self._gpu.present:
            set_gpu(self._gpu.sample())

    def _evaluate_alerts(self) -> None:
        if self._alerts is not None:
            self._alerts.tick()

    def _close_alerts(self) -> None:
        try:
            if self._alerts is not None:
                self._alerts.close()
        except Exception as fault:
            faults.record("alerts.close", fault)

    def _after_fork(self) -> None:
        """Start over in a child: the parent holds, counts and sends everything up to here."""
        self.generation += 1
        self._started_ns = CLOCK.time_ns()
        self._kept.renew()
        self.engine.assembler.abandon()
        self.engine = self._engines.make(self._keep)
        self._processor.renew(self.engine)
        self._gpu = None
        self._load.forget()
        self._closing = threading.RLock()
        faults.reset()
        if self._metrics is not None:
            self._metrics.forget()


def _adopt(tracer: Tracer) -> None:
    """Make a tracer lean, or leave it unchanged: one that is half adopted could not start a span."""
    try:
        lean_tracer.adopt(tracer)
    except Exception as fault:
        lean_tracer.release(tracer)
        faults.record("tracer.adopt", fault)


def _calls_below(trace: LocalTrace, span_id: int, shift: int) -> list[tuple[str, int, int]]:
    """Return the ended calls of other services below a span, as intervals shifted to the monotonic clock.

    Calls that a cache look-up made show up here too; attribution gives overlapping time to the more specific.
    """
    spans: list[Any] = list(trace.spans)  # in one step of the interpreter
    below = {span_id}
    found: list[tuple[str, int, int]] = []
    # Children end before their parents: walking backwards meets every parent before its children.
    for span in reversed(spans):
        parent = span.parent
        if parent is not None and parent.span_id in below:
            below.add(span.context.span_id)
            if span.kind in _CALLS:
                found.append((CAUSE_DOWNSTREAM, span.start_time + shift, span.end_time + shift))
    return found
