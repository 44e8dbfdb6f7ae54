"""Calls of a feature library: the outermost is an extraction, those inside it are its child spans.

Inside means: in the OpenTelemetry context of an extraction that is running, of a library's or of the application's own, or in
a worker that such a call has started. What a library's object calls on itself on the way (`fit_transform` its own
`transform`) is no call of its own.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from otel_fe import faults, semconv
from otel_fe.instrument import runtime
from otel_fe.instrument.extraction import begin, current_extraction
from otel_fe.instrument.spec import Spec
from otel_fe.sdk.context import SPAN_KEY, get_context, reset_context, set_context
from otel_fe.sdk.exceptions import error_type_of, record_exception
from otel_fe.sdk.plain_values import whole

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.trace import Span

    from otel_fe.instrument.extraction import Extraction
    from otel_fe.instrument.libraries.kind import Arguments, CallKind, Counts, Named
    from otel_fe.instrument.runtime import Runtime

_INTERNAL: Final = SpanKind.INTERNAL
_spec: Final = functools.lru_cache(maxsize=1_024)(Spec)
"""One value for all calls of the same name."""


class LibraryCall:
    """A call that is running, or has ended. Its creator ends it, in the same context.

    Args:
        kind: The description of its method.
        function: Its qualified name.
        args: Its arguments; the first is its subject where `subject` says so.
        kwargs: Likewise.
        subject: The object that it is a method of; None for a function.
        now: Whether its span starts at once, or with the first call inside it.
    """

    __slots__ = (
        *("ended", "function", "kind", "now", "started", "subject"),
        *("_args", "_context", "_counts", "_extraction", "_kwargs", "_outer", "_runtime", "_span", "_token"),
    )

    def __init__(
        self,
        kind: CallKind,
        function: str,
        args: Arguments,
        kwargs: Named,
        subject: Any = None,
        *,
        now: bool = True,
    ) -> None:
        self.kind = kind
        self.function = function
        self.subject = subject
        self.now = now
        self.started = self.ended = False
        self._token: Token[LibraryCall | None] | None = None
        self._counts: Counts = (None, None)
        self._args, self._kwargs = args, kwargs
        self._outer: LibraryCall | None = None
        self._extraction: Extraction | None = None
        self._span: Span | None = None
        self._context: Token[Context] | None = None
        self._runtime: Runtime | None = None

    def enter(self, outer: LibraryCall | None) -> None:
        """Make it the innermost call, without a span yet."""
        self._outer = outer
        self._token = innermost.set(self)

    def start(self) -> None:
        """Start its span: an extraction's, or a child span where an extraction is running here or where we were started."""
        current, kind = runtime.current, self.kind
        if current is None or self.started:
            return
        self.started = True
        args, kwargs = self._args, self._kwargs
        if self._outer is None and current_extraction() is None:
            self._extraction = begin(_spec(kind.feature_set(args, kwargs), kind.library, self.function))
            return
        outer = None if self._outer is None else self._outer.subject
        name = kind.feature_set(args, kwargs) if kind.step is None else kind.step(args, kwargs, outer)
        self._runtime = current
        context = get_context()
        span = current.tracer.start_span(name or self.function, context, _INTERNAL)
        self._span = span
        span.set_attribute(semconv.CODE_FUNCTION_NAME, self.function)
        self._context = set_context(Context({**context, SPAN_KEY: span}))

    @property
    def extraction(self) -> Extraction | None:
        """The extraction that it is; None where it is a child span, or has not started."""
        return self._extraction

    def end(self, error: BaseException | None, result: Any = None) -> None:
        """End it, failed by `error` or with `result`. Never raises; a second call has no effect."""
        if self.ended:
            return
        self.ended = True
        try:
            if self._token is not None:
                innermost.reset(self._token)
            outer, self._outer = self._outer, None
            if self.started:
                entities, features = map(whole, self.kind.counts(self._args, self._kwargs, result))
                self._counts = entities, features if self.now else self._counts[1]
                if outer is not None and not outer.now:
                    outer._counts = self._counts
            self._args, self._kwargs = (), {}
        except Exception as fault:
            faults.record("library.describe", fault)
        if self._extraction is not None:
            self._extraction.batch_size, self._extraction.features = self._counts
            self._extraction.finish(error)
        elif self._span is not None:
            self._end_span(self._span, error)

    def _end_span(self, span: Span, error: BaseException | None) -> None:
        """Whatever fails on the way, the context is left and the span ended."""
        try:
            try:
                self._tell(span, error)
            finally:
                try:
                    if self._context is not None:
                        reset_context(self._context)
                finally:
                    span.end()
        except Exception as fault:
            faults.record("library.end", fault)

    def _tell(self, span: Span, error: BaseException | None) -> None:
        for name, count in zip((semconv.BATCH_SIZE, semconv.FEATURES), self._counts, strict=True):
            if count is not None:
                span.set_attribute(name, count)
        if isinstance(error, Exception) and self._runtime is not None:  # all others end a call, and are no error
            error_type = error_type_of(error)
            span.set_attribute(semconv.ERROR_TYPE, error_type)
            record_exception(span, error, error_type, with_message=self._runtime.exception_messages)


innermost: Final[ContextVar[LibraryCall | None]] = ContextVar("otel_fe-library-call", default=None)
"""The innermost call of a library that is running in this context, whether its span has been started or not."""
