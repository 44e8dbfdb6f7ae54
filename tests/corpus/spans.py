"""Spans in a few words: `span(ms=100)` is a root that lasts 100 ms."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from otel_fe.model.span import ERROR, INTERNAL, OK, UNSET, Event, Resource, Scope, Span

__all__ = ["EPOCH_NS", "ERROR", "OK", "UNSET", "Event", "at", "event", "resource", "scope", "span", "trace_id", "tree"]

EPOCH_NS = 1_700_000_000_000_000_000
"""When time starts in the corpus."""

_RESOURCE = Resource({"service.name": "shop"})
_SCOPE = Scope("tests.corpus", "1")


def trace_id(number: int) -> int:
    """Return the id of the `number`th trace: as random as a real one, and always the same."""
    return int.from_bytes(hashlib.blake2b(str(number).encode(), digest_size=16).digest(), "big")


def at(ms: float) -> int:
    """Return a Unix time, in ns, `ms` after time starts."""
    return EPOCH_NS + round(ms * 1_000_000)


def resource(**attributes: Any) -> Resource:
    """Return a resource; `__` in a name is a dot, and the service is `shop` unless another one or None is passed."""
    found = {"service.name": "shop", **{key.replace("__", "."): value for key, value in attributes.items()}}
    return Resource({key: value for key, value in found.items() if (key, value) != ("service.name", None)})


def scope(name: str = "", version: str = "", **attributes: Any) -> Scope:
    """Return an instrumentation scope."""
    return Scope(name, version, attributes)


def event(name: str = "event", **attributes: Any) -> Event:
    """Return an event at the start of time; `__` in an attribute's name is a dot."""
    return Event(name, EPOCH_NS, {key.replace("__", "."): value for key, value in attributes.items()})


def span(
    number: int = 1,
    trace: int = 1,
    parent: int = 0,
    *,
    ms: float = 10,
    start: float = 0,
    name: str = "work",
    kind: int = INTERNAL,
    status: int = UNSET,
    attributes: dict[str, Any] | None = None,
    resource: Resource = _RESOURCE,
    scope: Scope = _SCOPE,
    events: tuple[Event, ...] = (),
    trace_state: str = "",
    flags: int = 0,
    **named: Any,
) -> Span:
    """Return a span: `ms` long from `start` (in ms); `__` in the name of a further attribute is a dot."""
    return Span(
        trace_id(trace),
        number,
        parent,
        name,
        kind,
        at(start),
        at(start + ms),
        status,
        trace_state=trace_state,
        flags=flags,
        attributes={**(attributes or {}), **{key.replace("__", "."): value for key, value in named.items()}},
        events=events,
        resource=resource,
        scope=scope,
    )


def tree(size: int, trace: int = 1, **same: Any) -> list[Span]:
    """Return a root and `size - 1` children of it."""
    root = span(1, trace, **same)
    return [root, *(replace(root, span_id=number, parent_id=1) for number in range(2, size + 1))]
