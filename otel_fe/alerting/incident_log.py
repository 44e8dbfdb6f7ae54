"""Open incidents of one receiver, and the messages that it is sent of them: alerts in, messages out. Pure.

An incident is announced when it begins, when it becomes a page, and when its last alert resolves; alerts that join in between are
named in the next message.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from otel_fe.alerting.alert import Severity, State
from otel_fe.alerting.incidents import Incident, Symptom, join

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from otel_fe.alerting.alert import Alert


_OF_CAUSE: Final = (
    "cause", "cause_detail", "cause_line", "exemplars", "trace_urls", "first_action", "runbook_url",
)  # fmt: skip


@dataclass(slots=True)
class _Open:
    """An announced incident."""

    incident: Incident
    lead: Alert
    """Speaks for it, as it was last."""
    paged: bool
    """Whether it was announced as a page that still fires."""
    others: dict[str, Alert] = field(default_factory=dict)
    """Keyed by key: its other alerts that fire."""


class IncidentLog:
    """Follows incidents. Not thread-safe: the owner holds the lock. As many are open as alerts fire, at most."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def take(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Add alerts that began to fire or were resolved at one moment; return the messages to be sent.

        Each message is the alert that speaks for the incident, with the incident's id and the titles of the others.
        """
        told = list(alerts)
        firing = [alert for alert in told if alert.state is State.FIRING]
        messages = []
        for incident_id, new in self._joined(firing).items():
            one = self._open[incident_id]
            if new or (one.incident.page and not one.paged):
                messages.append(self._message(one))
            one.paged = one.incident.page
        for alert in told:
            if alert.state is State.RESOLVED:
                messages += self._resolve(alert)
        return messages

    def open(self, keys: Collection[str]) -> list[Alert]:
        """Return a message for each open incident that has one of some alerts: for receivers that want repetitions."""
        return [
            self._message(one)
            for one in self._open.values()
            if any(symptom.key in keys for symptom in one.incident.symptoms)
        ]

    def _joined(self, firing: list[Alert]) -> dict[str, bool]:
        """Add alerts to their incidents; return the ids of those that took any, and whether each is a new one."""
        by_key = {alert.key: alert for alert in firing}
        incidents = [one.incident for one in self._open.values()]
        touched: dict[str, bool] = {}
        for symptom in sorted(map(symptom_of, firing), key=_whole_first):
            if any(_has(one, symptom.key) for one in self._open.values()):
                continue
            alert, incident = by_key[symptom.key], join(incidents, symptom)
            one = self._open.get(incident.id)
            if one is None:
                self._open[incident.id] = _Open(incident, alert, paged=False)
                touched[incident.id] = True
                continue
            if symptom.page and not one.paged and one.lead.severity is not Severity.PAGE:
                one.others[one.lead.key], one.lead = one.lead, alert
            else:
                one.others[alert.key] = alert
            touched.setdefault(incident.id, False)
        return touched

    def _resolve(self, alert: Alert) -> list[Alert]:
        one = next((one for one in self._open.values() if _has(one, alert.key)), None)
        if one is None:
            return []
        one.others.pop(alert.key, None)
        incident = one.incident
        left = [symptom for symptom in incident.symptoms if symptom.key != alert.key]
        if not left:
            del self._open[incident.id]
            lead = alert if alert.key == one.lead.key else replace(
                one.lead, state=State.RESOLVED, title=f"Resolved: {one.lead.subject}{_where(one.lead)}",
                resolved_unix_s=alert.resolved_unix_s, resolution=alert.resolution, page_url=alert.page_url,
            )  # fmt: skip
            return [replace(lead, incident=incident.id)]
        incident.symptoms = left
        # A page that comes back while a ticket is still open is announced again.
        one.paged = one.paged and incident.page
        return []

    @staticmethod
    def _message(one: _Open) -> Alert:
        found = replace(
            one.lead,
            incident=one.incident.id,
            related=tuple(alert.title for alert in one.others.values()),
            since_unix_s=one.incident.since_unix_s or one.lead.since_unix_s,
        )
        # A budget that burns does not say why; an alert of the process that made it burn does.
        knowing = next((alert for alert in one.others.values() if alert.cause), None)
        if found.cause or knowing is None:
            return found
        return replace(found, **{name: getattr(knowing, name) for name in _OF_CAUSE})


def symptom_of(alert: Alert) -> Symptom:
    """Return an alert as grouping needs it."""
    page = alert.severity is Severity.PAGE
    return Symptom(alert.key, alert.service, alert.feature_set, page, alert.cause, alert.cause_line, alert.since_unix_s)


def _has(one: _Open, key: str) -> bool:
    return any(symptom.key == key for symptom in one.incident.symptoms)


def _whole_first(symptom: Symptom) -> tuple[bool, bool, bool, float]:
    """Order alerts so that what knows no feature set or cause joins what does, and a page speaks before a ticket."""
    return not symptom.feature_set, not symptom.cause, not symptom.page, symptom.since_unix_s


def _where(alert: Alert) -> str:
    found = f" of {alert.feature_set}" if alert.feature_set else ""
    return f"{found} in {alert.service}" if alert.service else found
