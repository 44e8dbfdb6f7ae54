"""The paths and enums of a condition: those supported here with their meaning, and those of OTTL only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.config.ottl.refusal import RefusalError, suggestion

if TYPE_CHECKING:
    from otel_fe.config.ottl.tree import Context

_ATTRIBUTES: Final = 'A map; `attributes["a"]["b"][0]` is one value of it, and nil where there is none.'
_DROPPED: Final = "An int: how many were dropped where the span was made."

PATHS: Final[dict[str, dict[str, str]]] = {
    "span": {
        "trace_id": "Its id; equal to what `TraceID` gives, never to a string.",
        "trace_id.string": "The same in 32 hexadecimal digits.",
        "span_id": "Its id; equal to what `SpanID` gives, never to a string.",
        "span_id.string": "The same in 16 hexadecimal digits.",
        "parent_span_id": "The id of its parent; all zeros for a root.",
        "parent_span_id.string": "The same in 16 hexadecimal digits.",
        "trace_state": 'A string; `trace_state["k"]` is one entry, "" where it has none, nil where it is malformed.',
        "name": "A string.",
        "kind": "An int; compare it with the enums SPAN_KIND_….",
        "kind.string": "`Internal`, `Server`, `Client`, `Producer`, `Consumer` or `Unspecified`.",
        "kind.deprecated_string": "`SPAN_KIND_INTERNAL` and so on.",
        "start_time": "A time; two of them subtract to a duration.",
        "end_time": "A time.",
        "start_time_unix_nano": "An int: nanoseconds.",
        "end_time_unix_nano": "An int: nanoseconds.",
        "attributes": _ATTRIBUTES,
        "dropped_attributes_count": _DROPPED,
        "events": "Its events; for `Len`.",
        "dropped_events_count": _DROPPED,
        "dropped_links_count": _DROPPED,
        "status.code": "An int; compare it with the enums STATUS_CODE_….",
        "status.message": "A string.",
        "flags": "An int.",
    },
    "spanevent": {
        "name": "A string.",
        "time": "A time.",
        "time_unix_nano": "An int: nanoseconds.",
        "attributes": _ATTRIBUTES,
        "event_index": "An error, always: the Collector's `tail_sampling` does not count the events.",
    },
    "resource": {"attributes": _ATTRIBUTES},
    "scope": {
        "name": "A string; may be empty.",
        "version": "A string; may be empty.",
        "attributes": _ATTRIBUTES,
    },
}
"""The value of each path, by context and name. `instrumentation_scope` is another name of `scope`."""

INDEXABLE: Final = frozenset(("attributes", "trace_state"))
"""The names that may have keys behind them."""

ENUMS: Final[dict[str, int]] = {
    "SPAN_KIND_UNSPECIFIED": 0,
    "SPAN_KIND_INTERNAL": 1,
    "SPAN_KIND_SERVER": 2,
    "SPAN_KIND_CLIENT": 3,
    "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5,
    "STATUS_CODE_UNSET": 0,
    "STATUS_CODE_OK": 1,
    "STATUS_CODE_ERROR": 2,
}
"""OTLP's number of each enum symbol."""

_ELSEWHERE: Final = {
    "span": ("status", "links", "cache"),
    "spanevent": ("dropped_attributes_count", "cache"),
    "resource": ("dropped_attributes_count", "schema_url"),
    "scope": ("dropped_attributes_count", "schema_url"),
}
_CONTEXTS: Final = {"span": "span", "resource": "resource", "scope": "scope", "instrumentation_scope": "scope"}


@dataclass(frozen=True, slots=True)
class PathSegment:
    """A name between two dots."""

    name: str
    keys: int
    """The number of keys behind it."""
    offset: int


def resolve(segments: list[PathSegment], context: Context) -> tuple[str, str]:
    """Find the context and the name, as in `PATHS`, of a path that may leave out its context.

    Raises:
        RefusalError: The path is unknown, or cannot be indexed like that.
    """
    contexts = {**_CONTEXTS, "spanevent": "spanevent"} if context == "spanevent" else _CONTEXTS
    first, rest = segments[0], segments[1:]
    if rest and not first.keys and first.name in contexts:
        where = contexts[first.name]
    else:
        where, rest = context, segments
    name = ".".join(segment.name for segment in rest)
    if name not in PATHS[where]:
        raise RefusalError(first.offset, _unknown(where, name, contexts))
    last = rest[-1]
    if any(segment.keys for segment in rest[:-1]) or (last.keys and name not in INDEXABLE):
        raise RefusalError(last.offset, f"{where}.{name} cannot be indexed")
    if name == "trace_state" and last.keys > 1:
        raise RefusalError(last.offset, "trace_state takes one key")
    return where, name


def _unknown(where: str, name: str, contexts: dict[str, str]) -> str:
    if name.startswith("otelcol.") or name in _ELSEWHERE[where]:
        full = name if name.startswith("otelcol.") else f"{where}.{name}"
        supported = ", ".join(f"{where}.{known}" for known in PATHS[where])
        return f"the path {full} exists in OTTL but is not supported here; supported: {supported}"
    elsewhere = [f"{place}.{name}" for place in contexts if name in PATHS[contexts[place]]]
    if elsewhere:
        return f"there is no path {where}.{name}; did you mean {elsewhere[0]}?"
    known = [f"{place}.{path}" for place in contexts for path in PATHS[contexts[place]]]
    return f"there is no path {where}.{name}{suggestion(f'{where}.{name}', known)}"


def enum(symbol: str, offset: int) -> int:
    """Return what a symbol is.

    Raises:
        RefusalError: The symbol is unknown.
    """
    if symbol not in ENUMS:
        raise RefusalError(offset, f"there is no enum {symbol}{suggestion(symbol, ENUMS)}")
    return ENUMS[symbol]
