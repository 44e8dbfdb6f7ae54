"""A tracer of the SDK that hands out lean spans.

An SDK tracer is adopted in place (its class is exchanged), so that libraries that hold it already are served as well.
Whatever is not the ordinary case is left to the SDK's own `start_span`: a disabled tracer, the SDK's own metrics.
"""

from __future__ import annotations

import functools
import inspect
import random
import sys
from contextlib import ContextDecorator
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor, Tracer
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, StaticSampler
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from otel_fe import compiled
from otel_fe.forks import after_fork
from otel_fe.sdk.context import SPAN_KEY, get_context, reset_context, set_context
from otel_fe.sdk.exceptions import error_type_of, message_of, record_exception
from otel_fe.sdk.processor import PipelineProcessor
from otel_fe.sdk.span import LeanSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Link, TraceState

    from otel_fe.compiled.local_protocols import SpanBlock
    from otel_fe.pipeline.trace import LocalTrace

_RANDOM: Final = TraceFlags.RANDOM_TRACE_ID
_KNOWN_FLAGS: Final = TraceFlags.SAMPLED | _RANDOM
"""Passed on from a remote parent; of others the W3C recommendation says to set them to zero."""
_new: Final = object.__new__


def _always_on(sampler: Sampler) -> bool:
    """Return whether the sampler samples every span whose parent, if any, is sampled: then it need not be called."""
    if sampler is ALWAYS_ON:
        return True
    return type(sampler) is ParentBased and all(
        type(part) is StaticSampler and part._decision.is_sampled()  # type: ignore[no-untyped-call]
        for part in (sampler._root, sampler._remote_parent_sampled, sampler._local_parent_sampled)
    )


