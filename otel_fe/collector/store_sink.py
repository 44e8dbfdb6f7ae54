"""Writes kept traces, series and decisions into the store, for the dashboard and for `otel-fe why`.

Under the engine's lock a kept trace is only noted. Once a second at most, what was noted is made into a batch on the thread that
ticks, together with what has been counted until then: the store has both, or neither. A batch that the store has no room for waits,
and so does what is noted after it, up to a bound in bytes; what is beyond it is counted as lost.

A decision on a trace that was not kept is worth little a minute later, and there may be thousands a second: some of each second are
stored, and at the end the last.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import deque
from dataclasses import replace
from functools import partial
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from otel_fe import semconv
from otel_fe.clock import FAR_NS, SystemClock
from otel_fe.collector.accounts import COUNTER, Sample
from otel_fe.collector.stored_decisions import stored_record
from otel_fe.config.policies import AlwaysSample
from otel_fe.model.id_keys import trace_key
from otel_fe.pipeline.records import trace_id_of
from otel_fe.store import KeptBatch, kept_trace
from otel_fe.store.otlp_points import points_under
from otel_fe.store.points import points_of
from otel_fe.store.reported_alerts import ReportedAlerts
from otel_fe.store.store_error import InvalidItemError
from otel_fe.wire.encode import runs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from otel_fe.clock import Clock
    from otel_fe.collector.graph.graph import PipelineGraph
    from otel_fe.collector.graph.parts import Parts
    from otel_fe.collector.graph.sampled import SampledPipeline
    from otel_fe.model.decision import Decision
    from otel_fe.model.metric import ResourceMetrics
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.records import DecisionRecords
    from otel_fe.pipeline.tail_sampler import TailSampler
    from otel_fe.store import KeptTrace
    from otel_fe.store.points import MetricPoint

_log = logging.getLogger("otel_fe")
MOST_BYTES: Final = 64 << 20
"""Most bytes of spans that wait for the store."""
_PACE_NS: Final = 1_000_000_000
"""Between two batches. What is kept now and then is stored at once."""
_BATCH_TRACES: Final = 500
_BATCH_BYTES: Final = 1 << 20
_RECORDS_A_BATCH: Final = 50
_LAST_RECORDS: Final = 2_000
_LOOKED_AT: Final = 1_000
_SPAN_BYTES: Final = 300
"""The memory of a span besides its encoded bytes."""
_TRACE_BYTES: Final = 2_000
"""The memory of a trace besides its spans, once it is prepared for the store."""
_RECORD_BYTES: Final = 1_000
_POINT_BYTES: Final = 1_000
_PATIENCE_S: Final = 0.05
_QUEUE_FULL: Final = "queue_full"
_INVALID: Final = "invalid"
_OURS: Final = (b"feature_extraction.", b"db.client.connection.")


class ItemCounters(Protocol):
    """The counters of items handed to the store."""

    @property
    def written(self) -> dict[str, int]:
        """Items that are on disk, by kind."""
        ...

    @property
    def lost(self) -> dict[str, int]:
        """Items that will not be, by why."""
        ...


class Shelf(Protocol):
    """The store, or a worker's connection to it."""

    @property
    def directory(self) -> Path:
        """Its folder."""
        ...

    def add_batch(self, batch: KeptBatch) -> bool:
        """Store all of a batch, or nothing of it; return false where there is no room for it now."""
        ...

    def lose(self, reason: str, items: int) -> None:
        """Count items that were never handed over."""
        ...

    def add_metrics(self, metrics: Sequence[ResourceMetrics]) -> bool:
        """Store metrics of the pipeline's."""
        ...

    def add_otlp_metrics(self, payload: bytes) -> bool:
        """Store metrics as a process exported them."""
        ...

    def close(self, timeout_s: float) -> bool:
        """Store all waiting items, and release them."""
        ...


def store_samples(counted: ItemCounters) -> list[Sample]:
    """Return as figures of the collector what became of what was to be stored."""
    figures = (("kind", "written", counted.written), (semconv.REASON, "lost", counted.lost))
    return [
        Sample(f"otel_fe.collector.store.{name}", COUNTER, ((label, key),), value)
        for label, name, values in figures
        for key, value in values.items()
    ]


class _Kept(NamedTuple):
    trace_id: int
    spans: Sequence[Any]
    decision: Decision
    records: DecisionRecords
    entry: Any
    """Its decision as `records` holds it; None for spans that came after the decision."""
    keeps_all: bool
    """The policy that kept it keeps every trace."""
    size_bytes: int


