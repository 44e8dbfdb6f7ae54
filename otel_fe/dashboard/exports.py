"""Exports the overview's figures of a window as a file, for every group and step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import formatting
from otel_fe.dashboard.figure_tables import ALL, Row, figures_table, health_table, ms, percent, spell
from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.page_response import PageResponse
from otel_fe.dashboard.report import FORMATS, ExportedReport, Table, written
from otel_fe.dashboard.series_over_time import over_time
from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from otel_fe.dashboard.figures import Figures
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.series_over_time import OverTime
    from otel_fe.dashboard.view_address import ViewAddress

_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
_MOST_GROUPS: Final = 50
"""Groups whose steps are exported, those with most slow extractions; of others, only the whole window."""


def export(stored: PageContext, address: ViewAddress, kind: str) -> PageResponse:
    """Return a file to be saved.

    Raises:
        ConfigurationError: The format is unknown.
        StoreError: The store cannot be read.
    """
    if kind not in FORMATS:
        raise ConfigurationError("/export", kind, f"use one of {', '.join(FORMATS)}")
    text = written(exported(stored, address), kind)
    disposition = ("Content-Disposition", f'attachment; filename="feature-extraction.{kind}"')
    return PageResponse(200, text.encode(), _TYPES[kind], (disposition,))


def exported(stored: PageContext, address: ViewAddress) -> ExportedReport:
    """Return the exported data, with the section names of `FeatureExtractionDashboard`."""
    found = overview(stored, address)
    window = found["window"]
    everything = (address.service or ALL, address.feature_set or ALL)
    whole = _of_window(window, *everything, found["figures"])
    groups = [_of_window(window, one["service"], one["feature_set"], one["figures"]) for one in found["groups"]]
    steps = _of_steps(*everything, found["over_time"])
    for one in found["groups"][:_MOST_GROUPS]:
        group = one["service"], one["feature_set"]
        if group != everything:
            steps += _of_steps(*group, over_time(stored, window, *group))
    own = [row for row in groups if (row["service"], row["feature_set"]) != everything]
    data = {
        **spell(*window),
        "service": address.service or ALL,
        "feature_set": address.feature_set or ALL,
        "real_time_performance": whole,
        "performance_trends": {
            "step_s": found["over_time"].step_ns / 1e9,
            "trends": found["over_time"].trends,
            "steps": steps,
        },
        "system_health": found["health"],
        "alerts": found["alerts"],
        "recommendations": [_advised(one) for one in found["recommendations"]],
        "groups": groups,
    }
    tables = [
        figures_table("The window", [whole, *own]),
        health_table(found["health"]),
        _alerts(found["alerts"]),
        _advice(found["recommendations"]),
        figures_table("Step by step", steps),
    ]
    return ExportedReport(data, figures_table("", [whole, *own, *steps]), tables)


def _of_window(window: tuple[int, int], service: str, feature_set: str, figures: Figures) -> Row:
    return {
        "span": "window",
        **spell(*window),
        "service": service,
        "feature_set": feature_set,
        "extractions": figures.extractions,
        "counted_s": figures.counted_s,
        "rate_per_s": figures.per_s,
        "mean_ms": ms(figures.mean_ns),
        "p50_ms": ms(figures.p50_ns),
        "p95_ms": ms(figures.p95_ns),
        "p99_ms": ms(figures.p99_ns),
        "max_ms": ms(figures.max_ns),
        "slow_percent": percent(figures.slow_ratio),
        "errors_percent": percent(figures.error_ratio),
        "hits_percent": percent(figures.hit_ratio),
    }


def _of_steps(service: str, feature_set: str, course: OverTime) -> list[Row]:
    return [
        {
            "span": "step",
            **spell(one.time_ns, one.time_ns + course.step_ns),
            "service": service,
            "feature_set": feature_set,
            "extractions": one.extractions,
            "counted_s": one.counted_s,
            "rate_per_s": one.per_s,
            "mean_ms": ms(one.mean_ns),
            "p50_ms": ms(one.p50_ns),
            "p95_ms": ms(one.p95_ns),
            "p99_ms": ms(one.p99_ns),
            "max_ms": ms(one.max_ns),
            "slow_percent": percent(one.slow_ratio),
            "errors_percent": percent(one.error_ratio),
            "hits_percent": percent(one.hit_ratio),
        }
        for one in course.steps
    ]


def _alerts(alerts: list[Any]) -> Table:
    columns = ("severity", "alert", "service", "feature set", "detail", "silenced until (ISO 8601)")
    rows = [
        (
            one.severity,
            one.title,
            one.service,
            one.feature_set,
            one.detail,
            None if one.silence is None else formatting.iso(one.silence.until_ns),
        )
        for one in alerts
    ]
    return Table("Alerts that fire now", columns, rows)


def _advice(found: list[dict[str, Any]]) -> Table:
    columns = ("cause", "share (%)", "of what", "estimated p95 (ms)", "estimated p95 without it (ms)", "what to do")
    rows = [
        (
            one["name"],
            percent(one["share"]),
            one["words"],
            ms(one["p95_ns"]),
            ms(one["p95_without_ns"]),
            one["action"],
        )
        for one in found
    ]
    return Table("Recommendations", columns, rows)


def _advised(one: dict[str, Any]) -> dict[str, Any]:
    kept = {name: one[name] for name in ("cause", "name", "words", "action")}
    estimated = {"p95_ms": ms(one["p95_ns"]), "p95_without_ms": ms(one["p95_without_ns"])}
    return {**kept, "share_percent": percent(one["share"]), "estimated": estimated}
