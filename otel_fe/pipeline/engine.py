"""The pipeline: extractions in, metrics out; spans in, kept traces out. Pure: clock and randomness are arguments."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from otel_fe.config.process_sampling import process_sampling
from otel_fe.pipeline.assembler import BATCH, Assembler, AssemblerLimits
from otel_fe.pipeline.counters import Counters
from otel_fe.pipeline.derive import DerivedMetrics
from otel_fe.pipeline.local_sampler import LocalSampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.config.policies import TailSampling
    from otel_fe.config.settings import Settings
    from otel_fe.model.decision import Decision
    from otel_fe.model.measurements import Measurements
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.local_span_metrics import LocalSpanMetrics
    from otel_fe.pipeline.trace import LocalTrace


def _as_it_is(span: Any) -> Any:
    return span


class Engine:
    """Derives metrics from every extraction and decides every local trace.

    Args:
        settings: Thresholds and bounds.
        clock: Both clocks.
        draw: Returns a random integer from 0 to its argument less one; chooses exemplars.
        export: Takes the spans of a kept trace with its decision; returns the reason why it could not, or "".
        sampling: The policies that decide; by default those that keep errors, slow traces and a share, as in the settings.
        view: Converts a span of the process to the form that policies read.
        span_metrics: Counts every span as well.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        draw: Callable[[int], int],
        export: Callable[[LocalTrace, Decision], str],
        sampling: TailSampling | None = None,
        view: Callable[[Any], SpanView] = _as_it_is,
        span_metrics: LocalSpanMetrics | None = None,
    ) -> None:
        self._export = export
        self._span_metrics = span_metrics
        self._waiting: deque[Measurements] = deque()
        self.counters = Counters()
        self.metrics = DerivedMetrics(settings.max_series, draw)
        self.sampler = LocalSampler(sampling or process_sampling(settings), clock, view)
        self.assembler = Assembler(
            AssemblerLimits(
                settings.max_open_traces,
                settings.max_spans_per_trace,
                settings.max_pending_bytes,
                settings.max_remembered_decisions,
                int(settings.decision_wait_s * 1e9),
            ),
            self.sampler,
            self.counters,
            clock,
            self._deliver,
            None if span_metrics is None else span_metrics.record,
        )

    def derive(self, figures: Measurements, trace: LocalTrace | None, span_id: int, end_ns: int) -> None:
        """Count an ended extraction, exactly, if not at once: see `settle`.

        Called before the extraction's span ends, so that its trace is not decided yet.

        Args:
            figures: Must not change any more.
            trace: Its trace; None where no span of it is recorded: it counts, and is no exemplar.
            span_id: Its span.
            end_ns: Unix time of its end.
        """
        if trace is not None:
            trace.candidates.append((figures, end_ns, span_id))
        waiting = self._waiting
        waiting.append(figures)
        if len(waiting) >= BATCH:
            self._count_waiting()

    def settle(self) -> None:
        """Count and decide what is waiting for company.

        Between two calls of a cache or database the processor's own caches are cold: aggregating one extraction there
        takes ten times as long as among thirty. So both wait, for `BATCH` or for the next second.
        """
        self._count_waiting()
        self.assembler.decide_complete()

    def _count_waiting(self) -> None:
        waiting = self._waiting
        while waiting:
            try:
                figures = waiting.popleft()
            except IndexError:  # another thread took the last
                return
            self.metrics.record(figures)

    def _deliver(self, trace: LocalTrace, decision: Decision) -> None:
        spans = len(trace.spans)
        lost = self._export(trace, decision)
        self.counters.kept(spans, lost)
        if self._span_metrics is not None and not lost:
            self._span_metrics.offer(trace.spans)
        if trace.candidates and not lost:
            # An exemplar belongs to a bucket: its extraction must have been counted there.
            self._count_waiting()
            self.metrics.offer(trace.trace_id, trace.candidates)
