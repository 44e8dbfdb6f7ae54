"""Delivery of alerts: to functions, as log events, to webhooks and to Alertmanager."""

from __future__ import annotations

from otel_fe.alerting.delivery.alertmanager import Alertmanager
from otel_fe.alerting.delivery.log_events import LogEvents
from otel_fe.alerting.delivery.webhook import Webhook, verify

__all__ = ["Alertmanager", "LogEvents", "Webhook", "verify"]
