"""The latency heat map as it is drawn: cells that are links, the line of the objective, axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.dashboard import quantity
from otel_fe.dashboard.geometry import Tick, time_ticks
from otel_fe.pipeline.slo import LATENCY_LIMIT_NS
from otel_fe.store.latency import EDGES_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.dashboard.view_address import ViewAddress
    from otel_fe.store.trace_totals import HeatCell, HeatMap

LEVELS: Final = 8
"""Of colour; each has a class in the style sheet."""
COLUMNS: Final = 60
_WIDTH: Final = 960
_LEFT: Final = 62
_TOP: Final = 8
_TALLEST_ROW: Final = 15
_LOWEST_ROW: Final = 6
_HEIGHT: Final = 340
"""Of all rows together, as far as they stay high enough to be hit."""
_PER_DOUBLING: Final = 4
_MIB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class DrawnCell:
    """One cell."""

    x: float
    y: float
    width: float
    height: float
    level: int
    """1 to `LEVELS`, by the logarithm of its weight."""
    url: str
    title: str
    slow: bool
    selected: bool
    time_ns: int


@dataclass(frozen=True, slots=True)
class DrawnHeatMap:
    """All of it."""

    width: int
    height: int
    plot: tuple[float, float, float, float]
    """Left, top, right and foot of the part with the cells."""
    cells: tuple[DrawnCell, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    limit_y: float
    window_ms: tuple[float, float]
    edges_ms: tuple[float, ...]
    """Of the rows, from the foot up: what the script reads a dragged range from."""
    marked: tuple[float, float, float, float] | None
    """The selected range: x, y, width, height."""
    most_weight: float
    """In a cell below the objective."""
    most_weight_slow: float


def column_ns(window: tuple[int, int]) -> int:
    """Return how wide a column is, for about sixty of them: whole minutes as far as there are so many."""
    wanted = (window[1] - window[0]) / COLUMNS / 1e9
    for step in (10, 15, 30, 60, 120, 300, 600):
        if step >= wanted:
            return step * 1_000_000_000
    return math.ceil(wanted / 600) * 600_000_000_000


def draw(heat: HeatMap, window: tuple[int, int], address: ViewAddress, path: str) -> DrawnHeatMap:
    """Return the drawing of a heat map."""
    edges = _edges(heat.cells)
    row = max(_LOWEST_ROW, min(_TALLEST_ROW, _HEIGHT // (len(edges) - 1)))
    foot = _TOP + row * (len(edges) - 1)
    right = _WIDTH - 8
    place: dict[int, float] = {edge: foot - row * number for number, edge in enumerate(edges)}
    # Slow ones are kept one by one, the others by samples: each side has a scale of its own, or the slow ones would not be seen.
    most = {
        slow: max((cell.weight for cell in heat.cells if (cell.low_ns >= LATENCY_LIMIT_NS) is slow), default=1.0)
        for slow in (False, True)
    }

    def x(time_ns: float) -> float:
        return _LEFT + min(1.0, max(0.0, (time_ns - window[0]) / (window[1] - window[0]))) * (right - _LEFT)

    bare = address.url(path, t0="", t1="", low="", high="", page="")
    base = f"{bare}{'&' if '?' in bare else '?'}"
    cells = tuple(
        _cell(
            cell,
            heat.step_ns,
            (x(cell.time_ns), x(cell.time_ns + heat.step_ns)),
            (place, row),
            most[cell.low_ns >= LATENCY_LIMIT_NS],
            address,
            base,
        )
        for cell in heat.cells
    )
    limit = edges.index(LATENCY_LIMIT_NS)
    marks = [edge for number, edge in enumerate(edges) if (number - limit) % _PER_DOUBLING == 0]
    return DrawnHeatMap(
        _WIDTH,
        foot + 24,
        (_LEFT, _TOP, right, foot),
        cells,
        time_ticks(*window, x),
        tuple(Tick(place[mark], quantity.duration(mark)) for mark in marks),
        place[LATENCY_LIMIT_NS],
        (window[0] / _MIB, window[1] / _MIB),
        tuple(edge / _MIB for edge in edges),
        _marked(address, window, edges, place, x),
        most[False],
        most[True],
    )


def _edges(cells: list[HeatCell]) -> list[int]:
    """Return the rows' lower edges, and the last one's upper: what has cells, and always the objective's surroundings."""
    limit = EDGES_NS.index(LATENCY_LIMIT_NS)
    places = [EDGES_NS.index(cell.low_ns) if cell.low_ns else 0 for cell in cells]
    low = min([*places, limit - 8])
    high = max([*places, limit + 5]) + 1
    return list(EDGES_NS[max(0, low) : min(len(EDGES_NS), high + 1)])


def _cell(
    cell: HeatCell,
    step_ns: int,
    across: tuple[float, float],
    down: tuple[dict[int, float], int],
    most: float,
    address: ViewAddress,
    base: str,
) -> DrawnCell:
    place, row = down
    start_ms, end_ms = cell.time_ns / _MIB, (cell.time_ns + step_ns) / _MIB
    high = cell.high_ns
    low_ms, high_ms = f"{cell.low_ns / _MIB:.6f}", "" if high is None else f"{high / _MIB:.6f}"
    share = math.log1p(cell.weight) / math.log1p(max(most, 1.0))
    wide = max(1.0, across[1] - across[0] - 1)
    upto = quantity.milliseconds(high) if high is not None else "∞"
    chosen = address.t0 == f"{start_ms:.0f}" and address.low == low_ms
    return DrawnCell(
        round(across[0], 1),
        place.get(cell.low_ns, max(place.values())) - row + 1,
        round(wide, 1),
        row - 1,
        max(1, min(LEVELS, math.ceil(share * LEVELS))),
        f"{base}t0={start_ms:.0f}&t1={end_ms:.0f}&low={low_ms}" + (f"&high={high_ms}" if high_ms else ""),
        f"{quantity.clock_time(cell.time_ns)}, {quantity.milliseconds(cell.low_ns)} to {upto}: "
        f"{quantity.count(cell.extractions)} kept, standing for {quantity.count(cell.weight)} extractions",
        cell.low_ns >= LATENCY_LIMIT_NS,
        chosen,
        cell.time_ns,
    )


def _marked(
    address: ViewAddress,
    window: tuple[int, int],
    edges: list[int],
    place: dict[int, float],
    x: Callable[[float], float],
) -> tuple[float, float, float, float] | None:
    if not (address.t0 or address.low or address.high):
        return None
    left = x(float(address.t0) * _MIB if address.t0 else window[0])
    right = x(float(address.t1) * _MIB if address.t1 else window[1])
    low = float(address.low) * _MIB if address.low else edges[0]
    high = float(address.high) * _MIB if address.high else edges[-1]
    bottom = place[min(edges, key=lambda edge: abs(edge - low))]
    top = place[min(edges, key=lambda edge: abs(edge - high))]
    return round(left, 1), top, round(max(2.0, right - left), 1), max(2.0, bottom - top)
