"""A span as a row of the waterfall: its times, its kind of work, its attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe import formatting, plan_event, semconv
from otel_fe.dashboard.main_cause import is_slow
from otel_fe.dashboard.own_time import own_time
from otel_fe.dashboard.shown_value import shown_attributes
from otel_fe.pipeline.extractions import is_extraction
from otel_fe.redaction import redact_text
from otel_fe.store.slow_extractions import stacks_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.dashboard.own_time import OwnTime
    from otel_fe.store.decoded_trace import DecodedTrace, SpanNode

ERROR: Final = 2
"""Status code of a failed span."""
DEEPEST: Final = 24
"""The deepest level of indentation."""
_NARROWEST: Final = 0.15
_LONGEST_MESSAGE: Final = 300
_LONGEST_PLAN: Final = 10_000
_SELF_TOLD: Final = (semconv.STACKS_EVENT, plan_event.EVENT)
"""Events that the page shows in a better form."""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """An event of a span."""

    name: str
    at_ns: int
    """After the trace's start."""
    x: float
    """In per cent of the trace."""
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SpanLink:
    """Another span that a span refers to."""

    trace_id: str
    span_id: str
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
    """The cache and pool figures of an extraction."""
    split: tuple[tuple[str, int], ...]
    """Cause and ns of an extraction, in the order of the causes."""
    events: tuple[SpanEvent, ...]
    attributes: tuple[tuple[str, str], ...]
    links: tuple[SpanLink, ...]
    critical_ns: int
    """The span's share of the trace's critical path, without the spans below it; 0 if it is not on it."""
    own: OwnTime | None
    """Time in which an extraction made no call."""
    plan: str
    """The plan of a slow statement, where the database returned one; empty otherwise."""
    count: int = 1
    """The number of spans in this row, as `FoldedRow.count`."""


def span_row(
    node: SpanNode, trace: DecodedTrace, split: Mapping[str, int], critical_ns: int, plan: str = ""
) -> SpanRow:
    """Return the row of a span.

    Args:
        node: The span.
        trace: That it belongs to.
        split: Of an extraction, where its time went (ns by cause).
        critical_ns: How much of the critical path it is.
        plan: Of its statement, where that came in a log record.
    """
    span, scale = node.span, Scale(trace)
    return SpanRow(
        span.span_id.hex(),
        span.name,
        node.service,
        min(node.depth, DEEPEST),
        kind_of(node),
        scale.x(node.start_ns),
        scale.width(node.duration_ns),
        node.start_ns - trace.begin_ns,
        node.duration_ns,
        span.status.code == ERROR,
        redact_text(span.status.message[:_LONGEST_MESSAGE]),
        _notes(node.attributes),
        tuple((cause, ns) for cause, ns in split.items() if ns),
        tuple(_event(event, scale) for event in span.events if event.name not in _SELF_TOLD),
        shown_attributes(span.attributes),
        tuple(SpanLink(link.trace_id.hex(), link.span_id.hex(), shown_attributes(link.attributes)) for link in span.links),
        critical_ns,
        _own_time(node, trace, split),
        plan or _plan(span),
    )  # fmt: skip


def _plan(span: Any) -> str:
    """Return the plan in a span's event; empty without one."""
    events = [event for event in span.events if event.name == plan_event.EVENT]
    texts = (pair.value.string_value for event in events for pair in event.attributes if pair.key == plan_event.TEXT)
    return next((str(text)[:_LONGEST_PLAN] for text in texts), "")


def _own_time(node: SpanNode, trace: DecodedTrace, split: Mapping[str, int]) -> OwnTime | None:
    if not split or not is_slow(node.duration_ns, node):
        return None
    return own_time(node, trace, split, stacks_in(node.span).get(semconv.STACKS_BETWEEN_CALLS, ()))


class Scale:
    """The scale from times to per cent of a trace."""

    def __init__(self, trace: DecodedTrace) -> None:
        self.begin_ns = trace.begin_ns
        self.length_ns = max(1, trace.end_ns - trace.begin_ns)

    def x(self, at_ns: int) -> float:
        """Return where a Unix time lies."""
        return round(min(100.0, max(0.0, (at_ns - self.begin_ns) / self.length_ns * 100)), 3)

    def width(self, length_ns: int) -> float:
        """Return how wide a duration is; never too narrow to be seen."""
        return round(min(100.0, max(_NARROWEST, length_ns / self.length_ns * 100)), 3)


def kind_of(node: SpanNode) -> str:
    """Return what a span is coloured by."""
    if is_extraction(node.span):
        return "extraction"
    if node.call is not None and node.call.kind != "client":
        return node.call.kind
    return {2: "server", 3: "client"}.get(node.span.kind, "internal")


def _event(event: Any, scale: Scale) -> SpanEvent:
    at = event.time_unix_nano
    return SpanEvent(event.name, at - scale.begin_ns, scale.x(at), shown_attributes(event.attributes))


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
