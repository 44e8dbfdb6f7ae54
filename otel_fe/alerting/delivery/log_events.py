"""Alerts as OTLP log events, through the SDK's logger provider where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry._logs import SeverityNumber, get_logger_provider

from otel_fe import semconv
from otel_fe.alerting.alert import Severity, State
from otel_fe.version import __version__

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.util.types import AnyValue

    from otel_fe.alerting.alert import Alert

_NUMBERS: Final = {Severity.PAGE: SeverityNumber.ERROR, Severity.TICKET: SeverityNumber.WARN}


class LogEvents:
    """A receiver that emits `feature_extraction.alert`; severity ERROR for a page, WARN for a ticket, INFO once resolved.

    Args:
        provider: Where to; the global one by default, which does nothing where no SDK is set up.
    """

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
            body=alert.message,
            attributes=attributes_of(alert),
            event_name=semconv.ALERT_EVENT,
        )


def attributes_of(alert: Alert) -> dict[str, AnyValue]:
    """Return the attributes of an alert's event; what is not known is absent."""
    known: dict[str, AnyValue] = {
        semconv.ALERT_KEY: alert.key,
        semconv.ALERT_TYPE: alert.type.value,
        semconv.ALERT_STATE: alert.state.value,
        semconv.ALERT_SEVERITY: alert.severity.value,
        semconv.ALERT_SUBJECT: alert.subject,
        semconv.ALERT_TITLE: alert.title,
        semconv.ALERT_OBSERVED: alert.observed,
        semconv.ALERT_THRESHOLD: alert.threshold,
        semconv.ALERT_UNIT: alert.unit,
        semconv.ALERT_SINCE: alert.since_unix_s,
        semconv.FEATURE_SET: alert.feature_set,
        semconv.ALERT_CAUSE: alert.cause,
        semconv.ALERT_EXEMPLARS: alert.exemplars,
        semconv.ALERT_FIRST_ACTION: alert.first_action,
    }
    return {name: value for name, value in known.items() if value not in ("", ())}
