"""The critical path of a trace: the spans that determine its duration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_fe.store.decoded_trace import DecodedTrace, SpanNode


def critical_path(trace: DecodedTrace) -> dict[int, int]:
    """Return the spans on the critical path of the longest span at the top, by index, with how much of it each is itself.

    Walked backwards from its end: the child that ended last before then is what it waited for; before that child's start, the
    one that ended last before that; and so on in each of them. What ends after its parent was not waited for. The parts add up
    to the duration of the span at the top.
    """
    tops = [node for node in trace.nodes if node.parent is None]
    if not tops:
        return {}
    path: dict[int, int] = {}
    waiting: list[tuple[SpanNode, int]] = [(top := max(tops, key=lambda node: node.duration_ns), top.end_ns)]
    while waiting:
        node, until = waiting.pop()
        own = 0
        for child in sorted(node.children, key=lambda one: -one.end_ns):
            if child.start_ns < until and node.start_ns <= child.start_ns and child.end_ns <= until:
                own += until - child.end_ns
                waiting.append((child, child.end_ns))
                until = child.start_ns
        path[node.index] = own + until - node.start_ns
    return path
