"""Views of this process's spans for policies and dimensions: of lean spans and of the SDK's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.model.span import Event, Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.span import Attributes

_NO_ATTRIBUTES: Final[dict[str, Any]] = {}
_MOST_KNOWN: Final = 1_000


class SpanViews:
    """Makes the views. Each resource and scope has one object, so that they compare by identity."""

    def __init__(self) -> None:
        self._resources: dict[int, tuple[object, Resource]] = {}
        self._scopes: dict[int, tuple[object, Scope]] = {}

    def __call__(self, span: Any) -> ProcessSpan:
        """Return the view of a span that has ended."""
        return ProcessSpan(span, self)

    def resource(self, held: Any) -> Resource:
        """Return the resource's view."""
        found = self._resources.get(id(held))
        if found is None or found[0] is not held:
            _forget(self._resources)
            found = self._resources[id(held)] = held, Resource(dict(held.attributes))
        return found[1]

    def scope(self, held: Any) -> Scope:
        """Return the scope's view."""
        found = self._scopes.get(id(held))
        if found is None or found[0] is not held:
            _forget(self._scopes)
            attributes = dict(held.attributes or _NO_ATTRIBUTES)
            found = self._scopes[id(held)] = held, Scope(held.name or "", held.version or "", attributes)
        return found[1]


def _forget(known: dict[int, Any]) -> None:
    if len(known) >= _MOST_KNOWN:
        known.clear()


class ProcessSpan:
    """A span of this process; rarely used parts are created on access."""

    __slots__ = (
        *("_span", "_views", "end_ns", "flags", "kind", "name", "parent_id", "span_id", "start_ns"),
        *("status", "trace_id", "trace_state"),
    )

    dropped_attributes_count = dropped_events_count = dropped_links_count = 0

    def __init__(self, span: Any, views: SpanViews) -> None:
        self._span = span
        self._views = views
        context = span.context
        parent = span.parent
        self.trace_id: int = context.trace_id
        self.span_id: int = context.span_id
        self.parent_id: int = 0 if parent is None else parent.span_id
        self.name: str = span.name
        self.kind: int = span.kind.value + 1
        self.start_ns: int = span.start_time or 0
        self.end_ns: int = span.end_time or 0
        self.status: int = span.status.status_code.value
        self.trace_state: str = context.trace_state.to_header() if context.trace_state else ""
        self.flags: int = int(context.trace_flags)

    @property
    def attributes(self) -> Attributes:
        """Its attributes."""
        found: Attributes = self._span.attributes or _NO_ATTRIBUTES
        return found

    @property
    def status_message(self) -> str:
        """The description of its status."""
        return self._span.status.description or ""

    @property
    def events(self) -> Sequence[Event]:
        """Its events, in order."""
        return [Event(e.name, e.timestamp, dict(e.attributes or _NO_ATTRIBUTES)) for e in self._span.events]

    @property
    def resource(self) -> Resource:
        """Its resource."""
        return self._views.resource(self._span.resource)

    @property
    def scope(self) -> Scope:
        """Its instrumentation scope."""
        return self._views.scope(self._span.instrumentation_scope)
