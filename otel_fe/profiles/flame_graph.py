"""A flame graph as rectangles: where the mean slow extraction spends its time, by cause and then down the stack."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from otel_fe.profiles.stacks import SlowExtraction

_NARROWEST: Final = 0.25
"""Per cent of the width; what is narrower is left out, and its place stays empty."""
_DEEPEST: Final = 64


@dataclass(frozen=True, slots=True)
class FlameBox:
    """One rectangle: a cause, or a line that a stack goes through."""

    label: str
    cause: str
    depth: int
    """0 for a cause; the frames of its stacks follow, the outermost first."""
    x: float
    """Per cent of the width, as `width`."""
    width: float
    mean_ns: float
    """In the mean slow extraction of the selection."""
    rest_mean_ns: float | None
    """In the mean slow extraction of the rest; None where there is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class FlameGraph:
    """The rectangles of a flame graph, parents before their children."""

    boxes: tuple[FlameBox, ...]
    total_ns: float
    """The time of the whole width: the sampled time of the mean slow extraction."""
    depth: int
    """The number of rows."""
    extractions: int
    """The number of slow extractions in it."""


@dataclass(slots=True)
class _Node:
    ns: float = 0.0
    inside: dict[str, _Node] = field(default_factory=dict)


def flame_graph(selected: Sequence[SlowExtraction], rest: Sequence[SlowExtraction] | None = None) -> FlameGraph | None:
    """Return the flame graph of extractions, each box also with its time in the rest where that is given.

    None where no stack was seen.
    """
    mine = _added_up(selected)
    if not mine.ns:
        return None
    others = None if rest is None else _added_up(rest)
    boxes = tuple(_boxes(mine, others))
    return FlameGraph(boxes, mine.ns, 1 + max(box.depth for box in boxes), sum(1 for one in selected if one.stacks))


def _added_up(extractions: Iterable[SlowExtraction]) -> _Node:
    """Return the tree of all stacks, in ns of the mean extraction by weight."""
    root, weight = _Node(), 0.0
    for extraction in extractions:
        weight += extraction.weight
        for stack in extraction.stacks:
            ns = stack.time_ns * extraction.weight
            node = root
            node.ns += ns
            for name in (stack.cause, *map(str, stack.frames[:_DEEPEST])):
                node = node.inside.setdefault(name, _Node())
                node.ns += ns
    if weight:
        _divide(root, weight)
    return root


def _divide(root: _Node, by: float) -> None:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        node.ns /= by
        waiting += node.inside.values()


def _boxes(root: _Node, rest: _Node | None) -> Iterator[FlameBox]:
    """Yield the rectangles below the root, siblings by their size."""
    waiting: list[tuple[Mapping[str, _Node], _Node | None, str, int, float]] = [(root.inside, rest, "", 0, 0.0)]
    per_ns = 100 / root.ns
    while waiting:
        nodes, others, cause, depth, x = waiting.pop()
        for name, node in sorted(nodes.items(), key=lambda item: (-item[1].ns, item[0])):
            width = node.ns * per_ns
            if width < _NARROWEST:
                break
            other = None if others is None else others.inside.get(name, _Node())
            of = cause or name
            yield FlameBox(name, of, depth, round(x, 3), round(width, 3), node.ns, None if other is None else other.ns)
            waiting.append((node.inside, other, of, depth + 1, x))
            x += width
