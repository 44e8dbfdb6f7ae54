"""Spans as they leave a sampler, for what counts them by their weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.model import trace_state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView
    from otel_fe.wire.span import WireSpan


def with_decision(spans: Iterable[SpanView], decision: Decision) -> list[SpanView]:
    """Return spans whose `tracestate` is what they are sent with; the given ones stay as they came."""
    return [_stamped(span, decision) for span in spans]


def _stamped(span: SpanView, decision: Decision) -> SpanView:
    after = trace_state.stamped(span.trace_state, decision.threshold)
    if after is None or after == span.trace_state:
        return span
    wire: WireSpan = span  # type: ignore[assignment]  # all that the engine is handed come off the wire
    copy = wire.copied()
    copy.trace_state = after
    return copy