def plain_start_span(
    self: Any,
    name: str,
    context: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Any = None,
    links: Sequence[Link] | None = (),
    start_time: int | None = None,
    record_exception: bool = True,  # noqa: FBT001, FBT002 the API's signature
    set_status_on_exception: bool = True,  # noqa: FBT001, FBT002
) -> Span:
    """Start a span; see the SDK's. `compiled/local_spans.pyx` has its compiled twin."""
    if not self._tracer_config.is_enabled or type(self._tracer_metrics) is not NoOpTracerMetrics:
        return self.start_otherwise(  # type: ignore[no-any-return]
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
    found = (get_context() if context is None else context).get(SPAN_KEY)
    parent: Any = None
    local: LocalTrace | None = None
    if type(found) is LeanSpan:
        parent, local = found, found.local_trace
        trace_id, flags, state = found.trace_id, found.flags, found.state
    elif found is not None and isinstance(found, Span) and (remote := found.get_span_context())[5]:
        parent = remote
        trace_id, flags, state = remote[0], remote[3] & _KNOWN_FLAGS, remote[4]
    else:
        trace_id, flags, state = self._new_trace_id(), self._root_flags, DEFAULT_TRACE_STATE
    if not (flags & 1 and self.sampler is self._lean_sampler and self._lean_always_on):
        flags, state, attributes, records = self._sampled(flags, context, trace_id, name, kind, attributes, links)
        if not records:
            return self.not_recording(trace_id, self._new_span_id(), flags, state)  # type: ignore[no-any-return]
    # Not through the constructors: the SDK's make at once what few spans need.
    span: Any = _new(LeanSpan)
    span._name = name
    span.tracer = self
    span.trace_id = trace_id
    span.span_id = self._new_span_id()
    span.flags = flags
    span.state = state
    span.parent_span = parent
    span.root = parent is None or (type(parent) is SpanContext and parent[2])
    span._kind = kind
    span._attributes = {}
    if attributes or links or not (record_exception and set_status_on_exception):
        span.start_with(links, attributes, record_exception, set_status_on_exception)
    span._start_time = time_ns() if start_time is None else start_time
    processors = self.span_processor._span_processors
    pipeline = self.only_pipeline if processors is self.looked_at else self.look_at(processors)
    if pipeline is None:
        self._show(processors, span, context, local)
    elif flags & 1:
        if local is not None and local.started(False):  # noqa: FBT003
            # `Assembler.started`, for a span whose parent is of an open trace of this process: most are.
            span.local_trace = local
        else:
            pipeline.lean_started(span, local)
    return span  # type: ignore[no-any-return]


def plain_start_as_current_span(
    self: Any,
    name: str,
    context: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Any = None,
    links: Sequence[Link] | None = (),
    start_time: int | None = None,
    record_exception: bool = True,  # noqa: FBT001, FBT002
    set_status_on_exception: bool = True,  # noqa: FBT001, FBT002
    end_on_exit: bool = True,  # noqa: FBT001, FBT002
) -> CurrentSpan:
    """Return what starts a span on entry and makes it the current one; also a decorator, as the SDK's."""
    arguments = (name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception)
    return CurrentSpan(self, arguments, end_on_exit)


class LeanTracer(Tracer):
    """An adopted tracer; made by `adopt`, never by its constructor."""

    _lean_sampler: Sampler | None = None
    _lean_always_on = False
    _new_trace_id: Callable[[], int]
    _new_span_id: Callable[[], int]
    _root_flags: int
    plain_attributes: int
    """The number of attributes that a span may take unchecked; 0 if each value's length is limited."""
    only_pipeline: PipelineProcessor | None = None
    """The pipeline, if no other processor receives spans; of the processors in `looked_at`."""
    looked_at: Any = None

    if TYPE_CHECKING or compiled.backend is None:
        start_span = plain_start_span
        start_as_current_span = plain_start_as_current_span  # type: ignore[assignment]
    else:
        start_span, start_as_current_span = compiled.backend.methods(SpanKind.INTERNAL)

    def start_otherwise(self, *arguments: Any) -> Span:
        """Start a span as the SDK does: the tracer is disabled, or the SDK's own metrics count its spans."""
        return super().start_span(*arguments)

    def not_recording(self, trace_id: int, span_id: int, flags: int, state: TraceState) -> Span:
        """Return the span of a sampler's no."""
        return NonRecordingSpan(
            SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(flags), trace_state=state)
        )

    def look_at(self, processors: tuple[Any, ...]) -> PipelineProcessor | None:
        """Find the processors that read spans; repeated when the processors change."""
        only = processors[0] if len(processors) == 1 and type(processors[0]) is PipelineProcessor else None
        self.looked_at, self.only_pipeline = processors, only
        return only

    def _show(self, processors: tuple[Any, ...], span: Any, context: Context | None, local: LocalTrace | None) -> None:
        """Notify every processor of a started span."""
        for processor in processors:
            if type(processor) is PipelineProcessor:
                if span.flags & 1:
                    processor.lean_started(span, local)
            else:
                processor.on_start(span, parent_context=context)  # by name, as the SDK does

    def _sampled(self, flags: int, *span: Any) -> tuple[int, TraceState, Any, bool]:
        """Call the sampler; where it has changed, find out whether it needs to be called at all.

        Returns the span's flags, its tracestate, its attributes, and whether it records.
        """
        if self.sampler is not self._lean_sampler:
            self._lean_sampler, self._lean_always_on = self.sampler, _always_on(self.sampler)
        sampler: Any = self.sampler
        result = sampler.should_sample(*span[:-1], span[-1] or ())
        state = DEFAULT_TRACE_STATE if result.trace_state is None else result.trace_state
        decision: Any = result.decision
        return (flags & _RANDOM) | decision.is_sampled(), state, result.attributes, decision.is_recording()

    def _adopt(self) -> None:
        """Prepare the ids: the SDK's default generator draws from the application's `random`, ours do not."""
        ids = self.id_generator
        if type(ids) is RandomIdGenerator:
            self._new_trace_id, self._new_span_id = _random_trace_id, _random_span_id
        else:
            self._new_trace_id, self._new_span_id = ids.generate_trace_id, ids.generate_span_id
        limits = self._span_limits
        most = limits.max_span_attributes
        unlimited = limits.max_span_attribute_length is None
        self.plain_attributes = (sys.maxsize if most is None else most) if unlimited else 0
        self._root_flags = 1 | (_RANDOM if ids.is_trace_id_random() else 0)


