"""The pipeline: extractions in, metrics out; spans in, kept traces out. No I/O, no threads; clock and randomness handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.pipeline.assembler import Assembler, Limits
from otel_fe.pipeline.counters import Counters
from otel_fe.pipeline.derive import DerivedMetrics
from otel_fe.pipeline.policy import KeepPolicy
from otel_fe.pipeline.trace import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.config.settings import Settings
    from otel_fe.model.decision import Decision
    from otel_fe.model.figures import Figures
    from otel_fe.pipeline.trace import LocalTrace


class Engine:
    """Derives metrics from every extraction and decides every local trace.

    Args:
        settings: Thresholds and bounds.
        clock: Both clocks.
        draw: Returns a random integer from 0 to its argument less one; chooses exemplars.
        export: Takes the spans of a kept trace with its decision; returns the reason why it could not, or "".
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        draw: Callable[[int], int],
        export: Callable[[LocalTrace, Decision], str],
    ) -> None:
        self._export = export
        self.counters = Counters()
        self.metrics = DerivedMetrics(settings.max_series, draw)
        self.assembler = Assembler(
            Limits(
                settings.max_open_traces,
                settings.max_spans_per_trace,
                settings.max_pending_bytes,
                settings.max_remembered_decisions,
                int(settings.decision_wait_s * 1e9),
            ),
            KeepPolicy.of(int(settings.slow_threshold_s * 1e9), settings.baseline_ratio),
            self.counters,
            clock,
            self._deliver,
        )

    def derive(
        self, figures: Figures, trace: LocalTrace | None, span_id: int, end_ns: int
    ) -> tuple[str, ...]:
        """Count an ended extraction; return the SLOs that it breaks by itself.

        Called before the extraction's span ends, so that its trace is not decided yet. Without a recorded span,
        `trace` is None: the extraction counts, and is no exemplar.
        """
        series = self.metrics.series_of(figures)
        breached = series.record(figures)
        if trace is not None:
            candidate = Candidate(series, figures.duration_ns, end_ns, span_id)
            with trace.lock:
                trace.candidates = (*trace.candidates, candidate)
                if breached:
                    trace.slo_breached = True
        return breached

    def _deliver(self, trace: LocalTrace, decision: Decision) -> None:
        spans = len(trace.spans)
        lost = self._export(trace, decision)
        self.counters.kept(spans, lost)
        if trace.candidates and not lost:
            self.metrics.offer(trace.trace_id, trace.candidates)
