"""The paths of a condition, as functions of a span or of an event."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from otel_fe.pipeline.ottl.values import OttlEvaluationError, SpanEvents, SpanId, Time, TraceId, wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    Getter: TypeAlias = Callable[[Any], Any]

_KINDS: Final = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_KEY: Final = r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_MEMBER: Final = re.compile(rf"[ \t]*({_KEY})=([ -+\--<>-~]{{0,255}}[!-+\--<>-~])[ \t]*")
"""An entry of a tracestate, by W3C's grammar."""
_MOST_MEMBERS: Final = 32


def _carried(name: str) -> Getter:
    get = attrgetter(name)

    def carried(span: Any) -> Any:
        try:
            return get(span)
        except AttributeError:
            raise OttlEvaluationError(f"the span has come without its {name}") from None

    return carried


def _event_index(_event: object) -> object:
    raise OttlEvaluationError("tail_sampling does not count the events: event_index is not set")


KINDS: Final = {
    "kind.string": _KINDS,
    "kind.deprecated_string": tuple(f"SPAN_KIND_{kind.upper()}" for kind in _KINDS),
}
"""The names of kinds by their number, for each path that gives them; "" for any other kind."""


def _kind(path: str) -> Getter:
    names = KINDS[path]
    return lambda span: names[span.kind] if 0 <= span.kind < len(names) else ""


PATHS: Final[dict[str, dict[str, Getter]]] = {
    "span": {
        "trace_id": lambda span: TraceId(span.trace_id.to_bytes(16, "big")),
        "trace_id.string": lambda span: format(span.trace_id, "032x"),
        "span_id": lambda span: SpanId(span.span_id.to_bytes(8, "big")),
        "span_id.string": lambda span: format(span.span_id, "016x"),
        "parent_span_id": lambda span: SpanId(span.parent_id.to_bytes(8, "big")),
        "parent_span_id.string": lambda span: format(span.parent_id, "016x"),
        "trace_state": attrgetter("trace_state"),
        "name": attrgetter("name"),
        "kind": attrgetter("kind"),
        "kind.string": _kind("kind.string"),
        "kind.deprecated_string": _kind("kind.deprecated_string"),
        "start_time": lambda span: Time(wrap(span.start_ns)),
        "end_time": lambda span: Time(wrap(span.end_ns)),
        "start_time_unix_nano": lambda span: wrap(span.start_ns),
        "end_time_unix_nano": lambda span: wrap(span.end_ns),
        "attributes": attrgetter("attributes"),
        "dropped_attributes_count": _carried("dropped_attributes_count"),
        "events": lambda span: SpanEvents(span.events),
        "dropped_events_count": _carried("dropped_events_count"),
        "dropped_links_count": _carried("dropped_links_count"),
        "status.code": attrgetter("status"),
        "status.message": _carried("status_message"),
        "flags": attrgetter("flags"),
    },
    "spanevent": {
        "name": attrgetter("name"),
        "time": lambda event: Time(wrap(event.time_ns)),
        "time_unix_nano": lambda event: wrap(event.time_ns),
        "attributes": attrgetter("attributes"),
        "event_index": _event_index,
    },
    "resource": {"attributes": attrgetter("resource.attributes")},
    "scope": {
        "name": attrgetter("scope.name"),
        "version": attrgetter("scope.version"),
        "attributes": attrgetter("scope.attributes"),
    },
}
"""Keyed by context and name: from the event, for `spanevent`, or from the span, for all others, to the value."""


def trace_state_entry(trace_state: str, key: str) -> str | None:
    """Return an entry of a tracestate: "" where it has none, None where the whole is malformed."""
    entries: dict[str, str] = {}
    for member in filter(None, trace_state.split(",")):
        match = _MEMBER.fullmatch(member)
        if match is None or match[1] in entries or len(entries) == _MOST_MEMBERS:
            return None
        entries[match[1]] = match[2]
    return entries.get(key, "")
