"""A trace's spans as rows, by parent and time, with their kind of work. Many equal ones are one row."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe import formatting, semconv
from otel_fe.dashboard.span_row import DEEPEST, ERROR, Scale, SpanRow, kind_of, span_row
from otel_fe.profiles.repeated_calls import FEWEST, repeated_calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_fe.store.decoded_trace import DecodedTrace, SpanNode

ROWS: Final = 400
"""Rows on one page."""
_MOST_MEMBERS: Final = 100
_COLUMNS: Final = 250
"""Most columns with which the bar of a folded row is drawn."""
_TICKS: Final = 7
_ROUND: Final = (1, 2, 5)


class Bar(NamedTuple):
    """A part of a folded row's bar."""

    x: float
    """In per cent of the trace, as the width."""
    width: float


class Member(NamedTuple):
    """One of the spans in a folded row."""

    span_id: str
    start_ns: int
    """After the trace's start."""
    duration_ns: int


@dataclass(frozen=True, slots=True)
class FoldedRow:
    """Equal spans of one parent."""

    name: str
    service: str
    depth: int
    kind: str
    """Kind, as in a span's row."""
    count: int
    error: bool
    """Whether they have failed, or something below each has: those that have not are another row."""
    statement: str
    """Their common statement without values; empty if unknown."""
    n_plus_one: bool
    sequential: bool
    """Whether each began when the one before had ended."""
    start_ns: int
    """Start of the first span, after the trace's start."""
    duration_ns: int
    """Duration of all spans together."""
    until_ns: int
    """The end of the last, after the trace's start."""
    shortest_ns: int
    median_ns: int
    longest_ns: int
    bars: tuple[Bar, ...]
    members: tuple[Member, ...]
    """The longest ones, in order of their start."""
    critical_ns: int
    """Their share of the trace's critical path, with what is below them."""


class AxisTick(NamedTuple):
    """A mark on the axis of time."""

    x: float
    """In per cent of the trace."""
    label: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """One page of a trace's rows."""

    rows: tuple[SpanRow | FoldedRow, ...]
    ticks: tuple[AxisTick, ...]
    page: int
    """The first is 0."""
    pages: int
    found: bool
    """Whether the selected span is among the rows."""


class _Group(NamedTuple):
    """Equal children of one parent."""

    nodes: tuple[SpanNode, ...]


