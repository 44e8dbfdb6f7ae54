"""The figures of groups as tables: the same columns for a whole window, for its steps, and for the live view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import formatting
from otel_fe.dashboard.report import Table
from otel_fe.requirements import LATENCY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.dashboard.health import Health
    from otel_fe.dashboard.report import Cell

ALL: Final = "(all)"
"""Stands for every service, or every feature set."""
_COLUMNS: Final = {
    "span": "span",
    "from": "from (ISO 8601)",
    "until": "until (ISO 8601)",
    "service": "service",
    "feature_set": "feature set",
    "extractions": "extractions",
    "counted_s": "counted for (s)",
    "rate_per_s": "rate (1/s)",
    "mean_ms": "mean (ms)",
    "p50_ms": "p50 (ms)",
    "p95_ms": "p95 (ms)",
    "p99_ms": "p99 (ms)",
    "max_ms": "max (ms)",
    "slow_percent": f"{LATENCY} or more (%)",
    "errors_percent": "errors (%)",
    "hits_percent": "cache hits (%)",
}
"""Headings by the name that the JSON file uses. `span` is `window` or `step`, so that sums are not taken twice."""

Row = dict[str, Any]
"""By the names above; what is missing is not known."""


def figures_table(title: str, rows: Iterable[Row]) -> Table:
    """Return rows as a table with all columns."""
    found: list[list[Cell]] = [[row.get(name) for name in _COLUMNS] for row in rows]
    return Table(title, tuple(_COLUMNS.values()), found)


def spell(since_ns: float, until_ns: float) -> Row:
    """Return the two times of a row."""
    return {"from": formatting.iso(since_ns), "until": formatting.iso(until_ns)}


def ms(value_ns: float | None) -> float | None:
    """Return nanoseconds in milliseconds."""
    return None if value_ns is None else value_ns / 1e6


def percent(ratio: float | None) -> float | None:
    """Return a ratio in per cent."""
    return None if ratio is None else 100 * ratio


def health_table(health: Health) -> Table:
    """Return the score and its parts."""
    columns = ("requirement", "weight (%)", "points (0 to 100)", "good", "total", "bad (%)", "allowed (%)", "met")
    rows: list[list[Cell]] = [
        [
            part.title,
            percent(part.weight),
            part.points if part.met is not None else None,
            part.good,
            part.total,
            percent(part.bad_ratio),
            percent(part.allowed_ratio),
            part.met,
        ]
        for part in health.parts
    ]
    score = "no data" if health.score is None else f"{health.score:.0f} of 100, {health.status}"
    return Table(f"System health: {score}", columns, rows)
