"""The results of `FeatureExtractionDashboard`: values that also read as dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_fe.model.mapping_dataclass import MappingDataclass

if TYPE_CHECKING:
    from otel_fe.alerting.alert import Alert
    from otel_fe.dashboard.health import Health
    from otel_fe.live.results import PerformanceTrends, RealTimeMetrics, SystemResources
    from otel_fe.resources.results import UnifiedResourceStats


@dataclass(frozen=True, eq=False)
class AlertOverview(MappingDataclass):
    """Alerts at the moment, and lately."""

    active: tuple[Alert, ...]
    """Alerts that fire, the oldest first."""
    recent: tuple[Alert, ...]
    """The last transitions, the newest first."""
    by_severity: dict[str, int] = field(default_factory=dict)
    """Active alerts by severity."""


@dataclass(frozen=True, eq=False)
class ResourceOverview(MappingDataclass):
    """The headroom of the machine, caches and pools."""

    system: SystemResources
    connections: UnifiedResourceStats | None
    """None where no CacheConnectionIntegration was given."""
    recommendations: tuple[str, ...]
    """Advice in words; empty if there is none."""


@dataclass(frozen=True, eq=False)
class DashboardData(MappingDataclass):
    """The five sections of the dashboard."""

    time_unix_s: float
    real_time_performance: RealTimeMetrics
    """Of the last minute."""
    performance_trends: PerformanceTrends
    """Of the last hour."""
    system_health: Health
    """Of the last hour, with its parts and weights."""
    alerts: AlertOverview
    resources: ResourceOverview
