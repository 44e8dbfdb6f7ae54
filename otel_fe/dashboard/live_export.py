"""The sections of `FeatureExtractionDashboard` as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe import formatting
from otel_fe.dashboard.figure_tables import ALL, Row, figures_table, health_table, percent, spell
from otel_fe.dashboard.report import ExportedReport, Table
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from otel_fe.alerting.alert import Alert
    from otel_fe.dashboard.live_data import DashboardData
    from otel_fe.live.results import TrendPoint, WindowMetrics


def live_document(data: DashboardData) -> ExportedReport:
    """Return what is exported of the process."""
    now = data.time_unix_s
    whole = data.real_time_performance
    rows = [_of_window(now, ALL, whole), *(_of_window(now, name, one) for name, one in whole.feature_sets.items())]
    steps = [_of_step(point) for point in data.performance_trends.points]
    tables = [
        figures_table("The last minute", rows),
        health_table(data.system_health),
        _alerts(data.alerts.active),
        Table("Recommendations", ("what to do",), [(one,) for one in data.resources.recommendations]),
        figures_table("Step by step", steps),
    ]
    return ExportedReport(data, figures_table("", [*rows, *steps]), tables)


def _of_window(now_s: float, feature_set: str, one: WindowMetrics) -> Row:
    service, _, name = feature_set.rpartition("/")
    known = one.total_extractions > 0
    return {
        "span": "window",
        **spell((now_s - one.window_s) * NS_PER_S, now_s * NS_PER_S),
        "service": service if feature_set != ALL else ALL,
        "feature_set": name,
        "extractions": one.total_extractions,
        "counted_s": one.window_s,
        "rate_per_s": one.throughput_per_s,
        "mean_ms": one.avg_latency_ms if known else None,
        "p50_ms": one.p50_latency_ms if known else None,
        "p95_ms": one.p95_latency_ms if known else None,
        "p99_ms": one.p99_latency_ms if known else None,
        "max_ms": one.max_latency_ms if known else None,
        "slow_percent": percent(one.slow_extractions / one.total_extractions) if known else None,
        "errors_percent": percent(one.error_rate) if known else None,
        "hits_percent": percent(one.cache_hit_rate),
    }


def _of_step(point: TrendPoint) -> Row:
    return {
        "span": "step",
        **spell(point.time_unix_s * NS_PER_S, (point.time_unix_s + point.duration_s) * NS_PER_S),
        "service": ALL,
        "feature_set": ALL,
        "extractions": point.total_extractions,
        "counted_s": point.duration_s,
        "rate_per_s": point.throughput_per_s,
        "mean_ms": point.avg_latency_ms,
        "p95_ms": point.p95_latency_ms,
        "errors_percent": percent(point.error_rate),
        "hits_percent": percent(point.cache_hit_rate),
    }


def _alerts(active: tuple[Alert, ...]) -> Table:
    columns = ("severity", "alert", "service", "feature set", "since (ISO 8601)", "message")
    rows = [
        (
            one.severity.value,
            one.title,
            one.service,
            one.feature_set,
            formatting.iso(one.since_unix_s * NS_PER_S),
            one.message,
        )
        for one in active
    ]
    return Table("Alerts that fire now", columns, rows)
