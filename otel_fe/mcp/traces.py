"""One trace for an assistant: its spans in order, and why it was slow, failed or was kept. No attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard.span_row import ERROR
from otel_fe.dashboard.trace_view import trace_view
from otel_fe.store.decoded_trace import DecodedTrace
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.store import KeptTrace
    from otel_fe.store.decoded_trace import SpanNode

_LONGEST: Final = 15
"""Spans that are named one by one: the longest."""


def trace_answer(context: PageContext, trace_id: str) -> dict[str, Any]:
    """Return a trace; if it was not kept, the reason, as long as that is remembered."""
    view = trace_view(context, trace_id)
    kept: KeptTrace | None = view["kept"]
    found: dict[str, Any] = {"trace_id": trace_id, "kept": kept is not None, "decision": view["why"]}
    if kept is None:
        return found | (
            {} if view["why"] else {"note": "this store knows nothing of it; it may be older than the store keeps"}
        )
    trace = DecodedTrace(kept.spans)
    longest = sorted(trace.nodes, key=lambda node: -node.duration_ns)[:_LONGEST]
    found |= {
        "duration_ms": view["duration_ns"] / NS_PER_MS,
        "weight": kept.weight,
        "spans": len(trace.nodes),
        "longest_spans": [_span(node, trace) for node in sorted(longest, key=lambda node: node.index)],
    }
    main, failure = view["main"], view["failure"]
    if main is not None:
        found["main_cause"] = {
            "feature_set": main.feature_set,
            "duration_ms": main.duration_ns / NS_PER_MS,
            "cause": main.cause if main.explained else "unexplained",
            "line": f"{main.line} {main.function}".strip(),
            "time_by_cause_ms": {cause: ns / NS_PER_MS for cause, ns in main.split},
            "n_plus_one": [
                {"call": one.call.name, "times": one.count, "total_ms": one.total_ns / NS_PER_MS}
                for one in main.repeated
            ],
        }
    if failure is not None:
        found["failure"] = {
            "error_type": failure.error_type,
            "line": failure.line,
            "through_spans": [step.name for step in failure.steps],
        }
    return found


def _span(node: SpanNode, trace: DecodedTrace) -> dict[str, Any]:
    call = node.call
    return {
        "name": node.span.name if call is None else call.name,
        "service": node.service,
        "depth": node.depth,
        "starts_after_ms": (node.start_ns - trace.begin_ns) / NS_PER_MS,
        "duration_ms": node.duration_ns / NS_PER_MS,
        "failed": node.span.status.code == ERROR,
    }
