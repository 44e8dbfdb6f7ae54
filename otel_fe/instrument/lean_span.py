"""A span of the SDK that costs a third of one until somebody wants it whole.

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
from opentelemetry.trace import Status, StatusCode

from otel_fe.instrument.processor import PipelineProcessor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, SynchronousMultiSpanProcessor
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, SpanKind

_PLAIN: Final = frozenset((str, bool, int, float))
"""Values that need no cleaning: the SDK would store them as they are."""

_UNSET: Final = Status(StatusCode.UNSET)
_SPAN_BYTES: Final = 700
"""What a lean span and its context take, attributes aside (measured by `make bench`, memory)."""
_ATTRIBUTE_BYTES: Final = 64
_EVENT_BYTES: Final = 400
_TAKEN_TEXT_BYTES: Final = 200
"""Names of a feature set, function, pool: estimated, since they are shared by all extractions anyway."""


class LeanSpan(Span):
    """A recording span, cheap while nobody looks."""

    # Defaults on the class: an instance holds only what differs.
    _status = _UNSET
    _end_time = None
    _start_time = None
    _sampler = None
    _trace_config = None
    _instrumentation_info = None
    _record_end_metrics = None
    _record_exception = True
    _set_status_on_exception = True
    _events: Any = ()
    _links: Any = ()
    _text_bytes = 0
    _attributes: Any

    def __init__(  # deliberately not calling the SDK's, which makes everything at once
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        resource: Resource,
        scope: InstrumentationScope,
        processor: SynchronousMultiSpanProcessor,
        limits: SpanLimits,
    ) -> None:
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._resource = resource
        self._instrumentation_scope = scope
        self._span_processor: Any = processor
        self._limits = limits
        self._attributes = {}
        # Of its own, and reentrant: the garbage collector may end another span, or this one, on this thread.
        self._lock = RLock()

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the span: what the pipeline's byte bound counts."""
        size = _SPAN_BYTES + _ATTRIBUTE_BYTES * len(self._attributes) + self._text_bytes
        return size + _EVENT_BYTES * len(self._events) if self._events else size

    # --- attributes: a plain dict until a value or a limit needs more --------------------------------------------

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute; see the SDK's."""
        if self._end_time is not None:
            logger.warning("Setting attribute on ended span.")
            return
        attributes = self._attributes
        kind = type(value)
        limits = self._limits
        if (
            kind in _PLAIN
            and type(attributes) is dict
            and key
            and type(key) is str
            and (limits.max_span_attributes is None or len(attributes) < limits.max_span_attributes)
            and (kind is not str or limits.max_span_attribute_length is None)
        ):
            if kind is str:
                self._text_bytes += len(value)
            if key in attributes:
                del attributes[key]  # as the SDK does, so that the oldest is the one set longest ago
            attributes[key] = value
            return
        self._set_bounded(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes; see the SDK's."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def take_over(self, attributes: dict[str, Any]) -> bool:
        """Take a dictionary of clean attributes as the span's own, if it has none yet and no limit could apply.

        The caller vouches for the values: plain ones, and tuples of plain ones. Returns whether it did.
        """
        limits = self._limits
        if (
            self._attributes
            or self._end_time is not None
            or limits.max_span_attribute_length is not None
            or (limits.max_span_attributes is not None and len(attributes) > limits.max_span_attributes)
        ):
            return False
        self._attributes = attributes
        self._text_bytes = _TAKEN_TEXT_BYTES
        return True

    def _set_bounded(self, key: str, value: Any) -> None:
        with self._lock:
            bounded = self._attributes
            if type(bounded) is dict:
                limits = self._limits
                bounded = BoundedAttributes(
                    limits.max_span_attributes,
                    bounded,
                    immutable=False,
                    max_value_len=limits.max_span_attribute_length,
                )
                self._attributes = bounded
            bounded[key] = value
        self._text_bytes += _length_of(value)

    # --- events and links: the SDK's own lists, made when first needed --------------------------------------------------

    def _add_event(self, event: Any) -> None:
        with self._lock:
            if type(self._events) is tuple:
                self._events = self._new_events()
        self._text_bytes += sum(_length_of(value) for value in (event.attributes or {}).values())
        super()._add_event(event)

    def _add_link(self, link: Any) -> None:
        with self._lock:
            if type(self._links) is tuple:
                self._links = self._new_links(())
        super()._add_link(link)

    def start_with(self, links: Sequence[Link] | None, attributes: Mapping[str, Any] | None) -> None:
        """Take over the links and attributes that the span was started with."""
        if attributes:
            for key, value in attributes.items():
                self.set_attribute(key, value)
        if links:
            self._links = self._new_links(links)

    # --- the end ---------------------------------------------------------------------------------------------------

    def end(self, end_time: int | None = None) -> None:
        """End the span; see the SDK's. Of two threads that end it at once, one does."""
        with self._lock:
            if self._end_time is not None:
                ended = True
            else:
                ended = False
                self._end_time = end_time if end_time is not None else time_ns()
        if ended:
            logger.warning("Calling end() on an ended span.")
            return
        attributes = self._attributes
        if type(attributes) is not dict:
            attributes._immutable = True
        active = self._span_processor
        processors = active._span_processors
        if len(processors) == 1 and type(processors[0]) is PipelineProcessor:
            processors[0].lean_ended(self)  # nobody else looks: no copy
        else:
            active._on_ending(self)
            active.on_end(self._readable_span())


def _length_of(value: Any) -> int:
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, (list, tuple)):
        return sum(_length_of(item) for item in value) + 8 * len(value)
    return 8