class StoreSink:
    """Passes kept traces, metrics and decision records to the store.

    Args:
        store: Open.
        counted: The counters of their outcome there.
        clock: Monotonic time; by default the machine's.
    """

    def __init__(self, store: Shelf, counted: ItemCounters, clock: Clock | None = None) -> None:
        self._store = store
        self._counted = counted
        self._clock: Clock = clock or SystemClock()
        self._told = ReportedAlerts(store.directory)
        self._alerts_lost = 0
        # Below: guarded by the engine's lock.
        self._waiting: deque[_Kept] = deque()
        self._waiting_bytes = 0
        self._lost = 0
        """Traces for which there was no room since the last round."""
        self._last: dict[SampledPipeline, Any] = {}
        """The newest decision of each pipeline whose spans were delivered."""
        # Below: of the thread that ticks.
        self._batches: deque[KeptBatch] = deque()
        """Made, and not yet taken by the store."""
        self._batches_bytes = 0
        self._stored: dict[SampledPipeline, Any] = {}
        """The newest decision of each that was looked at."""
        self._next_ns = 0
        self._counts_due = False
        """The interval of a connector's metrics has passed."""
        self._counted_ns = 0
        """Unix time until which connectors' counts have been handed over."""

    def observe(self, parts: Parts) -> None:
        """Take the traces that pipelines keep from now on."""
        self._last.clear()
        self._stored.clear()
        for sampled in parts.sampled:
            everything = {policy.name for policy in sampled.settings.policies if isinstance(policy, AlwaysSample)}
            sampled.on_kept.append(partial(self._note, sampled, everything))

    def collected(self, metrics: Sequence[ResourceMetrics]) -> None:
        """Take the metrics of a connector.

        Cumulative counts are not taken from here, but as they are (`SpanMetricsConnector.changed`): what leaves begins at 0.
        """
        deltas = [replace(one, metrics=[metric for metric in one.metrics if metric.delta]) for one in metrics]
        deltas = [one for one in deltas if one.metrics]
        if deltas:
            self._store.add_metrics(deltas)
        self._counts_due = self._counts_due or len(deltas) < len(metrics)

    def exported(self, payload: bytes) -> None:
        """Take metrics exported by a process, or derived here; only those of extractions and of pools."""
        if any(name in payload for name in _OURS):
            self._store.add_otlp_metrics(payload)

    def logged(self, payload: bytes) -> None:
        """Take log records that a process has exported; only those of alerts."""
        try:
            self._told.take(payload, self._clock.time_ns())
        except (sqlite3.Error, OSError) as error:
            if not self._alerts_lost:
                _log.warning("alerts that processes report cannot be stored: %s", error)
            self._alerts_lost += 1

    @property
    def due_ns(self) -> int:
        """When `work` has something to do: monotonic time."""
        return self._next_ns if self._waiting or self._batches or self._counts_due else FAR_NS

    def work(self, engine: PipelineGraph, records: int = _RECORDS_A_BATCH, *, at_once: bool = False) -> None:
        """Store what has come since the last batch, if it is time for the next."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_ns and not at_once:
            return
        if not self._batches:
            self._make_batches(engine, records)
        while self._batches and self._store.add_batch(self._batches[0]):
            self._batches_bytes -= self._batches.popleft().size_bytes
        self._next_ns = now_ns + _PACE_NS

    def _make_batches(self, engine: PipelineGraph, records: int) -> None:
        with engine.locked():
            waiting, self._waiting = self._waiting, deque()
            lost, self._lost = self._lost, 0
            # Before any of these traces is stored, what they were counted in is.
            counted = self._counted_since(engine) if waiting or self._counts_due else KeptBatch()
            self._counts_due = False
            fresh = [(sampled.sampler.records, self._fresh(sampled, records)) for sampled in engine.parts.sampled]
            policies = _policies(chain((kept.records for kept in waiting), (of for of, _ in fresh)))
        if lost:
            self._store.lose(_QUEUE_FULL, lost)
        dropped = tuple(of.stored(entry) for of, entries in fresh for entry in entries)
        counted = replace(counted, policies=policies)
        traces: list[KeptTrace] = []
        size = 0
        settled = sum(kept.size_bytes for kept in waiting)
        waiting = _joined(waiting)
        while waiting:
            kept = waiting.popleft()
            traces.append(_trace_of(kept))
            size += traces[-1].size_bytes + _TRACE_BYTES
            if size >= _BATCH_BYTES or len(traces) >= _BATCH_TRACES:
                self._add_batch(replace(counted, traces=tuple(traces), size_bytes=size + counted.size_bytes))
                traces, size, counted = [], 0, KeptBatch(policies=policies)
        if traces or dropped or len(counted):
            size += counted.size_bytes + _RECORD_BYTES * len(dropped)
            self._add_batch(replace(counted, traces=tuple(traces), records=dropped, size_bytes=size))
        with engine.lock:
            self._waiting_bytes -= settled

    def _counted_since(self, engine: PipelineGraph) -> KeptBatch:
        """Return what has been counted since the last batch, under the engine's lock."""
        since_ns, self._counted_ns = self._counted_ns, self._clock.monotonic_ns()
        metrics: list[MetricPoint] = []
        for resource, changed in engine.parts.derived.collect_changed():
            try:
                metrics += points_under(resource, changed)
            except InvalidItemError:
                self._store.lose(_INVALID, 1)
        collected = [one for each in engine.parts.connectors.values() for one in each.connector.changed(since_ns)]
        points = tuple(point for one in collected for point in points_of(one))
        return KeptBatch((), (), tuple(metrics), points, _POINT_BYTES * (len(metrics) + len(points)))

    def _add_batch(self, batch: KeptBatch) -> None:
        self._batches.append(batch)
        self._batches_bytes += batch.size_bytes

    def samples(self) -> list[Sample]:
        """Return what became of what was to be stored."""
        return store_samples(self._counted)

    def record(self, trace_id: int) -> dict[str, Any] | None:
        """Return what is stored of a trace's decision; None where nothing is."""
        return stored_record(trace_id, self._store.directory)

    def finish(self, engine: PipelineGraph, timeout_s: float) -> None:
        """Store the remaining items, and close the store."""
        deadline_ns = self._clock.monotonic_ns() + round(timeout_s * 1e9)
        self.work(engine, _LAST_RECORDS, at_once=True)
        while (self._batches or self._waiting) and self._clock.monotonic_ns() < deadline_ns:
            time.sleep(_PATIENCE_S)  # the store is writing what it has
            self.work(engine, at_once=True)
        left = len(self._waiting) + sum(map(len, self._batches))
        if left:
            self._store.lose(_QUEUE_FULL, left)
        self._store.close(max(0.0, (deadline_ns - self._clock.monotonic_ns()) / 1e9))

    def _fresh(self, pipeline: SampledPipeline, most: int) -> list[Any]:
        """Return decisions not to sample since the last round, as they are held, the oldest first, spread over all of them.

        Not simply the newest: decisions of one kind follow each other.
        """
        last = self._stored.get(pipeline)
        looked_at = max(most, _LOOKED_AT)
        found = list(takewhile(lambda entry: entry is not last, pipeline.sampler.records.entries(looked_at)))
        if found:
            self._stored[pipeline] = found[0]
        spread = found[:: -(-len(found) // most) or 1]
        return [entry for entry in reversed(spread) if not _sampled(pipeline.sampler, entry)]

    def _note(
        self,
        pipeline: SampledPipeline,
        everything: AbstractSet[str],
        trace_id: int,
        spans: Sequence[SpanView],
        decision: Decision,
    ) -> None:
        """Note the decision, under the graph's lock: it is recorded just before the trace's spans are delivered."""
        wire: Sequence[Any] = spans  # all that the engine is handed come off the wire
        size = sum([len(span.raw) for span in wire]) + _SPAN_BYTES * len(spans)
        if self._waiting_bytes + self._batches_bytes + size > MOST_BYTES:
            self._lost += 1
            return
        records = pipeline.sampler.records
        entry = records.newest_of(trace_id)
        if entry is self._last.get(pipeline):
            entry = None
        else:
            self._last[pipeline] = entry
        self._waiting_bytes += size
        self._waiting.append(_Kept(trace_id, spans, decision, records, entry, decision.reason in everything, size))


def _policies(records: Iterable[DecisionRecords]) -> dict[bytes, bytes]:
    """Return the descriptions of the policies that decided, by fingerprint."""
    forms = {id(form): form for of in records if (form := of.stored_form) is not None}
    return {form.fingerprint: form.description for form in forms.values()}


def _sampled(sampler: TailSampler, entry: Any) -> bool:
    """Return whether a decision was to sample, under the engine's lock: as remembered, which costs less than explaining it."""
    remembered = sampler.remembered(trace_id_of(entry))
    return (sampler.records.explain(entry).decision if remembered is None else remembered).sampled


def _joined(waiting: Iterable[_Kept]) -> deque[_Kept]:
    """Return the kept traces with their parts joined: a trace is kept early, and its later spans follow in parts."""
    joined: dict[bytes, _Kept] = {}
    for kept in waiting:
        place = trace_key(kept.trace_id)
        first = joined.get(place)
        if first is None or kept.entry is not None or kept.decision is not first.decision:
            place = place if first is None else b"%b %d" % (place, len(joined))
            joined[place] = kept
        else:
            joined[place] = first._replace(spans=[*first.spans, *kept.spans])
    return deque(joined.values())


def _trace_of(kept: _Kept) -> KeptTrace:
    runs = tuple(
        [(resource.frame, scope.frame, data) for resource, scope, data, _ in runs_of(kept.spans, kept.decision)]
    )
    late = kept.entry is None
    return kept_trace(
        kept.trace_id,
        kept.spans,
        kept.decision,
        runs=runs,
        stored_decision=b"" if late else kept.records.stored(kept.entry),
        late=late,
        keeps_all=kept.keeps_all,
    )
