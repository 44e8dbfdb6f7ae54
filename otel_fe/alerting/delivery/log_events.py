"""Alerts as OTLP log events, through the SDK's logger provider where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry._logs import SeverityNumber, get_logger_provider

from otel_fe import alert_event, semconv
from otel_fe.alerting.alert import Severity, State
from otel_fe.alerting.message import text_of
from otel_fe.version import __version__

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.util.types import AnyValue

    from otel_fe.alerting.alert import Alert

_NUMBERS: Final = {Severity.PAGE: SeverityNumber.ERROR, Severity.TICKET: SeverityNumber.WARN}


class LogEvents:
    """A receiver that emits `feature_extraction.alert` for each incident.

    Its severity is ERROR for a page, WARN for a ticket, and INFO once resolved.

    Args:
        provider: Where to; the global one by default, which does nothing where no SDK is set up.
    """

    takes_incidents: Final = True

    def __init__(self, provider: LoggerProvider | None = None) -> None:
        self._provider = provider

    def __call__(self, alert: Alert) -> None:
        """Emit one event."""
        provider = self._provider or get_logger_provider()
        resolved = alert.state is State.RESOLVED
        number = SeverityNumber.INFO if resolved else _NUMBERS[alert.severity]
        provider.get_logger(semconv.SCOPE_NAME, __version__).emit(
            timestamp=round((alert.resolved_unix_s if resolved else alert.fired_unix_s) * 1e9),
            severity_number=number,
            severity_text=number.name,
            body=text_of(alert),
            attributes=attributes_of(alert),
            event_name=alert_event.EVENT,
        )


def attributes_of(alert: Alert) -> dict[str, AnyValue]:
    """Return the attributes of an alert's event; what is not known is absent."""
    known: dict[str, AnyValue] = {
        alert_event.KEY: alert.key,
        alert_event.TYPE: alert.type.value,
        alert_event.STATE: alert.state.value,
        alert_event.SEVERITY: alert.severity.value,
        alert_event.SUBJECT: alert.subject,
        alert_event.TITLE: alert.title,
        alert_event.OBSERVED: alert.observed,
        alert_event.THRESHOLD: alert.threshold,
        alert_event.UNIT: alert.unit,
        alert_event.SINCE: alert.since_unix_s,
        semconv.FEATURE_SET: alert.feature_set,
        alert_event.CAUSE: alert.cause,
        alert_event.EXEMPLARS: alert.exemplars,
        alert_event.FIRST_ACTION: alert.first_action,
        alert_event.CAUSE_DETAIL: alert.cause_detail,
        alert_event.LINE: alert.cause_line,
        alert_event.IMPACT: alert.impact,
        alert_event.INCIDENT: alert.incident,
        alert_event.RELATED: alert.related,
        alert_event.PAGE_URL: alert.page_url,
        alert_event.RUNBOOK_URL: alert.runbook_url,
        alert_event.RESOLUTION: alert.resolution,
    }
    return {name: value for name, value in known.items() if value not in ("", ())}
