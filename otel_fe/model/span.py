"""A span as the pipeline sees it: the fields that policies and dimensions may read, independent of its representation.

`Span` is the plain, complete form: what recorded traffic is read into, and what tests are written with. The process and the
collector hand in forms of their own that answer the same questions (`SpanView`) without holding all the answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

Value = str | bool | int | float | bytes | Sequence["Value"] | Mapping[str, "Value"] | None
"""An attribute's value: OTLP's AnyValue. None where it is empty."""
Attributes = Mapping[str, Value]

UNSET: Final = 0
OK: Final = 1
ERROR: Final = 2
"""Status codes, as OTLP numbers them."""

UNSPECIFIED: Final = 0
INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3
PRODUCER: Final = 4
CONSUMER: Final = 5
"""Kinds, as OTLP numbers them."""
OUTGOING_KINDS: Final = frozenset({CLIENT, PRODUCER})
"""Kinds of spans that call another service: a request to it, or a message for it."""

FLAG_SAMPLED: Final = 1
"""The bit of `flags` that is set if the span was sampled at its source."""


class ResourceView(Protocol):
    """The source of a span. All spans of one source share the object, so that sources compare by identity."""

    @property
    def attributes(self) -> Attributes:
        """Its attributes."""
        ...


class ScopeView(Protocol):
    """The instrumentation scope that made a span."""

    @property
    def name(self) -> str:
        """The name of the library; may be empty."""
        ...

    @property
    def version(self) -> str:
        """Its version; may be empty."""
        ...

    @property
    def attributes(self) -> Attributes:
        """Its attributes."""
        ...


class EventView(Protocol):
    """An event of a span."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def time_ns(self) -> int:
        """Unix time."""
        ...

    @property
    def attributes(self) -> Attributes:
        """Its attributes."""
        ...


class SpanView(Protocol):
    """The interface of an ended span towards the pipeline."""

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

    @property
    def attributes(self) -> Attributes:
        """Its attributes."""
        ...

    @property
    def status_message(self) -> str:
        """The message of its status."""
        ...

    @property
    def dropped_attributes_count(self) -> int:
        """The number of attributes dropped by the SDK that made it."""
        ...

    @property
    def dropped_events_count(self) -> int:
        """The number of events."""
        ...

    @property
    def dropped_links_count(self) -> int:
        """The number of links."""
        ...

    @property
    def events(self) -> Sequence[EventView]:
        """Its events, in order."""
        ...

    @property
    def resource(self) -> ResourceView:
        """Its resource."""
        ...

    @property
    def scope(self) -> ScopeView:
        """Its instrumentation scope."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """The instrumentation scope of a span."""

    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The instrumentation scope that made a span."""

    name: str = ""
    version: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a span."""

    name: str = ""
    time_ns: int = 0
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A link from a span to another."""

    trace_id: int = 0
    span_id: int = 0
    trace_state: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Span:
    """A span, complete."""

    trace_id: int
    span_id: int
    parent_id: int = 0
    name: str = ""
    kind: int = INTERNAL
    start_ns: int = 0
    end_ns: int = 0
    status: int = UNSET
    status_message: str = ""
    trace_state: str = ""
    flags: int = 0
    attributes: Attributes = field(default_factory=dict)
    events: Sequence[Event] = ()
    links: Sequence[Link] = ()
    resource: Resource = field(default_factory=Resource)
    scope: Scope = field(default_factory=Scope)
    dropped_attributes_count: int = 0
    dropped_events_count: int = 0
    dropped_links_count: int = 0

    @property
    def duration_ns(self) -> int:
        """From start to end; 0 where the clock went backwards."""
        return max(0, self.end_ns - self.start_ns)
