"""A trace's spans as rows: who called whom, when, and what kind of work it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from otel_fe import semconv
from otel_fe.dashboard import formatting
from otel_fe.dashboard.shown_value import shown_attributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MOST_ROWS: Final = 1_000
_ERROR: Final = 2
_DEEPEST: Final = 24
_CACHES: Final = ("redis", "memcached", "valkey")


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened in a span."""

    name: str
    at_ns: int
    """After the trace's start."""
    x: float
    """In per cent of the trace."""
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One span."""

    span_id: str
    name: str
    service: str
    depth: int
    kind: str
    """`extraction`, `cache`, `database`, `client`, `server` or `internal`: what it is coloured by."""
    x: float
    """In per cent of the trace, as the width."""
    width: float
    start_ns: int
    """After the trace's start."""
    duration_ns: int
    error: bool
    error_message: str
    notes: tuple[str, ...]
    """What cache and pool did in an extraction."""
    split: tuple[tuple[str, int], ...]
    """Of an extraction: cause and ns, in the order of the causes."""
    events: tuple[SpanEvent, ...]
    attributes: tuple[tuple[str, str], ...]


def waterfall(spans: bytes, splits: Mapping[bytes, Mapping[str, int]]) -> tuple[SpanRow, ...]:
    """Return the rows of a trace, parents before their children, those of one parent by their start.

    Args:
        spans: An encoded `TracesData`; what cannot be read has no rows.
        splits: By an extraction's `span_key`, where its time went.
    """
    try:
        request = TracesData.FromString(spans)
    except DecodeError:
        return ()
    members: dict[bytes, tuple[Any, str]] = {}
    for resource_spans in request.resource_spans:
        service = next(
            (one.value.string_value for one in resource_spans.resource.attributes if one.key == semconv.SERVICE_NAME),
            "",
        )
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                members.setdefault(span.span_id, (span, service))
    if not members:
        return ()
    begin = min(span.start_time_unix_nano for span, _ in members.values())
    end = max(span.end_time_unix_nano for span, _ in members.values())
    ordered = list(_in_order(members))[:_MOST_ROWS]
    return tuple(_row(*members[span_id], depth, begin, max(1, end - begin), splits) for span_id, depth in ordered)


def _in_order(members: Mapping[bytes, tuple[Any, str]]) -> Iterable[tuple[bytes, int]]:
    """Yield ids depth first. What has no parent here, or is its own forefather, stands at the top."""
    children: dict[bytes, list[bytes]] = {}
    for span_id, (span, _) in members.items():
        parent = span.parent_span_id if span.parent_span_id in members and span.parent_span_id != span_id else b""
        children.setdefault(parent, []).append(span_id)
    for ids in children.values():
        ids.sort(key=lambda one: members[one][0].start_time_unix_nano, reverse=True)
    seen: set[bytes] = set()
    by_start = sorted(members, key=lambda one: members[one][0].start_time_unix_nano, reverse=True)
    for top in (children.get(b"", []), by_start):
        waiting = [(one, 0) for one in top]
        while waiting:
            span_id, depth = waiting.pop()
            if span_id not in seen:
                seen.add(span_id)
                yield span_id, min(depth, _DEEPEST)
                waiting += [(child, depth + 1) for child in children.get(span_id, [])]


def _row(
    span: Any, service: str, depth: int, begin: int, length: int, splits: Mapping[bytes, Mapping[str, int]]
) -> SpanRow:
    attributes = {pair.key: pair.value for pair in span.attributes}
    start, end = span.start_time_unix_nano, max(span.end_time_unix_nano, span.start_time_unix_nano)
    split = splits.get(span.span_id, {})
    return SpanRow(
        span.span_id.hex(),
        span.name,
        service,
        depth,
        _kind(span, attributes),
        round((start - begin) / length * 100, 3),
        round(max(0.15, (end - start) / length * 100), 3),
        start - begin,
        end - start,
        span.status.code == _ERROR,
        span.status.message[:300],
        _notes(attributes),
        tuple((cause, ns) for cause, ns in split.items() if ns),
        tuple(
            SpanEvent(
                event.name,
                event.time_unix_nano - begin,
                round(min(100.0, max(0.0, (event.time_unix_nano - begin) / length * 100)), 3),
                shown_attributes(event.attributes),
            )
            for event in span.events
        ),
        shown_attributes(span.attributes),
    )


def _kind(span: Any, attributes: Mapping[str, Any]) -> str:
    if span.name.split(" ", 1)[0] == semconv.SPAN_NAME:
        return "extraction"
    for key in ("db.system.name", "db.system"):
        if key in attributes:
            return "cache" if attributes[key].string_value in _CACHES else "database"
    return {2: "server", 3: "client"}.get(span.kind, "internal")


def _notes(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    def number(name: str) -> float | None:
        value = attributes.get(name)
        return None if value is None else float(value.double_value or value.int_value)

    notes = []
    lookups, hits, spent = (number(one) for one in (semconv.CACHE_LOOKUPS, semconv.CACHE_HITS, semconv.CACHE_TIME))
    if lookups:
        took = "" if spent is None else f" in {formatting.duration(spent * 1e9)}"
        notes.append(f"cache: {formatting.count(hits or 0)} of {formatting.count(lookups, 'look-ups')} hit{took}")
    waited = number(semconv.POOL_WAIT_TIME)
    if waited is not None:
        pool = attributes[semconv.POOL_NAME].string_value if semconv.POOL_NAME in attributes else "pool"
        used, most = number(semconv.POOL_IN_USE), number(semconv.POOL_SIZE)
        use = (
            "" if used is None else f", {formatting.count(used)}{f' of {most:.0f}' if most else ''} connections in use"
        )
        notes.append(f"pool {pool}: waited {formatting.duration(waited * 1e9)}{use}")
    return tuple(notes)
