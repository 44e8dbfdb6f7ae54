"""The decisions of a policy on recorded traffic, trace by trace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from otel_fe.model.id_keys import trace_key
from otel_fe.model.span import ERROR
from otel_fe.pipeline.records import DecisionRecord, explained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView
    from otel_fe.model.vote import Vote
    from otel_fe.pipeline.buffered_trace import BufferedTrace
    from otel_fe.pipeline.policies.evaluator import Evaluator

_ERROR_BIT: Final = 1 << ERROR


@dataclass(frozen=True, slots=True)
class DecidedTrace:
    """One trace as it was when it was decided; its size, duration and errors with what came later."""

    trace_id: int
    spans: int
    size_bytes: int
    start_ns: int
    end_ns: int
    failed: bool
    time_ns: int
    trigger: str
    decision: Decision
    votes: tuple[Vote, ...]

    @property
    def duration_ns(self) -> int:
        """From the earliest start to the latest end."""
        return self.end_ns - self.start_ns


@dataclass(slots=True)
class Ledger:
    """Every decision of a replay; takes the place of a sampler's decision records."""

    entries: dict[bytes, DecidedTrace] = field(default_factory=dict)
    """Keyed by `trace_key`."""

    def add(
        self, trace: BufferedTrace, time_ns: int, trigger: str, decision: Decision, votes: tuple[Vote, ...]
    ) -> None:
        """Note a decision."""
        self.entries[trace_key(trace.trace_id)] = DecidedTrace(
            trace.trace_id,
            trace.count,
            trace.size_bytes,
            trace.start_ns,
            trace.end_ns,
            bool(trace.statuses & _ERROR_BIT),
            time_ns,
            trigger,
            decision,
            votes,
        )

    def add_later(self, trace_id: int, spans: Sequence[SpanView], size_bytes: int) -> None:
        """Add spans to a trace that has been decided."""
        key = trace_key(trace_id)
        entry = self.entries[key]
        starts = [start for start in (entry.start_ns, *(span.start_ns for span in spans)) if start]
        self.entries[key] = replace(
            entry,
            spans=entry.spans + len(spans),
            size_bytes=entry.size_bytes + size_bytes,
            start_ns=min(starts, default=0),
            end_ns=max(entry.end_ns, *(span.end_ns for span in spans)),
            failed=entry.failed or any(span.status == ERROR for span in spans),
        )

    def explained(self, entry: DecidedTrace, policies: Sequence[Evaluator]) -> DecisionRecord:
        """Return a decision in words."""
        return explained(
            policies,
            entry.trace_id,
            entry.time_ns,
            entry.trigger,
            entry.decision,
            entry.spans,
            entry.duration_ns,
            entry.votes,
        )


@dataclass(frozen=True, slots=True)
class KeptShare:
    """Kept and total amounts."""

    kept: int
    total: int

    @property
    def ratio(self) -> float:
        """0..1; 1 of nothing."""
        return self.kept / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a policy on recorded traffic."""

    traces: KeptShare
    spans: KeptShare
    bytes: KeptShare
    failed: KeptShare
    """Traces with a span of status ERROR."""
    slow: KeptShare
    """Traces that last as long as the given bound, or longer."""
    estimated_traces: float
    """The sum of the weights of the kept traces: the estimate of the number of all traces."""
    unknown_weights: int
    """Kept traces whose probability is not known; they are missing in the estimate."""
    late_spans: int
    by_policy: dict[str, int]
    """Kept traces by the policy that won."""
    by_trigger: dict[str, int]
    """All traces by why they were decided when they were."""


def summary(ledger: Ledger, slow_ns: int, late_spans: int) -> Summary:
    """Return what a ledger adds up to; `slow_ns` is inclusive."""
    entries = list(ledger.entries.values())
    kept = [entry for entry in entries if entry.decision.sampled]
    weights = [entry.decision.weight for entry in kept]
    slow = [entry for entry in entries if entry.duration_ns >= slow_ns]
    failed = [entry for entry in entries if entry.failed]
    return Summary(
        traces=KeptShare(len(kept), len(entries)),
        spans=KeptShare(sum(e.spans for e in kept), sum(e.spans for e in entries)),
        bytes=KeptShare(sum(e.size_bytes for e in kept), sum(e.size_bytes for e in entries)),
        failed=KeptShare(sum(e.decision.sampled for e in failed), len(failed)),
        slow=KeptShare(sum(e.decision.sampled for e in slow), len(slow)),
        estimated_traces=sum(weight for weight in weights if weight is not None),
        unknown_weights=weights.count(None),
        late_spans=late_spans,
        by_policy=dict(Counter(entry.decision.reason for entry in kept).most_common()),
        by_trigger=dict(Counter(entry.trigger for entry in entries).most_common()),
    )