def waterfall(
    trace: DecodedTrace,
    splits: Mapping[bytes, Mapping[str, int]],
    path: Mapping[int, int],
    *,
    page: int | None = None,
    span_id: bytes = b"",
    apart: frozenset[bytes] = frozenset(),
    plans: Mapping[bytes, str] | None = None,
) -> Waterfall:
    """Return the rows of a trace, parents before their children, those of one parent by their start.

    Args:
        trace: The trace.
        splits: By an extraction's id, where its time went.
        path: Its critical path.
        page: Which page of rows; None for the one with `span_id` on it.
        span_id: A span that has a row of its own, as those above it have.
        apart: More of those.
        plans: Of slow statements, by span id, where they came in log records.
    """
    open_spans = _with_ancestors(trace, {span_id, *apart})
    places = list(_places(trace, open_spans))
    number = next((n for n, one in enumerate(places) if isinstance(one, _Group) is False and _id(one) == span_id), None)
    pages = max(1, -(-len(places) // ROWS))
    page = (number or 0) // ROWS if page is None else min(max(0, page), pages - 1)
    subtree = _summed(trace, path)
    rows = tuple(
        _folded_row(one.nodes, trace, subtree)
        if isinstance(one, _Group)
        else span_row(one, trace, splits.get(_id(one), {}), path.get(one.index, 0), (plans or {}).get(_id(one), ""))
        for one in places[page * ROWS : (page + 1) * ROWS]
    )
    return Waterfall(rows, axis(trace.end_ns - trace.begin_ns), page, pages, number is not None)


def axis(length_ns: int) -> tuple[AxisTick, ...]:
    """Return marks at round times, from the start on; at most half a dozen and the start."""
    if length_ns <= 0:
        return ()
    steps = (digit * 10**power for power in range(20) for digit in _ROUND)
    step = next(one for one in steps if length_ns / one < _TICKS)
    return tuple(AxisTick(round(at / length_ns * 100, 3), formatting.duration(at)) for at in range(0, length_ns, step))


def _id(node: Any) -> bytes:
    found: bytes = node.span.span_id
    return found


def _with_ancestors(trace: DecodedTrace, ids: set[bytes]) -> frozenset[int]:
    found: set[int] = set()
    for span_id in ids:
        node = trace.by_id.get(span_id)
        while node is not None and node.index not in found:
            found.add(node.index)
            node = node.parent
    return frozenset(found)


def _places(trace: DecodedTrace, open_spans: frozenset[int]) -> Iterator[SpanNode | _Group]:
    """Yield what has a row, in order: spans, and groups of equal children in the place of their first."""
    failed = _failed_below(trace)
    waiting: list[SpanNode | _Group] = list(
        reversed(_grouped([n for n in trace.nodes if n.parent is None], failed, open_spans))
    )
    while waiting:
        one = waiting.pop()
        yield one
        if not isinstance(one, _Group):
            waiting += reversed(_grouped(one.children, failed, open_spans))


def _grouped(
    children: Sequence[SpanNode], failed: Sequence[bool], open_spans: frozenset[int]
) -> list[SpanNode | _Group]:
    if len(children) < FEWEST:
        return list(children)
    alike: dict[Any, list[SpanNode]] = defaultdict(list)
    for node in children:
        if node.index not in open_spans:
            alike[_likeness(node, failed)].append(node)
    groups = {nodes[0].index: _Group(tuple(nodes)) for nodes in alike.values() if len(nodes) >= FEWEST}
    inside = {node.index for group in groups.values() for node in group.nodes}
    return [groups.get(node.index, node) for node in children if node.index in groups or node.index not in inside]


def _likeness(node: SpanNode, failed: Sequence[bool]) -> Any:
    """Return what equal spans have in common: slow extractions are apart from others, and what has failed from what has not."""
    slow = semconv.BOTTLENECK in node.attributes
    return node.service, node.span.kind, node.call or node.span.name, slow, failed[node.index]


def _failed_below(trace: DecodedTrace) -> list[bool]:
    failed = [node.span.status.code == ERROR for node in trace.nodes]
    for node in reversed(trace.nodes):
        if node.parent is not None and failed[node.index]:
            failed[node.parent.index] = True
    return failed


def _summed(trace: DecodedTrace, path: Mapping[int, int]) -> list[int]:
    """Return how much of the critical path each span is with all that is below it."""
    found = [path.get(node.index, 0) for node in trace.nodes]
    for node in reversed(trace.nodes):
        if node.parent is not None:
            found[node.parent.index] += found[node.index]
    return found


def _folded_row(nodes: Sequence[SpanNode], trace: DecodedTrace, subtree: Sequence[int]) -> FoldedRow:
    first, parent = nodes[0], nodes[0].parent
    durations = [node.duration_ns for node in nodes]
    around = trace.end_ns - trace.begin_ns if parent is None else parent.duration_ns
    times = [(node.start_ns, node.end_ns) for node in nodes]
    call = first.call
    together = None if call is None else repeated_calls(call, times, around)
    longest = sorted(nodes, key=lambda node: -node.duration_ns)[:_MOST_MEMBERS]
    return FoldedRow(
        call.name if call is not None else first.span.name,
        first.service,
        min(first.depth, DEEPEST),
        kind_of(first),
        len(nodes),
        any(node.span.status.code == ERROR for node in nodes),
        "" if call is None else call.shape,
        together is not None and together.n_plus_one,
        together is not None and together.sequential,
        first.start_ns - trace.begin_ns,
        sum(durations),
        max(node.end_ns for node in nodes) - trace.begin_ns,
        min(durations),
        int(statistics.median(durations)),
        max(durations),
        _bars(times, Scale(trace)),
        tuple(
            Member(node.span.span_id.hex(), node.start_ns - trace.begin_ns, node.duration_ns)
            for node in sorted(longest, key=lambda node: node.index)
        ),
        sum(subtree[node.index] for node in nodes),
    )  # fmt: skip


def _bars(times: Sequence[tuple[int, int]], scale: Scale) -> tuple[Bar, ...]:
    """Return a bar for each run of spans that are indistinguishable at this width."""
    column = 100 / _COLUMNS
    bars: list[Bar] = []
    for start, end in sorted(times):
        x, width = scale.x(start), scale.width(end - start)
        last = bars[-1] if bars else None
        if last is not None and x - last.x - last.width < column:
            bars[-1] = Bar(last.x, round(max(last.width, x + width - last.x), 3))
        else:
            bars.append(Bar(x, width))
    return tuple(bars)
