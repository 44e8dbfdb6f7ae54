"""A span as it came: its bytes, and what nearly everything asks of a span, taken out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from otel_fe.collector.wire.messages import Events
from otel_fe.collector.wire.values import read_attributes
from otel_fe.model.span import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.collector.wire.attributes import WireAttributes
    from otel_fe.collector.wire.origins import WireResource, WireScope


class WireSpan:
    """A `SpanView` over an encoded span. `decode` makes it, and sets its fields."""

    __slots__ = (
        "attributes",
        "end_ns",
        "flags",
        "kind",
        "name",
        "parent_id",
        "resource",
        "scope",
        "span_id",
        "start_ns",
        "status",
        "trace_id",
        "trace_state",
    )

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
    trace_state: str
    """As on the wire."""
    flags: int
    attributes: WireAttributes
    resource: WireResource
    scope: WireScope

    @property
    def raw(self) -> bytes:
        """The span, byte for byte as it came."""
        return self.attributes.raw

    @property
    def events(self) -> Sequence[Event]:
        """Its events, in order, decoded anew; none where they cannot be read."""
        try:
            events = Events.FromString(self.raw).events
        except DecodeError:
            return ()
        return [
            Event(event.name.decode("utf-8", "replace"), event.time_unix_nano, read_attributes(event.attributes))
            for event in events
        ]

    def __repr__(self) -> str:
        return f"WireSpan({self.name!r}, trace_id={self.trace_id:032x}, span_id={self.span_id:016x})"
