"""Geometry of drawings: scales, round ticks, paths.

The server draws, as SVG, so that a page can be read without a script, and follows the reader's colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.units import DAY_NS, MINUTE_NS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.changes import Mark

_ROUND_S: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 10_800, 21_600, 43_200),
    *(86_400, 172_800, 432_000, 864_000),
)
_TICKS: Final = 6
LEFT: Final = 72
"""Left edge of the plot in a line chart: labels such as `37.5 ms` have room before it, also on narrow screens."""
_HALF_A_LABEL: Final = 14
"""Margin of the time axis for half a label; a label that reaches beyond would be cut off."""


@dataclass(frozen=True, slots=True)
class AxisMark:
    """A mark on an axis."""

    at: float
    """Position in pixels."""
    label: str
    time_ns: int = 0
    """Time of a mark on the time axis, for the reader's zone."""


@dataclass(frozen=True, slots=True)
class LineChart:
    """One figure over time."""

    width: int
    height: int
    path: str
    area: str
    dots: tuple[tuple[float, float, str, int], ...]
    """Each with its tooltip, and its time (ns)."""
    x_ticks: tuple[AxisMark, ...]
    y_ticks: tuple[AxisMark, ...]
    limit_y: float | None
    """The position of the objective."""
    window: tuple[int, int]
    """Window of the time axis, in Unix ns."""

    def marked(self, marks: Sequence[Mark]) -> list[tuple[float, str, int]]:
        """Return where the changes in its window lie, with their words and times (ns)."""
        since, until = self.window
        across = (self.width - 8 - LEFT) / max(1, until - since)
        return [
            (round(LEFT + (mark.time_ns - since) * across, 1), mark.title, mark.time_ns)
            for mark in marks
            if since <= mark.time_ns < until
        ]


def time_ticks(since_ns: int, until_ns: int, x: Callable[[float], float]) -> tuple[AxisMark, ...]:
    """Return marks at round times, about half a dozen."""
    length_s = max(1.0, (until_ns - since_ns) / 1e9)
    step = next((one for one in _ROUND_S if length_s / one <= _TICKS), _ROUND_S[-1]) * 1_000_000_000
    first = -(-since_ns // step) * step
    return tuple(AxisMark(round(x(time), 1), _utc(time, step), time) for time in range(first, until_ns, step))


def _utc(time_ns: int, step_ns: int) -> str:
    minutes = time_ns // MINUTE_NS
    if step_ns >= DAY_NS:
        return f"day {minutes // 1440}"
    clock = f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
    return f"{clock}:{time_ns // NS_PER_S % 60:02d}" if step_ns < MINUTE_NS else clock


def line_chart(
    points: Sequence[tuple[int, float]],
    window: tuple[int, int],
    say: Callable[[float], str],
    *,
    step_ns: int,
    limit: float | None = None,
    most: float | None = None,
    least: float = 0.0,
    marks: Sequence[float] = (),
    width: int = 560,
    height: int = 150,
) -> LineChart:
    """Return a line over a window of time.

    Args:
        points: Unix time (ns) and value, by time. Where more than two steps lie between two of them the line is broken.
        window: Of the axis of time, in ns.
        say: Writes a value with its unit.
        step_ns: How far points are apart.
        limit: The objective, in the values' unit.
        most: The top of the axis; what is needed where None.
        least: The foot of the axis.
        marks: Of the axis of values; foot, middle and top where empty.
        width: Of the drawing, in px, as `height`.
        height: Likewise.
    """
    left, right, top, foot = LEFT, width - 8, 8, height - 22
    values = [value for _, value in points] + ([limit] if limit is not None else [])
    peak = most if most is not None else round_up(max(values, default=1.0) * 1.05 or 1.0)

    def x(time_ns: float) -> float:
        return left + (time_ns - window[0]) / max(1, window[1] - window[0]) * (right - left)

    def y(value: float) -> float:
        return foot - (min(max(value, least), peak) - least) / (peak - least) * (foot - top)

    places = [(x(time), y(value), say(value), time) for time, value in points]
    line, under = _paths(places, foot, gap=2.5 * step_ns / max(1, window[1] - window[0]) * (right - left))
    marks = marks or [least + (peak - least) * share / 2 for share in range(3)]
    return LineChart(
        width,
        height,
        line,
        under,
        tuple((round(px, 1), round(py, 1), words, time) for px, py, words, time in places),
        tuple(tick for tick in time_ticks(*window, x) if tick.at <= right - _HALF_A_LABEL),
        tuple(AxisMark(round(y(mark), 1), say(mark)) for mark in marks),
        None if limit is None else round(y(limit), 1),
        window,
    )


def round_up(value: float) -> float:
    """Return the next 1, 2, 2.5 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999)


def _paths(places: Sequence[tuple[float, float, str, int]], foot: float, *, gap: float) -> tuple[str, str]:
    runs: list[list[tuple[float, float]]] = []
    for px, py, _, _ in places:
        if not runs or px - runs[-1][-1][0] > gap:
            runs.append([])
        runs[-1].append((px, py))
    lines, areas = [], []
    for run in runs:
        text = "L".join(f"{px:.1f} {py:.1f}" for px, py in run)
        lines.append(f"M{text}")
        areas.append(f"M{run[0][0]:.1f} {foot}L{text}L{run[-1][0]:.1f} {foot}Z")
    return "".join(lines), "".join(areas)
