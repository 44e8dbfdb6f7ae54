"""The pipeline as a span processor: takes every span that starts and ends in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import StatusCode

from otel_fe.instrument import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_fe.pipeline.engine import Engine

_SAMPLED: Final = 1
_READABLE_SPAN_BYTES: Final = 2_000
"""What an SDK span takes, its attributes' text aside."""


class PipelineProcessor(SpanProcessor):
    """Feeds the engine. Spans that a head sampler left unsampled never enter it, as with every exporter.

    Args:
        engine: The engine; replaced in a forked child.
        close: Called at shutdown, when every trace has been decided.
        flush: Called to export what has been decided, with a timeout in ms.
    """

    def __init__(self, engine: Engine, close: Callable[[], None], flush: Callable[[int], bool]) -> None:
        self.engine = engine
        self._close = close
        self._flush = flush

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """Note a span that has started."""
        try:
            context: Any = span._context
            if context[3] & _SAMPLED:
                parent: Any = span._parent
                state = context[4]
                self.engine.assembler.started(
                    context[0],
                    context[1],
                    local_root=parent is None or parent[2],
                    entry=state.get("ot") if state else None,
                )
        except Exception as fault:
            faults.record("processor.on_start", fault)

    def lean_ended(self, span: Any) -> None:
        """Take a lean span that has ended, itself: nobody else looks at it."""
        self._ended(span, span)

    def on_end(self, span: ReadableSpan) -> None:
        """Take the copy of a span that has ended, which other processors have seen too."""
        self._ended(span, None)

    def _ended(self, span: Any, lean: Any) -> None:
        try:
            context = span._context
            if context[3] & _SAMPLED:
                parent = span._parent
                self.engine.assembler.ended(
                    span,
                    context[0],
                    context[1],
                    start_ns=span._start_time,
                    end_ns=span._end_time,
                    error=span._status.status_code is StatusCode.ERROR,
                    size=_READABLE_SPAN_BYTES if lean is None else lean.size_bytes,
                    local_root=parent is None or parent[2],
                )
        except Exception as fault:
            faults.record("processor.on_end", fault)

    def shutdown(self) -> None:
        """Decide what is pending and shut the exporters down."""
        self._close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what has been decided; traces that are still open stay open."""
        return self._flush(timeout_millis)
