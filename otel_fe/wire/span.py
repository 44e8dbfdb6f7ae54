"""A received span: its bytes, and the fields that most code reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from otel_fe import compiled
from otel_fe.model.span import Event
from otel_fe.wire.attributes import WireAttributes
from otel_fe.wire.messages import Events, Rest
from otel_fe.wire.values import read_attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from otel_fe.compiled.trace_protocols import SpanHead
    from otel_fe.wire.resource_scope import WireResource, WireScope

_UINT32 = 2**32 - 1
"""Counts are unsigned on the wire; `messages` declares every 32-bit number as signed."""


class _Plain:
    """The fields, set by `decode` one by one."""

    __slots__ = (
        "attributes",
        "end_ns",
        "flags",
        "has_status",
        "kind",
        "name",
        "parent_id",
        "raw",
        "resource",
        "scope",
        "span_id",
        "start_ns",
        "status",
        "trace_id",
        "trace_state",
    )

    raw: bytes
    """The span, byte for byte as received."""
    trace_id: int
    span_id: int
    parent_id: int
    """0 for a root."""
    name: str
    kind: int
    start_ns: int
    """Unix time."""
    end_ns: int
    status: int
    has_status: bool
    """Whether there was one, even an empty one; only known if sizes are wanted."""
    trace_state: str
    """As on the wire."""
    flags: int
    attributes: WireAttributes
    resource: WireResource
    scope: WireScope

    def copied(self) -> Self:
        """Return one with the same fields."""
        copy = type(self)()
        for name in _Plain.__slots__:
            if hasattr(self, name):
                setattr(copy, name, getattr(self, name))
        return copy


if TYPE_CHECKING:  # a class that is chosen cannot be the base of another
    _Head = _Plain
    _follows: type[SpanHead] = _Plain
else:
    _Head = _Plain if compiled.backend is None else compiled.backend.Head


class WireSpan(_Head):
    """A `SpanView` over an encoded span. `decode` makes it, and sets its fields."""

    __slots__ = ()

    def make_attributes(self) -> WireAttributes:
        """Return its attributes, of which nothing has been parsed."""
        made = WireAttributes()
        made.raw, made.sought = self.raw, self.scope.sought
        made.head = made.pairs = None
        return made

    @property
    def events(self) -> Sequence[Event]:
        """Its events, in order, freshly decoded; none where they cannot be read."""
        try:
            events = Events.FromString(self.raw).events
        except DecodeError:
            return ()
        return [
            Event(event.name.decode("utf-8", "replace"), event.time_unix_nano, read_attributes(event.attributes))
            for event in events
        ]

    @property
    def status_message(self) -> str:
        """The message of its status."""
        message: bytes = self._rest().status.message
        return message.decode("utf-8", "replace")

    @property
    def dropped_attributes_count(self) -> int:
        """The number of attributes dropped by the SDK that made it."""
        return self._count("dropped_attributes_count")

    @property
    def dropped_events_count(self) -> int:
        """The number of events."""
        return self._count("dropped_events_count")

    @property
    def dropped_links_count(self) -> int:
        """The number of links."""
        return self._count("dropped_links_count")

    def _count(self, name: str) -> int:
        count: int = getattr(self._rest(), name)
        return count & _UINT32

    def _rest(self) -> Any:
        try:
            return Rest.FromString(self.raw)
        except DecodeError:  # a status that is none, say: the head holds its bytes unread
            return Rest()

    def __repr__(self) -> str:
        return f"WireSpan({self.name!r}, trace_id={self.trace_id:032x}, span_id={self.span_id:016x})"
