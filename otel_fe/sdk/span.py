"""A span of the SDK that costs a third of one until its full form is needed.

Most spans are dropped, so what only an exported span needs is made on demand: the lock, the bounded attributes, the lists
of events and links. A `LeanSpan` is a `opentelemetry.sdk.trace.Span` in every respect that a caller or a processor can
observe; whatever goes beyond plain attributes (a sequence, a limit reached, a link) is done by the SDK's own code.
"""

from __future__ import annotations

from _thread import RLock
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Span, logger
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import SpanContext, TraceFlags

from otel_fe import compiled, faults
from otel_fe.sdk.processor import UNSET, PipelineProcessor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link, SpanKind, TraceState

    from otel_fe.compiled.local_protocols import SpanFields
    from otel_fe.pipeline.trace import LocalTrace

_PLAIN: Final = frozenset((str, bool, int, float))
"""Values that need no cleaning: the SDK would store them as they are."""

_SPAN_BYTES: Final = 500
"""Bytes of a lean span and its context, attributes aside (measured by `make bench`, memory)."""
_ATTRIBUTE_BYTES: Final = 64
_EVENT_BYTES: Final = 400
_SHORT_TEXT: Final = 64
"""Characters of a value that the estimate for an attribute covers."""


class PlainCore:
    """The fields of a span, and the methods that are called on every one. `compiled/local_spans.pyx` has its compiled twin."""

    # Defaults on the class: an instance holds only what differs.
    _status: Any = UNSET
    _end_time: int | None = None
    _start_time: int | None = None
    _record_exception = True
    _set_status_on_exception = True
    _events: Any = ()
    _links: Any = ()
    text_bytes = 0
    """Bytes of long texts and of events, which the estimate for a span does not cover."""
    _name: str
    _kind: SpanKind
    _attributes: Any
    """A plain dict until a value or a limit needs more."""
    _made_context: SpanContext | None = None
    _made_lock: Any = None
    filled_in: Callable[[], dict[str, Any]] | None = None
    """Returns attributes that are only computed if the span is read; set right before its end."""
    local_trace: LocalTrace | None = None
    """The trace it belongs to in the pipeline; None where it was not sampled upstream."""

    tracer: Any
    trace_id: int
    span_id: int
    flags: int
    state: TraceState
    parent_span: Any
    """The parent's span in this process, or its context, or None."""
    root: bool
    """Whether its parent is in another process."""

    @property
    def name(self) -> str:
        """Return its name."""
        return self._name

    def is_recording(self) -> bool:
        """Return whether it has not ended."""
        return self._end_time is None

    @property
    def _lock(self) -> Any:
        """A lock for what is rare: events, links, status. Reentrant: the garbage collector may end a span at any time."""
        lock = self._made_lock
        if lock is None:
            own: Any = self.__dict__
            lock = own.setdefault("_made_lock", RLock())
        return lock

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute; see the SDK's."""
        attributes = self._attributes
        if (
            type(value) in _PLAIN
            and type(attributes) is dict
            and type(key) is str
            and self._end_time is None
            and len(attributes) < self.tracer.plain_attributes
            and key
            and key not in attributes
        ):
            if type(value) is str and len(value) > _SHORT_TEXT:
                self.text_bytes += len(value)
            attributes[key] = value
        else:
            self._set_otherwise(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes; see the SDK's."""
        self._set_several(attributes)

    def _set_otherwise(self, key: str, value: Any) -> None:
        raise NotImplementedError

    def _set_several(self, attributes: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _seal(self) -> None:
        raise NotImplementedError

    def _end_seen(self, processors: tuple[Any, ...]) -> None:
        raise NotImplementedError

    def estimated_bytes(self) -> int:
        """Return an estimate of the span's memory."""
        return _SPAN_BYTES + _ATTRIBUTE_BYTES * len(self._attributes) + self.text_bytes

    def end(self, end_time: int | None = None) -> None:
        """End the span; see the SDK's. If two threads end it at once, one of them succeeds."""
        end_ns = time_ns() if end_time is None else end_time
        # One operation of the interpreter: the first thread to perform it has ended the span.
        fields: Any = self.__dict__
        if fields.setdefault("_ended_by", mark := [end_ns]) is not mark:
            logger.warning("Calling end() on an ended span.")
            return
        self._end_time = end_ns
        if type(self._attributes) is not dict:
            self._seal()
        tracer = self.tracer
        processors = tracer.span_processor._span_processors
        pipeline = tracer.only_pipeline if processors is tracer.looked_at else tracer.look_at(processors)
        if pipeline is not None:
            pipeline.lean_ended(self, end_ns)  # no other processor: no copy
        else:
            self._end_seen(processors)


if TYPE_CHECKING:  # mypy does not accept a conditional base class
    _Core = PlainCore
    _follows: type[SpanFields] = PlainCore
else:
    _Core = PlainCore if compiled.backend is None else compiled.backend.SpanCore


class LeanSpan(_Core, Span):  # type: ignore[override]
    """A recording span that builds its expensive parts on first access. Made by `LeanTracer.start_span`, field by field.

    What it shares with all spans of its tracer (resource, scope, limits, processors) it reads from its tracer; its
    `SpanContext` and that of its parent are made on first access.
    """

    _sampler = None
    _trace_config = None
    _record_end_metrics = None

    @property
    def _context(self) -> SpanContext:  # type: ignore[override]
        context = self._made_context
        if context is None:
            context = self._made_context = SpanContext(
                self.trace_id,
                self.span_id,
                False,
                TraceFlags(self.flags),
                self.state,  # noqa: FBT003
            )
        return context

    @property
    def context(self) -> SpanContext:
        """Return the span's context."""
        return self._context

    def get_span_context(self) -> SpanContext:
        """Return the span's context."""
        return self._context

    @property
    def _parent(self) -> SpanContext | None:  # type: ignore[override]
        parent = self.parent_span
        return parent.get_span_context() if isinstance(parent, ApiSpan) else parent

    @property
    def _resource(self) -> Any:  # type: ignore[override]
        return self.tracer.resource

    @property
    def _instrumentation_scope(self) -> Any:  # type: ignore[override]
        return self.tracer._instrumentation_scope

    @property
    def _instrumentation_info(self) -> Any:  # type: ignore[override]
        return self.tracer.instrumentation_info

    @property
    def _span_processor(self) -> Any:  # type: ignore[override]
        return self.tracer.span_processor

    @property
    def _limits(self) -> Any:
        return self.tracer._span_limits

    # --- attributes: a plain dict until a value or a limit needs more --------------------------------------------

    def _set_otherwise(self, key: str, value: Any) -> None:
        if self._end_time is not None:
            logger.warning("Setting attribute on ended span.")
        else:
            self._store(key, value)

    def _set_several(self, attributes: Mapping[str, Any]) -> None:
        if self._end_time is not None:
            logger.warning("Setting attribute on ended span.")
        elif all(type(key) is str and key for key in attributes):
            for key, value in attributes.items():
                self.set_attribute(key, value)
        else:  # the SDK makes strings of the keys of a mapping, and drops those of single attributes
            self._bounded()._set_items(attributes)

    def _store(self, key: str, value: Any) -> None:
        """Set an attribute that has been set before, is no plain value, or reaches a limit, as the SDK does."""
        attributes = self._attributes
        plain = type(attributes) is dict and type(value) in _PLAIN
        # The SDK removes it first too, so that the oldest is the one set longest ago.
        if plain and attributes.pop(key, None) is not None and len(attributes) < self.tracer.plain_attributes:
            attributes[key] = value
            return
        self._set_bounded(key, value)

    def _fill_in(self) -> None:
        attributes = self.filled_in
        if attributes is None:
            return
        self.filled_in = None
        if type(self._attributes) is not dict:
            self._attributes._immutable = False
        try:
            for key, value in attributes().items():
                self._store(key, value)
        except Exception as fault:
            faults.record("span.attributes", fault)
        self._seal()

    def _seal(self) -> None:
        if type(self._attributes) is not dict:
            self._attributes._immutable = True

    @property
    def attributes(self) -> Any:
        """Return the span's attributes: read only, and live until the end, as the SDK's."""
        self._fill_in()
        if self._end_time is None and self._attributes:
            self._bounded()
        return super().attributes

    def _readable_span(self) -> ReadableSpan:
        self._fill_in()
        return super()._readable_span()

    def _bounded(self) -> Any:
        """Return the attributes in the SDK's own dictionary, from now on."""
        with self._lock:
            bounded = self._attributes
            if type(bounded) is dict:
                limits = self._limits
                bounded = self._attributes = BoundedAttributes(
                    limits.max_span_attributes,
                    bounded,
                    immutable=False,
                    max_value_len=limits.max_span_attribute_length,
                )
            return bounded

    def _set_bounded(self, key: str, value: Any) -> None:
        self._bounded()[key] = value
        self.text_bytes += _length_of(value)

    # --- events and links: the SDK's own lists, made when first needed --------------------------------------------------

    def _add_event(self, event: Any) -> None:
        with self._lock:
            if type(self._events) is tuple:
                self._events = self._new_events()  # type: ignore[no-untyped-call]
        self.text_bytes += _EVENT_BYTES + sum(_length_of(value) for value in (event.attributes or {}).values())
        super()._add_event(event)

    def _add_link(self, link: Any) -> None:
        with self._lock:
            if type(self._links) is tuple:
                self._links = self._new_links(())
        super()._add_link(link)

    def start_with(
        self,
        links: Sequence[Link] | None,
        attributes: Mapping[str, Any] | None,
        record_exception: bool,  # noqa: FBT001 the API's order
        set_status_on_exception: bool,  # noqa: FBT001
    ) -> None:
        """Take over what the span was started with, beyond what all spans have."""
        self._record_exception = record_exception
        self._set_status_on_exception = set_status_on_exception
        if attributes:
            self.set_attributes(attributes)
        if links:
            self._links = self._new_links(links)

    # --- the end ---------------------------------------------------------------------------------------------------

    def _end_seen(self, processors: tuple[Any, ...]) -> None:
        """End with other processors, which get the copy that the SDK would give them."""
        for processor in processors:
            processor._on_ending(self)
        readable = self._readable_span()
        for processor in processors:
            if type(processor) is PipelineProcessor:
                processor.lean_ended(self, self._end_time or 0)
            else:
                processor.on_end(readable)


if compiled.backend is not None:
    compiled.backend.use_spans(LeanSpan, UNSET, logger, _SPAN_BYTES, _ATTRIBUTE_BYTES, _SHORT_TEXT)


def _length_of(value: Any) -> int:
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, (list, tuple)):
        return sum(_length_of(item) for item in value) + 8 * len(value)
    return 8
