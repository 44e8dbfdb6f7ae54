"""FeatureExtractionDashboard: the dashboard's sections for the process that it runs in.

dashboard = FeatureExtractionDashboard()
dashboard.get_real_time_dashboard_data()
dashboard.get_performance_trends()
dashboard.export_dashboard_data()            # JSON; "csv" and "html" too
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from otel_fe.alerting.system import FeatureExtractionAlertingSystem
from otel_fe.dashboard.health import health
from otel_fe.dashboard.live_data import AlertOverview, DashboardData, ResourceOverview
from otel_fe.dashboard.live_export import live_document
from otel_fe.dashboard.report import FORMATS, written
from otel_fe.enhanced_metrics import EnhancedMetricsCollector

if TYPE_CHECKING:
    from pathlib import Path

    from otel_fe.cache_connection_integration import CacheConnectionIntegration
    from otel_fe.live.results import PerformanceTrends
    from otel_fe.resources.results import UnifiedResourceStats

__all__ = ["DashboardData", "FeatureExtractionDashboard"]

_RECENT = 50


class FeatureExtractionDashboard:
    """Puts together what the other components know. Safe to share between threads.

    Args:
        metrics_collector: Where figures come from; one of its own, which follows this process, by default.
        alerting_system: Where alerts come from; one of its own, on that collector, by default.
        cache_connection_integration: Where caches and pools come from; without it that part stays empty, since watching pools
            is for the application to switch on.
    """

    def __init__(
        self,
        metrics_collector: EnhancedMetricsCollector | None = None,
        alerting_system: FeatureExtractionAlertingSystem | None = None,
        cache_connection_integration: CacheConnectionIntegration | None = None,
    ) -> None:
        self._own = metrics_collector is None
        self._collector = EnhancedMetricsCollector() if metrics_collector is None else metrics_collector
        self._alerting = alerting_system or FeatureExtractionAlertingSystem(self._collector, log_events=False)
        self._integration = cache_connection_integration

    def get_real_time_dashboard_data(self) -> DashboardData:
        """Return all five sections, now. Reads the caches that are watched; otherwise it never waits."""
        summary = self._collector.get_performance_summary()
        counts = {name: (one.good, one.total) for name, one in summary.requirements.items()}
        alerts = self._alerts()
        connections = None if self._integration is None else self._integration.get_unified_resource_stats()
        return DashboardData(
            summary.time_unix_s,
            self._collector.get_real_time_metrics(),
            self._collector.get_performance_trends(),
            health(counts, (one.severity.value for one in alerts.active if not one.silenced)),
            alerts,
            ResourceOverview(self._collector.get_system_resources(), connections, _advice(alerts, connections)),
        )

    def get_performance_trends(self, hours: float = 1.0, feature_set: str | None = None) -> PerformanceTrends:
        """Return how the figures have moved.

        Args:
            hours: How far back, at most 24.
            feature_set: Which; None for all together.

        Raises:
            ValueError: `hours` is not above 0, or more than 24.
        """
        return self._collector.get_performance_trends(hours, feature_set)

    def export_dashboard_data(self, format: str = "json", path: Path | str | None = None) -> str:  # noqa: A002 as callers say it
        """Return everything as one document, and write it to a file where a path is given.

        Args:
            format: `json`; `csv`, a row for each feature set and step; or `html`, a page that needs nothing else.
            path: Where to write it, in UTF-8.

        Raises:
            ValueError: The format is unknown.
            OSError: The file cannot be written.
        """
        if format not in FORMATS:
            raise ValueError(f"format is {format!r}; use one of {', '.join(FORMATS)}")
        text = written(live_document(self.get_real_time_dashboard_data()), format)
        if path is not None:
            with open(path, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 also for texts
                file.write(text)
        return text

    def close(self) -> None:
        """Close the objects that it has created itself."""
        if self._own:
            self._collector.close()

    def _alerts(self) -> AlertOverview:
        active = tuple(self._alerting.evaluate())
        recent = tuple(reversed(self._alerting.get_alert_history(_RECENT)))
        return AlertOverview(active, recent, dict(Counter(alert.severity.value for alert in active)))


def _advice(alerts: AlertOverview, connections: UnifiedResourceStats | None) -> tuple[str, ...]:
    found = [f"{alert.title}: {alert.first_action}" for alert in alerts.active if alert.first_action]
    found += [
        f"{one.subject}: set {one.setting} to {one.advised} {one.unit}".rstrip() + f". {one.arithmetic}"
        for one in (() if connections is None else connections.recommendations)
    ]
    return tuple(dict.fromkeys(found))
