"""Search: a trace by its id, a feature set or service by its name, traces by an attribute or a text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from otel_fe.dashboard.listed_traces import listed
from otel_fe.dashboard.shown_value import is_secret, shown
from otel_fe.dashboard.trace_view import TRACE_ID
from otel_fe.store import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.view_address import ViewAddress

_READ: Final = 1_000
"""Extractions whose traces are searched."""
_FOUND: Final = 50
_GROUPS: Final = 12
_IDS: Final = 20
_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")
_ATTRIBUTE: Final = re.compile(r"\s*([A-Za-z_][\w.\-/]*)\s*=\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parsed query."""

    text: str
    """A text in any case; or the exact value of `attribute`."""
    attribute: str = ""
    """The name in `name=value`; empty for a text."""

    @classmethod
    def of(cls, query: str) -> Wanted:
        """Parse a query."""
        pair = _ATTRIBUTE.fullmatch(query)
        return cls(query.strip()) if pair is None else cls(pair[2], pair[1])

    def accepts(self, body: bytes) -> bool:
        """Return whether the spans of a trace match. Values that may be secret are never searched: a match would reveal them."""
        # Texts are in the encoded spans as plain UTF-8: most traces need not be decoded.
        needle = self.attribute or self.text
        if not needle:
            return False
        if needle.isascii() and needle.lower().encode() not in body.lower():
            return False
        try:
            request = TracesData.FromString(body)
        except DecodeError:
            return False
        return self._in_attributes(request) if self.attribute else self._in_texts(request)

    def _in_attributes(self, request: Any) -> bool:
        return any(pair.key == self.attribute and shown(pair.value) == self.text for pair in _pairs(request))

    def _in_texts(self, request: Any) -> bool:
        wanted = self.text.lower()
        names = (one.name for span in _spans(request) for one in (span, *span.events))
        values = (text for pair in _pairs(request) for text in (pair.key, shown(pair.value)))
        messages = (span.status.message for span in _spans(request))
        return any(wanted in text.lower() for texts in (names, messages, values) for text in texts)


def _spans(request: Any) -> Iterator[Any]:
    return (span for group in request.resource_spans for scoped in group.scope_spans for span in scoped.spans)


def _pairs(request: Any) -> Iterator[Any]:
    """Yield the attributes of resources, spans and events that are shown."""
    for group in request.resource_spans:
        yield from _public(group.resource.attributes)
    for span in _spans(request):
        yield from _public(span.attributes)
        for event in span.events:
            yield from _public(event.attributes)


def _public(pairs: Iterable[Any]) -> Iterator[Any]:
    return (pair for pair in pairs if not is_secret(pair.key))


def trace_in(query: str) -> str:
    """Return the trace id in a query; empty if it is something else."""
    found = query.strip().lower()
    return found if TRACE_ID.fullmatch(found) else ""


def find(stored: PageContext, address: ViewAddress) -> dict[str, Any]:
    """Return the content of the page.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    query, window = address.q.strip(), address.window(stored.now_ns())
    wanted = Wanted.of(query)
    selection = Selection(*window, address.service or None, address.feature_set or None, whole_traces=True)
    result = stored.reader.search(selection, wanted.accepts, most_read=_READ, most_found=_FOUND) if query else None
    return {
        "window": window,
        "query": query,
        "attribute": wanted.attribute,
        "groups": _groups(stored, window[0], query),
        "ids": _ids(stored, query),
        "searched": None if result is None else {"read": result.read, "total": result.total},
        "found": [] if result is None else listed(result.found),
    }


def _ids(stored: PageContext, query: str) -> list[str]:
    digits = query.lower()
    if not _PREFIX.fullmatch(digits):
        return []
    return [f"{one:032x}" for one in stored.reader.trace_ids_from(digits, _IDS)]


def _groups(stored: PageContext, since_ns: int, query: str) -> list[tuple[str, str]]:
    """Return the services and feature sets whose names contain a query."""
    words = query.lower()
    if not words:
        return []
    known = {*stored.reader.sums.groups("latency"), *stored.reader.totals.groups(since_ns)}
    named = (group for group in sorted(known) if any(words in name.lower() for name in group))
    return [group for group, _ in zip(named, range(_GROUPS), strict=False)]
