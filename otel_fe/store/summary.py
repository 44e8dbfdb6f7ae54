"""Summarizes a received and decided trace for the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import compiled, semconv
from otel_fe.model.measurements import CAUSE_CACHE_MISS, CAUSE_POOL
from otel_fe.model.span import ERROR
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.pipeline.buffered_trace import BITS, BufferedTrace
from otel_fe.pipeline.extractions import MEASURED, bottleneck_of, extractions_in, figures_of, split_of
from otel_fe.pipeline.packed_decisions import with_samplers_before
from otel_fe.pipeline.span_tree import SpanTree
from otel_fe.pipeline.upstream import (
    IN_THE_PROCESS,
    Thresholds,
    Upstream,
    policy_of,
    upstream_of,
    weight_of,
    with_upstream,
)
from otel_fe.store.kept import EncodedTrace, KeptExtraction, KeptTrace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_fe.compiled.trace_protocols import SummarizeSpans, Summary
    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView
    from otel_fe.store.kept import Run

_SERVICE: Final = "service.name"


def kept_trace(
    trace_id: int,
    members: Sequence[SpanView],
    decision: Decision,
    spans: bytes = b"",
    *,
    runs: tuple[Run, ...] = (),
    record: Mapping[str, Any] | None = None,
    stored_decision: bytes = b"",
    logs: bytes = b"",
    late: bool = False,
    keeps_all: bool = False,
) -> KeptTrace:
    """Return what the store keeps of a trace.

    Args:
        trace_id: Its id.
        members: Its spans, or those that came late.
        decision: What became of it.
        spans: The same spans as they left, as an encoded `ExportTraceServiceRequest`.
        runs: The same, instead, as runs.
        record: Why, as `DecisionRecord.as_dict` has it.
        stored_decision: The same, instead, as `DecisionRecords.stored` has it; with runs only.
        logs: Its logs, as an encoded `ExportLogsServiceRequest`.
        late: These spans came after the decision; the trace is already there.
        keeps_all: The policy that kept it keeps every trace, so that the reason is that of a sampler before.
    """
    summary = None if _summarized is None else _summarized(members)
    start_ns, end_ns, root, service, error, has_trace_state, found = summary or _plain_summary(members)
    upstream = upstream_of(members) if has_trace_state else None
    kept_by: tuple[str, float | None] = (decision.reason, decision.weight)
    each: tuple[tuple[str, float | None], ...] = ()
    if upstream is not None:
        kept_by = _trace_kept_by(upstream, decision, keeps_all=keeps_all)
        each = _each_kept_by(members, decision, keeps_all=keeps_all)
        each = each if any(one != kept_by for one in each) else ()
    if not found and members and not late:
        found = (_whole(members, start_ns, end_ns, service, error=error),)
    kept = (EncodedTrace if runs else KeptTrace)(
        trace_id,
        start_ns,
        end_ns,
        root,
        service,
        error,
        *kept_by,
        len(members),
        spans,
        found,
        logs,
        record if record is None or upstream is None else with_upstream(record, upstream),
        late,
        each,
    )
    if isinstance(kept, EncodedTrace):
        kept.runs, kept.decision = runs, stored_decision
        if stored_decision and upstream is not None:
            kept.decision = with_samplers_before(stored_decision, upstream)
    return kept


def _plain_summary(members: Sequence[SpanView]) -> Summary:
    received = BufferedTrace(0, 0)
    received.add(members, 0, 0)
    root = next((span for span in members if not span.parent_id), None)
    first = root or (members[0] if members else None)
    sampled = extractions_in(members)
    family = SpanTree(members) if sampled else None
    return (
        received.start_ns,
        received.end_ns,
        root.name if root else "",
        _service(first) if first else "",
        bool(received.statuses & BITS[ERROR]),
        received.has_trace_state,
        () if family is None else tuple([_extraction(span, family) for span in sampled]),
    )


_summarized: Final[SummarizeSpans | None] = (
    None
    if compiled.backend is None
    else compiled.backend.Summarizer(
        MEASURED,
        {cause: semconv.TIME[cause] for cause in CAUSES},
        (CAUSE_CACHE_MISS, CAUSE_POOL, semconv.CAUSE_CPU, semconv.CAUSE_DOWNSTREAM),
        semconv.BOTTLENECK,
        _SERVICE,
        semconv.SPAN_NAME,
        KeptExtraction,
    )
)


def _trace_kept_by(upstream: Upstream, decision: Decision, *, keeps_all: bool) -> tuple[str, float | None]:
    """Return the policy and the weight of a trace in the whole chain of samplers."""
    threshold = None if decision.threshold is None else max(upstream.threshold, decision.threshold)
    return _reason(upstream.policy, decision, keeps_all=keeps_all), weight_of(threshold)


def _each_kept_by(
    members: Sequence[SpanView], decision: Decision, *, keeps_all: bool
) -> tuple[tuple[str, float | None], ...]:
    """Return the same of each extraction of a trace."""
    thresholds = Thresholds(members, decision)
    return tuple(
        (_reason(policy_of(span), decision, keeps_all=keeps_all), weight_of(thresholds.of(span)))
        for span in extractions_in(members)
    )


def _reason(policy: str, decision: Decision, *, keeps_all: bool) -> str:
    return policy + IN_THE_PROCESS if policy and keeps_all else decision.reason


def _extraction(span: SpanView, family: SpanTree) -> KeptExtraction:
    figures = figures_of(span)
    split = split_of(span, family, figures)
    return KeptExtraction(
        span.span_id,
        span.start_ns,
        figures.duration_ns,
        _service(span),
        figures.feature_set,
        span.status == ERROR or bool(figures.error_type),
        figures.error_type,
        figures.library,
        figures.all_hit,
        figures.cache_lookups,
        figures.cache_hits,
        figures.cpu_ns,
        figures.memory_growth_bytes,
        bottleneck_of(span, split),
        split,
    )


def _whole(members: Sequence[SpanView], start_ns: int, end_ns: int, service: str, *, error: bool) -> KeptExtraction:
    first = next((span for span in members if not span.parent_id), members[0])
    return KeptExtraction(first.span_id, start_ns, max(0, end_ns - start_ns), service, None, error)


def _service(span: SpanView) -> str:
    found = span.resource.attributes.get(_SERVICE)
    return found if isinstance(found, str) else ""