_ids: Final = random.Random()
"""A generator of otel_fe's own, so that an application that seeds `random` gets the same numbers as without us."""


def _random_trace_id() -> int:
    return _ids.getrandbits(128) or 1


def _random_span_id() -> int:
    return _ids.getrandbits(64) or 1


after_fork(_ids.seed)


def _record(span: Span, error: Exception) -> None:
    try:
        span.record_exception(error)
    except Exception:  # noqa: BLE001 the SDK asks the exception for its text, and an application's may raise
        record_exception(span, error, error_type_of(error), with_message=True)


class PlainCurrent:
    """A span that lasts for a block. `compiled/local_spans.pyx` has its compiled twin."""

    __slots__ = ("_arguments", "_end_on_exit", "_span", "_token", "_tracer")

    def __init__(self, tracer: Tracer, arguments: tuple[Any, ...], end_on_exit: bool) -> None:  # noqa: FBT001
        self._tracer = tracer
        self._arguments = arguments
        self._end_on_exit = end_on_exit
        self._span: Span | None = None
        self._token: Token[Context] | None = None

    def __enter__(self) -> Span:
        span = self._span = self._tracer.start_span(*self._arguments)
        self._token = set_context(Context({**get_context(), SPAN_KEY: span}))
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        span, token = self._span, self._token
        if token is not None:
            try:
                reset_context(token)
            except ValueError:
                self._left_elsewhere(token)
        if span is None:
            return
        try:
            if error is not None:
                self._failed(span, error)
        finally:
            if self._end_on_exit:
                span.end()

    def _left_elsewhere(self, token: Token[Context]) -> None:
        raise NotImplementedError

    def _failed(self, span: Span, error: BaseException) -> None:
        raise NotImplementedError


if TYPE_CHECKING:  # a class that is chosen cannot be the base of another
    _Current = PlainCurrent
    _follows: type[SpanBlock] = PlainCurrent
else:
    _Current = PlainCurrent if compiled.backend is None else compiled.backend.CurrentCore


class CurrentSpan(_Current, ContextDecorator):
    """A span that lasts for a block. The SDK's two nested generators do the same at four times the cost."""

    __slots__ = ()

    def _left_elsewhere(self, token: Token[Context]) -> None:
        otel_context.detach(token)  # the API's way to say that the context was left elsewhere than entered

    def _failed(self, span: Span, error: BaseException) -> None:
        # As `opentelemetry.trace.use_span`: only `Exception` is an error of the span.
        if isinstance(error, Exception) and span.is_recording():
            if self._arguments[6]:
                _record(span, error)
            if self._arguments[7]:
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {message_of(error)}"))

    def _recreate_cm(self) -> CurrentSpan:
        return CurrentSpan(self._tracer, self._arguments, self._end_on_exit)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:  # type: ignore[override]
        """Decorate a function or coroutine function: each call has a span of its own."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_coroutine(*args: Any, **kwargs: Any) -> Any:
                with self._recreate_cm():
                    return await function(*args, **kwargs)

            return traced_coroutine

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return function(*args, **kwargs)

        return traced


if compiled.backend is not None:
    compiled.backend.use_tracers(
        LeanTracer,
        CurrentSpan,
        (Context, Span, SpanContext, NoOpTracerMetrics, DEFAULT_TRACE_STATE),
        (get_context, set_context, reset_context),
        SPAN_KEY,
        (_random_trace_id, _random_span_id, _ids.getrandbits),
        _KNOWN_FLAGS,
    )


def adopt(tracer: Tracer) -> None:
    """Make an SDK tracer hand out lean spans.

    A subclass of the SDK's is left alone, and so is one whose spans go to their processors by way of an application's own
    `active_span_processor`, which may withhold some: lean spans go to each processor directly.
    """
    if type(tracer) is Tracer and type(tracer.span_processor) is SynchronousMultiSpanProcessor:
        lean: Any = tracer
        lean.__class__ = LeanTracer
        lean._adopt()


def release(tracer: Tracer) -> None:
    """Make an adopted tracer an SDK tracer again; spans that are open end as they would have."""
    if type(tracer) is LeanTracer:
        lean: Any = tracer
        lean.__class__ = Tracer
