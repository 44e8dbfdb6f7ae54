"""FeatureExtractionAlertingSystem: alerts that say what, since when, by how much, why, and what to do first.

collector = EnhancedMetricsCollector()
system = FeatureExtractionAlertingSystem(collector)
system.register_alert_handler(AlertType.LATENCY_THRESHOLD, lambda alert: print(alert.title))
system.check_performance_alerts()
"""

from __future__ import annotations

from otel_fe.alerting.alert import Alert, AlertType, Severity, State
from otel_fe.alerting.background_alerts import Attached, attach
from otel_fe.alerting.delivery import Alertmanager, LogEvents, Webhook, verify
from otel_fe.alerting.evaluation import Evaluation
from otel_fe.alerting.message import text_of
from otel_fe.alerting.origin import Origin
from otel_fe.alerting.rule import DEFAULT_RULES, Rule
from otel_fe.alerting.silence import Silence
from otel_fe.alerting.sources import PoolUse
from otel_fe.alerting.system import FeatureExtractionAlertingSystem

Reading = Evaluation
"""The former name of `Evaluation`."""

__all__ = [
    "DEFAULT_RULES",
    "Alert",
    "AlertType",
    "Alertmanager",
    "Attached",
    "Evaluation",
    "FeatureExtractionAlertingSystem",
    "LogEvents",
    "Origin",
    "PoolUse",
    "Rule",
    "Severity",
    "Silence",
    "State",
    "Webhook",
    "attach",
    "text_of",
    "verify",
]
