"""Draws the latency heat map as SVG: cells that are links, the line of the objective, axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from markupsafe import Markup

from otel_fe import formatting
from otel_fe.dashboard.charts import AxisMark, time_ticks
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.store.latency import EDGES_NS
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.dashboard.view_address import ViewAddress
    from otel_fe.store.trace_totals import HeatCell, HeatMap

LEVELS: Final = 8
"""Levels of colour; each has a class in the style sheet."""
COLUMNS: Final = 60
_WIDTH: Final = 960
_LEFT: Final = 62
_TOP: Final = 8
_TALLEST_ROW: Final = 15
_LOWEST_ROW: Final = 6
_HEIGHT: Final = 340
"""Height of all rows together, as far as each stays high enough to be hit."""
_PER_DOUBLING: Final = 4
_LONG_S: Final = 5_400


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

    @property
    def drawn(self) -> Markup:
        """Its element, in one piece: there are thousands, and a template would put each together of ten."""
        url, title = escape(self.url), escape(self.title)
        chosen = " chosen" if self.selected else ""
        return Markup(  # noqa: S704 texts are escaped above, the rest are numbers
            f'<a href="{url}" aria-label="{title}"><rect class="{"s" if self.slow else "h"}{self.level:d}{chosen}" x="{self.x:g}" '
            f'y="{self.y:g}" width="{self.width:g}" height="{self.height:g}" rx="1.5"><title>{title}</title></rect></a>'
        )


class _Column(NamedTuple):
    """The common properties of a column's cells."""

    x: float
    width: float
    chosen: bool
    url: str
    title: str


class _Row(NamedTuple):
    """The common properties of a row's cells."""

    y: float
    slow: bool
    chosen: bool
    url: str
    title: str


@dataclass(frozen=True, slots=True)
class DrawnHeatMap:
    """All of it."""

    width: int
    height: int
    plot: tuple[float, float, float, float]
    """Left, top, right and foot of the part with the cells."""
    cells: tuple[DrawnCell, ...]
    x_ticks: tuple[AxisMark, ...]
    y_ticks: tuple[AxisMark, ...]
    limit_y: float
    window_ms: tuple[float, float]
    edges_ms: tuple[float, ...]
    """Edges of the rows from the bottom up, from which the script reads a dragged range."""
    marked: tuple[float, float, float, float] | None
    """The selected range: x, y, width, height."""
    most_weight: float
    """Largest weight of a cell below the objective."""
    most_weight_slow: float


def column_ns(window: tuple[int, int]) -> int:
    """Return how wide a column is, for about sixty of them: whole minutes as far as there are so many.

    Over some days they are three hours wide, or several times that: as the store has them added up.
    """
    wanted = (window[1] - window[0]) / COLUMNS / 1e9
    for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600):
        if step >= wanted:
            return step * 1_000_000_000
    grain = 600 if wanted < _LONG_S else 10_800
    return math.ceil(wanted / grain) * grain * 1_000_000_000


def draw(heat: HeatMap, window: tuple[int, int], address: ViewAddress, path: str) -> DrawnHeatMap:
    """Return the drawing of a heat map."""
    edges = _edges(heat.cells)
    row = max(_LOWEST_ROW, min(_TALLEST_ROW, _HEIGHT // (len(edges) - 1)))
    foot = _TOP + row * (len(edges) - 1)
    right = _WIDTH - 8
    place: dict[int, float] = {edge: foot - row * number for number, edge in enumerate(edges)}
    # All slow ones are kept, and a sample of the others: each side has its own scale, or slow ones would be invisible.
    most = {
        slow: max((cell.weight for cell in heat.cells if (cell.low_ns >= LATENCY_LIMIT_NS) is slow), default=1.0)
        for slow in (False, True)
    }

    def x(time_ns: float) -> float:
        return _LEFT + min(1.0, max(0.0, (time_ns - window[0]) / (window[1] - window[0]))) * (right - _LEFT)

    bare = address.url(path, t0="", t1="", low="", high="", page="")
    base = f"{bare}{'&' if '?' in bare else '?'}"
    columns = {
        time: _column(time, heat.step_ns, (x(time), x(time + heat.step_ns)), address, base)
        for time in {cell.time_ns for cell in heat.cells}
    }
    top = max(place.values())
    rows = {
        low: _row(low, high, place.get(low, top) - row + 1, address)
        for low, high in {(cell.low_ns, cell.high_ns) for cell in heat.cells}
    }
    cells = tuple(_cell(cell, columns[cell.time_ns], rows[cell.low_ns], row - 1, most) for cell in heat.cells)
    limit = edges.index(LATENCY_LIMIT_NS)
    marks = [edge for number, edge in enumerate(edges) if (number - limit) % _PER_DOUBLING == 0]
    return DrawnHeatMap(
        _WIDTH,
        foot + 24,
        (_LEFT, _TOP, right, foot),
        cells,
        time_ticks(*window, x),
        tuple(AxisMark(place[mark], formatting.duration(mark)) for mark in marks),
        place[LATENCY_LIMIT_NS],
        (window[0] / NS_PER_MS, window[1] / NS_PER_MS),
        tuple(edge / NS_PER_MS for edge in edges),
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


def _column(time_ns: int, step_ns: int, across: tuple[float, float], address: ViewAddress, base: str) -> _Column:
    start = f"{time_ns / NS_PER_MS:.0f}"
    return _Column(
        round(across[0], 1),
        round(max(1.0, across[1] - across[0] - 1), 1),
        address.t0 == start,
        f"{base}t0={start}&t1={(time_ns + step_ns) / NS_PER_MS:.0f}",
        formatting.clock_time(time_ns),
    )


def _row(low_ns: int, high_ns: int | None, y: float, address: ViewAddress) -> _Row:
    low = f"{low_ns / NS_PER_MS:.6f}"
    upto = formatting.milliseconds(high_ns) if high_ns is not None else "∞"
    return _Row(
        y,
        low_ns >= LATENCY_LIMIT_NS,
        address.low == low,
        f"&low={low}" + ("" if high_ns is None else f"&high={high_ns / NS_PER_MS:.6f}"),
        f"{formatting.milliseconds(low_ns)} to {upto}",
    )


def _cell(cell: HeatCell, column: _Column, row: _Row, height: float, most: dict[bool, float]) -> DrawnCell:
    share = math.log1p(cell.weight) / math.log1p(max(most[row.slow], 1.0))
    return DrawnCell(
        column.x,
        row.y,
        column.width,
        height,
        max(1, min(LEVELS, math.ceil(share * LEVELS))),
        column.url + row.url,
        f"{column.title}, {row.title}: "
        f"{formatting.count(cell.extractions)} kept, standing for {formatting.count(cell.weight)} extractions",
        row.slow,
        row.chosen and column.chosen,
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
    left = x(float(address.t0) * NS_PER_MS if address.t0 else window[0])
    right = x(float(address.t1) * NS_PER_MS if address.t1 else window[1])
    low = float(address.low) * NS_PER_MS if address.low else edges[0]
    high = float(address.high) * NS_PER_MS if address.high else edges[-1]
    bottom = place[min(edges, key=lambda edge: abs(edge - low))]
    top = place[min(edges, key=lambda edge: abs(edge - high))]
    return round(left, 1), top, round(max(2.0, right - left), 1), max(2.0, bottom - top)
