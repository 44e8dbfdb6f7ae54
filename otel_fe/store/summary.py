"""From a trace as it was received, and decided, to what the store keeps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.model.span import ERROR
from otel_fe.pipeline.extractions import figures_of, is_extraction, split_of
from otel_fe.pipeline.family import Family
from otel_fe.store.kept import KeptExtraction, KeptTrace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.received import ReceivedTrace

_SERVICE: Final = "service.name"


def kept_trace(
    received: ReceivedTrace,
    decision: Decision,
    spans: bytes,
    *,
    record: Mapping[str, Any] | None = None,
    logs: bytes = b"",
    late: bool = False,
) -> KeptTrace:
    """Return what the store keeps of a trace.

    Args:
        received: The trace, or the part of it that came late.
        decision: What became of it.
        spans: The same spans as they left, as an encoded `ExportTraceServiceRequest`.
        record: Why, as `DecisionRecord.as_dict` has it.
        logs: Its logs, as an encoded `ExportLogsServiceRequest`.
        late: These spans came after the decision; the trace is already there.
    """
    members = received.spans
    root = next((span for span in members if not span.parent_id), None)
    first = root or (members[0] if members else None)
    family = Family(members)
    found = [_extraction(span, family) for span in members if is_extraction(span)]
    if not found and not late and first is not None:
        found.append(_whole(first, received))
    return KeptTrace(
        received.trace_id,
        received.start_ns,
        received.end_ns,
        root.name if root else "",
        _service(first) if first else "",
        any(span.status == ERROR for span in members),
        decision.reason,
        decision.weight,
        len(members),
        spans,
        tuple(found),
        logs,
        record,
    )


def _extraction(span: SpanView, family: Family) -> KeptExtraction:
    figures = figures_of(span)
    split = split_of(span, family)
    told = span.attributes.get(semconv.BOTTLENECK)
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
        told if isinstance(told, str) and told in split else max(split, key=split.__getitem__),
        split,
    )


def _whole(first: SpanView, received: ReceivedTrace) -> KeptExtraction:
    return KeptExtraction(
        first.span_id,
        received.start_ns,
        max(0, received.duration_ns),
        _service(first),
        None,
        any(span.status == ERROR for span in received.spans),
    )


def _service(span: SpanView) -> str:
    found = span.resource.attributes.get(_SERVICE)
    return found if isinstance(found, str) else ""
