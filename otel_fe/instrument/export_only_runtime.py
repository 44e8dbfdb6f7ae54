"""The runtime of extractions where the pipeline runs elsewhere: every span is exported, and no metric is derived here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from otel_fe import semconv
from otel_fe.pipeline.requirement_slos import breached_by
from otel_fe.sdk.flush import Providers
from otel_fe.sdk.providers import tracer_provider
from otel_fe.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span

    from otel_fe.config.settings import Settings
    from otel_fe.instrument.live_measurements import LiveMeasurements
    from otel_fe.pipeline.records import DecisionRecord

_log = logging.getLogger("otel_fe")


class ExportEverything:
    """Leaves providers, tracers and exporters alone.

    Args:
        settings: For the threshold from which an extraction names its causes.
        provider: The tracer provider to use; None for the global one.
        profiles: Receives ended spans beside the exporters, and sends the stacks of slow extractions; None where that is off.
    """

    generation = 0

    def __init__(self, settings: Settings, provider: Any = None, profiles: SpanProcessor | None = None) -> None:
        self._slow_ns = int(settings.slow_threshold_s * 1e9)
        self.exception_messages = settings.exception_messages
        self.providers = Providers(() if provider is None else (provider,))
        self._ended = 0
        self._profiles = profiles
        self._provider = tracer_provider(provider)
        self.tracer = trace.get_tracer(semconv.SCOPE_NAME, __version__, tracer_provider=provider)

    def __str__(self) -> str:
        return "every span is exported (OTEL_FE_PIPELINE=collector, or no SDK tracer provider)"

    def install(self) -> None:
        """Add the sender of profiles to the provider, if there is one."""
        if self._profiles is None:
            return
        if self._provider is None:
            _log.warning("otel_fe: profiles are not sent: the tracer provider is not the SDK's")
            return
        self._provider.add_span_processor(self._profiles)

    def remove(self) -> None:
        """Remove the sender of profiles."""
        if self._profiles is None or self._provider is None:
            return
        active: Any = self._provider._active_span_processor
        with active._lock:
            active._span_processors = tuple(one for one in active._span_processors if one is not self._profiles)

    def decide_all(self) -> None:
        """Do nothing: spans are with the exporters already."""

    def progress(self) -> int:
        """Return a number that changes whenever there is something new to export."""
        return self._ended

    def flush_all(self) -> None:
        """Export finished spans."""
        self.providers.flush()

    def explain(self, trace_id: int) -> DecisionRecord | None:  # noqa: ARG002
        """Return None: the receiver of the spans decides."""
        return None

    def derive(self, extraction: LiveMeasurements, span: Span | None, end_ns: int) -> None:  # noqa: ARG002
        """Record on an ended extraction which SLOs it breaks and, if it is slow, where its time went.

        The receiver of its span counts it. Calls of other services are only known from their spans, which have left
        already: they are unexplained.
        """
        self._ended += 1  # an addition that another thread's overwrites still changes it
        extraction.slo_breached = breached_by(extraction)
        if extraction.duration_ns >= self._slow_ns:
            extraction.explain(())
