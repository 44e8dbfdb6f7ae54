"""What the collector puts into the store, for the dashboard and for `otel-fe why` later: kept traces, series, decisions.

Deciding only appends to a list here; encoding and storing is done on the thread that ticks. A decision of a trace that was not
kept is worth little a minute later, and there may be thousands a second: so many a second are stored, and at the end the last.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from otel_fe import semconv
from otel_fe.collector.accounts import COUNTER, Sample
from otel_fe.collector.stored_decisions import stored_record
from otel_fe.collector.wire.encode import encode
from otel_fe.config.policies import AlwaysSample
from otel_fe.pipeline.received import ReceivedTrace
from otel_fe.store import kept_trace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from otel_fe.collector.pipelines.engine import Engine
    from otel_fe.collector.pipelines.parts import Parts
    from otel_fe.collector.pipelines.sampled import SampledPipeline
    from otel_fe.model.decision import Decision
    from otel_fe.model.metric import ResourceMetrics
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.records import DecisionRecord
    from otel_fe.store import KeptTrace

_MOST_WAITING: Final = 10_000
_RECORDS_A_ROUND: Final = 10
"""Twenty rounds a second, at the most."""
_LAST_RECORDS: Final = 2_000
_OURS: Final = (b"feature_extraction.", b"db.client.connection.")


class Counted(Protocol):
    """What became of what was handed over to be stored."""

    @property
    def written(self) -> dict[str, int]:
        """Items that are on disk, by kind."""
        ...

    @property
    def lost(self) -> dict[str, int]:
        """Items that will not be, by why."""
        ...


class Shelf(Protocol):
    """The store, or the way to it."""

    @property
    def directory(self) -> Path:
        """Where it is."""
        ...

    def add_trace(self, trace: KeptTrace) -> bool:
        """Store a kept trace."""
        ...

    def add_record(self, record: Mapping[str, Any]) -> bool:
        """Store a decision."""
        ...

    def add_metrics(self, metrics: Sequence[ResourceMetrics]) -> bool:
        """Store metrics of the pipeline's."""
        ...

    def add_otlp_metrics(self, payload: bytes) -> bool:
        """Store metrics as a process exported them."""
        ...

    def close(self, timeout_s: float) -> bool:
        """Store what waits, and let go of it."""
        ...


def store_samples(counted: Counted) -> list[Sample]:
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
    record: dict[str, Any] | None
    """None for spans that came after the decision."""
    keeps_all: bool
    """The policy that kept it keeps every trace."""


class Keeping:
    """Hands what is to be kept to the store.

    Args:
        store: Open.
        counted: What becomes of it there.
    """

    def __init__(self, store: Shelf, counted: Counted) -> None:
        self._store = store
        self._counted = counted
        self._waiting: deque[_Kept] = deque(maxlen=_MOST_WAITING)
        self._last: dict[SampledPipeline, tuple[int, int]] = {}
        """The newest decision of each pipeline whose spans were delivered."""
        self._stored: dict[SampledPipeline, tuple[int, int]] = {}
        """The newest that was stored."""

    def observe(self, parts: Parts) -> None:
        """Be told of what pipelines keep from now on."""
        self._last.clear()
        self._stored.clear()
        for sampled in parts.sampled:
            everything = {policy.name for policy in sampled.settings.policies if isinstance(policy, AlwaysSample)}
            sampled.on_kept.append(partial(self._note, sampled, everything))

    def collected(self, metrics: Sequence[ResourceMetrics]) -> None:
        """Take what a connector has counted."""
        self._store.add_metrics(metrics)

    def exported(self, payload: bytes) -> None:
        """Take metrics that some process has exported, or that were derived here; those of extractions and of pools only."""
        if any(name in payload for name in _OURS):
            self._store.add_otlp_metrics(payload)

    def work(self, engine: Engine, records: int = _RECORDS_A_ROUND) -> None:
        """Store what has come since the last round, and the newest of its decisions."""
        while self._waiting:
            self._keep(self._waiting.popleft())
        for pipeline in engine.parts.sampled:
            with engine.lock:
                fresh = self._fresh(pipeline, records)
            for record in reversed(fresh):
                if not record.decision.sampled:  # those of kept traces are stored with them
                    self._store.add_record(record.as_dict())

    def samples(self) -> list[Sample]:
        """Return what became of what was to be stored."""
        return store_samples(self._counted)

    def record(self, trace_id: int) -> dict[str, Any] | None:
        """Return what is stored of a trace's decision; None where nothing is."""
        return stored_record(trace_id, self._store.directory)

    def finish(self, engine: Engine, timeout_s: float) -> None:
        """Store what is left, and let go of the store."""
        self.work(engine, _LAST_RECORDS)
        self._store.close(timeout_s)

    def _fresh(self, pipeline: SampledPipeline, most: int) -> list[DecisionRecord]:
        """Return the newest decisions since the last round, the newest first."""
        last = self._stored.get(pipeline)
        found = list(takewhile(lambda record: _key(record) != last, pipeline.sampler.records.last(most)))
        if found:
            self._stored[pipeline] = _key(found[0])
        return found

    def _note(
        self,
        pipeline: SampledPipeline,
        everything: AbstractSet[str],
        trace_id: int,
        spans: Sequence[SpanView],
        decision: Decision,
    ) -> None:
        """Take note, under the engine's lock. A trace's decision is recorded just before its spans are delivered."""
        record = None
        for newest in pipeline.sampler.records.last(1):
            if newest.trace_id == trace_id and _key(newest) != self._last.get(pipeline):
                self._last[pipeline] = _key(newest)
                record = newest.as_dict()
        self._waiting.append(_Kept(trace_id, spans, decision, record, decision.reason in everything))

    def _keep(self, kept: _Kept) -> None:
        received = ReceivedTrace(kept.trace_id, 0)
        received.add(kept.spans, 0, 0)
        for data, _ in encode([(kept.spans, kept.decision)], maximum_bytes=1 << 30):
            late = kept.record is None
            self._store.add_trace(
                kept_trace(received, kept.decision, data, record=kept.record, late=late, keeps_all=kept.keeps_all)
            )


def _key(record: DecisionRecord) -> tuple[int, int]:
    return record.trace_id, record.time_ns
