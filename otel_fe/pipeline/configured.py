"""A Collector configuration, run on the traces of this process: its tail sampling decides, its span metrics count."""

from __future__ import annotations

import sys
from _thread import RLock
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from otel_fe.pipeline.buffered_trace import BufferedTrace
from otel_fe.pipeline.records import DecisionRecords
from otel_fe.pipeline.sampler import Sampler
from otel_fe.pipeline.slow_causes import SlowCauses
from otel_fe.pipeline.span_metrics.connector import SpanMetricsConnector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from otel_fe.clock import Clock
    from otel_fe.config.policies import TailSampling
    from otel_fe.config.span_metrics import SpanMetrics
    from otel_fe.model.decision import Decision
    from otel_fe.model.metric import ResourceMetrics
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.records import DecisionRecord
    from otel_fe.pipeline.trace import LocalTrace

    View = Callable[[object], SpanView]
    """From a span as the process holds it to what policies and dimensions may ask of it."""

_EXPLAINED: Final = 1_000
_WHOLE: Final = "whole"


class ConfiguredPolicy:
    """Decides local traces by the policies of a `tail_sampling` processor, in rounds, as `Sampler` does.

    Args:
        settings: Of the processor. Its waits and bounds are the Collector's, which cannot see when a trace is complete;
            here the process's own hold.
        clock: Both clocks.
        view: See `View`.
    """

    slow_ns = sys.maxsize
    decides_immediately = False
    """No trace is decided alone: a limiter may have to compare it with others."""

    def __init__(self, settings: TailSampling, clock: Clock, view: View) -> None:
        self._clock = clock
        self._view = view
        self._lock = RLock()
        self._sampler = Sampler(settings.policies, first_match=settings.sample_on_first_match)
        self._records = DecisionRecords(self._sampler.policies, _EXPLAINED)
        self._slow = SlowCauses()

    def decide(self, traces: Sequence[LocalTrace]) -> list[Decision]:
        """Return the decisions for traces with the spans they have."""
        now_ns, time_ns = self._clock.monotonic_ns(), self._clock.time_ns()
        with self._lock:
            received = [self._received(trace, now_ns) for trace in traces]
            verdicts = self._sampler.decide_round(received, now_ns)
            for local, trace, (decision, votes) in zip(traces, received, verdicts, strict=True):
                self._records.add(trace, time_ns, _WHOLE, decision, votes)
                if decision.sampled and local.candidates:
                    self._slow.note(local)
        return [decision for decision, _ in verdicts]

    def explain(self, trace_id: int) -> DecisionRecord | None:
        """Return why a trace was kept or not; None where it is not, or no longer, known."""
        with self._lock:
            record = self._records.of(trace_id)
            return None if record is None else replace(record, slow=self._slow.of(trace_id))

    def _received(self, trace: LocalTrace, now_ns: int) -> BufferedTrace:
        received = BufferedTrace(trace.trace_id, now_ns)
        received.add([self._view(span) for span in trace.spans], trace.bytes, now_ns)
        return received


class ConfiguredMetrics:
    """Counts the spans of this process by the settings of `span_metrics` connectors."""

    def __init__(
        self, settings: Iterable[SpanMetrics], clock: Clock, draw: Callable[[int], int], instance_id: str, view: View
    ) -> None:
        self._view = view
        self._lock = RLock()
        self._connectors = [SpanMetricsConnector(one, clock, draw, instance_id) for one in settings]

    def __bool__(self) -> bool:
        return bool(self._connectors)

    def record(self, spans: Iterable[object]) -> None:
        """Count spans that have ended, before their trace is kept or not."""
        views = [self._view(span) for span in spans]
        with self._lock:
            for connector in self._connectors:
                connector.record(views)

    def offer(self, spans: Iterable[object]) -> None:
        """Offer the spans of a kept trace as exemplars."""
        views = [self._view(span) for span in spans]
        with self._lock:
            for connector in self._connectors:
                connector.offer(views)

    def collect(self) -> list[ResourceMetrics]:
        """Return the metrics as they are now."""
        with self._lock:
            return [metrics for connector in self._connectors for metrics in connector.collect()]
