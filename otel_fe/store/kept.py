"""Kept traces as values, as the store takes and returns them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.store.points import MetricPoint

Run = tuple[bytes, bytes, bytes]
"""Adjacent spans of one resource and scope, as they left: a `ResourceSpans` without its scopes, a `ScopeSpans` without its
spans, and the spans, each with tag and length."""


@dataclass(slots=True)
class KeptExtraction:
    """One extraction of a kept trace; or the whole of a trace that has none.

    Not to be changed, as `KeptTrace`; declared frozen, they would take three times as long to make.
    """

    span_id: int
    start_ns: int
    """Unix time."""
    duration_ns: int
    service: str
    feature_set: str | None
    """Empty where the extraction has none; None where this is no extraction but a whole trace."""
    error: bool = False
    error_type: str = ""
    library: str = ""
    cache_hit: bool | None = None
    """Whether all look-ups hit; None without a look-up."""
    lookups: int = 0
    hits: int = 0
    cpu_ns: int = -1
    """CPU time of its thread; -1 where it is not known."""
    memory_growth_bytes: int = 0
    cause: str = ""
    """The cause with most of its time; empty if unknown."""
    split: Mapping[str, int] = field(default_factory=dict)
    """In ns by cause; adds up to the duration. Empty where it is not known."""


@dataclass(slots=True)
class KeptTrace:
    """A trace that is kept, or what has come late of one."""

    trace_id: int
    start_ns: int
    """Unix time of the earliest start."""
    end_ns: int
    root: str
    """Name of the root's span; empty where it is not there."""
    service: str
    """The service of the root, or else of the first span."""
    error: bool
    policy: str
    """The policy that kept it; if this stage keeps everything, the policy of the process that sampled it."""
    weight: float | None
    """Its weight over the whole chain of samplers; None if unknown."""
    span_count: int
    spans: bytes
    """As they left: an `ExportTraceServiceRequest` of this trace alone."""
    extractions: tuple[KeptExtraction, ...] = ()
    """None for a part that came late and has none."""
    logs: bytes = b""
    """The trace's logs, as an `ExportLogsServiceRequest`."""
    record: Mapping[str, Any] | None = None
    """Its decision record, as `DecisionRecord.as_dict` has it."""
    late: bool = False
    """Spans that came after the decision; the trace is already there."""
    kept_by: tuple[tuple[str, float | None], ...] = ()
    """Policy and weight of each extraction, where one's are not the trace's: several processes may have sampled its spans."""

    @property
    def size_bytes(self) -> int:
        """Return the bytes of its spans and logs."""
        return len(self.spans) + len(self.logs)


@dataclass(slots=True)
class EncodedTrace(KeptTrace):
    """A trace to be stored, in the form in which it is: cheaper to make, and to write."""

    runs: tuple[Run, ...] = ()
    """Its spans; `spans` is empty."""
    decision: bytes = b""
    """Its decision, as `DecisionRecords.stored` has it; empty where `record` has it."""

    @property
    def size_bytes(self) -> int:
        """Return the bytes of its spans, record and logs."""
        return sum([len(run[2]) for run in self.runs]) + len(self.decision) + len(self.logs)


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """Everything to store of some moment. It is in the store as a whole, or not at all."""

    traces: tuple[KeptTrace, ...] = ()
    records: tuple[Mapping[str, Any] | bytes, ...] = ()
    """Decisions on traces that were not kept, as `DecisionRecord.as_dict` or `DecisionRecords.stored` has them."""
    metrics: tuple[MetricPoint, ...] = ()
    """The collector's counts of extractions until then, as far as they have changed. In the store no trace is there before it is
    counted."""
    points: tuple[MetricPoint, ...] = ()
    """The counts of the collector's connectors until then."""
    size_bytes: int = 0
    """An estimate."""
    policies: Mapping[bytes, bytes] = field(default_factory=dict)
    """Keyed by fingerprint: the descriptions of the policies that decided."""

    def __len__(self) -> int:
        return len(self.traces) + len(self.records) + bool(self.metrics or self.points)


@dataclass(frozen=True, slots=True)
class FoundExtraction:
    """An extraction that was looked for."""

    trace_id: int
    policy: str
    weight: float | None
    extraction: KeptExtraction
