"""The pipeline as a span processor: takes every span that starts and ends in this process."""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from otel_fe import faults
from otel_fe.sdk.context import is_local_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_fe.pipeline.engine import Engine
    from otel_fe.pipeline.trace import LocalTrace

_SAMPLED: Final = 1
_ERROR: Final = StatusCode.ERROR
UNSET: Final = Status(StatusCode.UNSET)
"""The status of a span without one; a single object, so that it is recognised by identity."""
_READABLE_SPAN_BYTES: Final = 2_000
"""Bytes of an SDK span, its attributes' text aside."""
_FILLED_IN_BYTES: Final = 1_500
"""An extraction that keeps its figures for the span: estimated."""


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
        self._foreign: dict[tuple[int, int], tuple[LocalTrace, weakref.ref[Any]]] = {}
        """Open spans that are the SDK's own, with their traces, by trace and span id; a lean span knows its trace itself."""

    def lean_started(self, span: Any, parent: LocalTrace | None) -> None:
        """Note a lean span that has started; `parent` is its parent's trace, where that is a span of this process."""
        try:
            if parent is not None and parent.abandoned:
                parent = None  # of the process that this one was forked from: here this is the first
                span.root = True
            state = span.state
            entry = None if state is DEFAULT_TRACE_STATE else state.get("ot")
            span.local_trace = trace = self.engine.assembler.started(span.trace_id, parent, entry, root=span.root)
            if parent is not None and trace is not parent:  # its parent's has been decided
                span.root = True
        except Exception as fault:
            faults.record("processor.on_start", fault)

    def lean_ended(self, span: Any, end_ns: int) -> None:
        """Take a lean span that has ended."""
        try:
            trace = span.local_trace
            if trace is not None:
                status = span._status
                size = span.estimated_bytes()
                if span.filled_in is not None:
                    size += _FILLED_IN_BYTES
                error = status is not UNSET and status.status_code is _ERROR
                self.engine.assembler.ended(trace, span, span._start_time, end_ns, error, size, span.root)
        except Exception as fault:
            faults.record("processor.on_end", fault)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """Note a span that the SDK itself has started, from a tracer that could not be adopted."""
        try:
            context: Any = span.get_span_context()
            if context.trace_flags & _SAMPLED:
                root = is_local_root(span.parent)
                trace = self.engine.assembler.started(context.trace_id, None, context.trace_state.get("ot"), root=root)
                key = context.trace_id, context.span_id
                gone = weakref.ref(span, functools.partial(self._gone, key, root))
                self._foreign[key] = trace, gone
        except Exception as fault:
            faults.record("processor.on_start", fault)

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that the SDK itself has ended."""
        try:
            context: Any = span.context
            found = self._foreign.pop((context.trace_id, context.span_id), None)
            if found is not None:
                trace, _ = found
                error = span.status.status_code is _ERROR
                root = is_local_root(span.parent)
                self.engine.assembler.ended(
                    trace, span, span.start_time or 0, span.end_time or 0, error, _READABLE_SPAN_BYTES, root
                )
        except Exception as fault:
            faults.record("processor.on_end", fault)

    def _gone(self, key: tuple[int, int], root: bool, gone: weakref.ref[Any]) -> None:  # noqa: FBT001
        """Forget a span that was never ended, or whose end another processor of the application's has withheld."""
        try:
            found = self._foreign.get(key)
            if found is not None and found[1] is gone:
                del self._foreign[key]
                self.engine.assembler.withheld(found[0], root=root)
        except Exception as fault:  # in the garbage collector
            faults.record("processor.gone", fault)

    def renew(self, engine: Engine) -> None:
        """Start over with another engine; in a forked child."""
        self.engine = engine
        self._foreign = {}

    def shutdown(self) -> None:
        """Decide what is pending and shut the exporters down."""
        self._close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what has been decided; traces that are still open stay open."""
        return self._flush(timeout_millis)
