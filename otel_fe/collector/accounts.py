"""The collector's own metrics: items received, decided, sent, lost and held.

Names of the Collector's own telemetry (`otelcol_…`) where it has one for the same thing, so that dashboards made for it work; the
pipeline's own where it has not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe import semconv
from otel_fe.collector.process_memory import resident_bytes
from otel_fe.model.decision import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_fe.collector.exporters.exporter import ExporterCounts
    from otel_fe.collector.graph.graph import PipelineGraph
    from otel_fe.collector.servers.intake import IntakeCounters
    from otel_fe.pipeline.counters import Counters

    Labels = tuple[tuple[str, str], ...]

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
UPTIME: Final = "otelcol_process_uptime_seconds"
_ITEMS: Final = {"traces": "spans", "metrics": "metric_points", "logs": "log_records", "profiles": "profile_samples"}


class Sample(NamedTuple):
    """A figure."""

    name: str
    """Name with dots for metrics of otel_fe, as the Collector writes it for others; without a unit or `_total`."""
    kind: str
    """`counter` or `gauge`."""
    labels: Labels
    value: float


def samples_of(
    engine: PipelineGraph, received: Iterable[IntakeCounters], retired: Sequence[Counters], started_s: float
) -> list[Sample]:
    """Return all figures, as they are now.

    Args:
        engine: At work.
        received: What receivers count.
        retired: Of pipelines that a reload removed.
        started_s: Monotonic time of the start.
    """
    found = [
        Sample(UPTIME, COUNTER, (), time.monotonic() - started_s),
        Sample("otelcol_process_cpu_seconds", COUNTER, (), time.process_time()),
        Sample("otelcol_process_memory_rss_bytes", GAUGE, (), resident_bytes()),
    ]
    for one in received:
        found += _of_receiver(one)
    for name, exporter in engine.parts.exporters.items():
        found += _of_exporter(name, exporter.counts())
    with engine.locked():
        pending = {pipeline.name: pipeline.sampler.pending for pipeline in engine.parts.sampled}
        late = {pipeline.name: pipeline.counters for pipeline in engine.parts.sampled}
    for name, counters in late.items():
        found += _of_sampler(name, counters, *pending[name])
    for plain in engine.parts.plain:
        if plain.signal == "traces" and plain.outlets.exporters:
            found += _of_pipeline(plain.name, plain.counters)
    for counters in retired:
        found += _of_sampler("", counters, 0, 0)
    return found


def _of_receiver(received: IntakeCounters) -> Iterator[Sample]:
    labels = (("receiver", received.receiver), ("transport", received.transport))
    with received.lock:
        accepted, rejected, refused = dict(received.accepted), dict(received.rejected), dict(received.refused)
    for signal, value in accepted.items():
        yield Sample(f"otelcol_receiver_accepted_{_ITEMS[signal]}", COUNTER, labels, value)
    for (signal, reason), value in rejected.items():
        yield Sample(f"otelcol_receiver_failed_{_ITEMS[signal]}", COUNTER, (*labels, (semconv.REASON, reason)), value)
    for reason, value in refused.items():
        yield Sample("otelcol_receiver_refused_requests", COUNTER, (*labels, (semconv.REASON, reason)), value)


def _of_exporter(name: str, counts: ExporterCounts) -> Iterator[Sample]:
    labels = (("exporter", name),)
    yield Sample("otelcol_exporter_sent_items", COUNTER, labels, counts.sent)
    yield Sample("otelcol_exporter_rejected_items", COUNTER, labels, counts.rejected)
    yield Sample("otelcol_exporter_recovered_items", COUNTER, labels, counts.recovered)
    yield Sample("otelcol_exporter_failed_tries", COUNTER, labels, counts.failed_tries)
    for reason, value in counts.lost.items():
        yield Sample("otelcol_exporter_send_failed_items", COUNTER, (*labels, (semconv.REASON, reason)), value)
    yield Sample("otelcol_exporter_queue_size", GAUGE, labels, counts.queue_size)
    yield Sample("otelcol_exporter_queue_capacity", GAUGE, labels, counts.queue_capacity)


def _of_sampler(name: str, counters: Counters, traces: int, spans: int) -> Iterator[Sample]:
    labels = (("pipeline", name),)
    with counters.lock:
        evicted, winners = dict(counters.evicted), dict(counters.traces)
        none, late, late_errors = counters.traces_not_sampled, counters.late, counters.late_errors
    # What is pending has been received; only a decision counts it, so that counting costs nothing per span.
    yield from _of_pipeline(name, counters, spans)
    yield Sample(semconv.SPANS_LATE, COUNTER, labels, late)
    yield Sample(semconv.SPANS_LATE_ERRORS, COUNTER, labels, late_errors)
    yield Sample(semconv.SPANS_PENDING, GAUGE, labels, spans)
    yield Sample(semconv.TRACES_OPEN, GAUGE, labels, traces)
    yield from _by_reason(semconv.TRACES, labels, {NONE: none, **winners})
    yield from _by_reason(semconv.TRACES_EVICTED, labels, evicted)


def _of_pipeline(name: str, counters: Counters, pending: int = 0) -> Iterator[Sample]:
    labels = (("pipeline", name),)
    with counters.lock:
        yield Sample(semconv.SPANS_RECEIVED, COUNTER, labels, counters.received + pending)
        yield Sample(semconv.SPANS_NOT_SAMPLED, COUNTER, labels, counters.not_sampled)
        yield Sample(semconv.SPANS_QUEUED, GAUGE, labels, counters.queued)
        yield from _by_reason(semconv.SPANS_SAMPLED, labels, dict(counters.sampled))
        yield from _by_reason(semconv.SPANS_DROPPED, labels, dict(counters.dropped))


def _by_reason(name: str, labels: Labels, values: dict[str, int]) -> Iterator[Sample]:
    for reason, value in values.items():
        yield Sample(name, COUNTER, (*labels, (semconv.REASON, reason)), value)
