"""The spans of a kept trace, decoded once, as a tree with each span exactly once, even with invalid ids and parents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from otel_fe import semconv
from otel_fe.profiles.repeated_calls import call_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_fe.profiles.repeated_calls import CallPattern


@dataclass(slots=True, eq=False)
class SpanNode:
    """A span in its tree."""

    span: Any
    """An `opentelemetry.proto.trace.v1.Span`."""
    service: str
    start_ns: int
    """Unix time."""
    end_ns: int
    """Unix time; never before the start."""
    index: int = -1
    """Index in `DecodedTrace.nodes`."""
    last: int = -1
    """The index of the last span below it; its own where there is none."""
    depth: int = 0
    parent: SpanNode | None = None
    children: tuple[SpanNode, ...] = ()
    """By their start."""
    _attributes: dict[str, Any] | None = None
    _call: CallPattern | None = None

    @property
    def attributes(self) -> dict[str, Any]:
        """Its attributes by name, as `AnyValue`."""
        if self._attributes is None:
            self._attributes = {pair.key: pair.value for pair in self.span.attributes}
            self._call = call_of(self.span, self._attributes)
        return self._attributes

    @property
    def call(self) -> CallPattern | None:
        """Return what it has in common with equal calls; None for a span that is no call."""
        if self._attributes is None:
            _ = self.attributes
        return self._call

    @property
    def duration_ns(self) -> int:
        """From its start to its end."""
        return self.end_ns - self.start_ns


class DecodedTrace:
    """The tree of a trace's spans.

    A span whose parent is not there, or that is its own ancestor, is at the top. Of spans that share an id, the first counts.

    Args:
        spans: An encoded `TracesData`; one that cannot be read has no spans.
    """

    def __init__(self, spans: bytes) -> None:
        self.by_id = _decoded(spans)
        self.nodes = tuple(_in_order(self.by_id))
        """All of them: parents before their children, those of one parent by their start."""
        self.begin_ns = min((node.start_ns for node in self.nodes), default=0)
        self.end_ns = max((node.end_ns for node in self.nodes), default=0)

    def below(self, node: SpanNode) -> tuple[SpanNode, ...]:
        """Return the spans below one, at any depth."""
        return self.nodes[node.index + 1 : node.last + 1]


def _decoded(spans: bytes) -> dict[bytes, SpanNode]:
    try:
        request = TracesData.FromString(spans)
    except DecodeError:
        return {}
    found: dict[bytes, SpanNode] = {}
    for resource_spans in request.resource_spans:
        attributes = resource_spans.resource.attributes
        service = next((one.value.string_value for one in attributes if one.key == semconv.SERVICE_NAME), "")
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                start = span.start_time_unix_nano
                found.setdefault(span.span_id, SpanNode(span, service, start, max(start, span.end_time_unix_nano)))
    return found


def _in_order(by_id: dict[bytes, SpanNode]) -> Iterator[SpanNode]:
    """Yield spans depth first, and give each its place in the tree."""
    # Those that start together stay in the order in which they came.
    latest_first = sorted(by_id.values(), key=lambda node: node.start_ns)[::-1]
    children: dict[bytes, list[SpanNode]] = {}
    for node in latest_first:
        parent_id = node.span.parent_span_id
        children.setdefault(parent_id if parent_id in by_id else b"", []).append(node)
    count = 0
    for top in (children.get(b"", []), latest_first):  # what no top leads to is in a circle
        waiting = list(top)
        while waiting:
            node = waiting[-1]
            if node.index < 0:
                node.index = node.last = count
                count += 1
                below = [child for child in children.get(node.span.span_id, ()) if child.index < 0]
                for child in below:
                    child.parent, child.depth = node, node.depth + 1
                node.children = tuple(reversed(below))
                waiting += below
                yield node
            else:
                waiting.pop()
                if node.parent is not None:
                    node.parent.last = max(node.parent.last, node.last)
