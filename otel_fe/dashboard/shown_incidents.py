"""Alerts as a page lists them: one entry an incident, with its alerts folded in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.alerting.incidents import Symptom, group
from otel_fe.dashboard.trace_view import TRACE_ID
from otel_fe.formatting import clock_time
from otel_fe.model.slo import PAGE, TICKET
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_fe.dashboard.alert_list import ShownAlert
    from otel_fe.dashboard.reasons import FeatureSetReason
    from otel_fe.pipeline.explanation import Explanation
    from otel_fe.store.reported_alerts import ReportedAlert

_OF_SLOWNESS: Final = frozenset({"latency", "latency threshold", "pool exhaustion"})
"""SLOs and alerts of processes that the cause of slowness explains; errors and misses have reasons of their own."""
_MOST_SHOWN: Final = 3
"""Feature sets that an incident's heading names."""


@dataclass(frozen=True, slots=True)
class ShownIncident:
    """One trouble."""

    severity: str
    """`page` where one of its alerts is a page that is not silenced, else `ticket`."""
    service: str
    feature_sets: tuple[str, ...]
    """Empty where it is about the service alone."""
    title: str
    """Of the alert that speaks for it."""
    cause: str
    """`81 % of slow time in SELECT … transactions`; empty where unknown."""
    line: str
    """`file:line function` of the cause; empty where unknown."""
    action: str
    """The first action; empty if unknown."""
    alerts: tuple[ShownAlert, ...]
    silenced: int
    """The number of silenced ones."""
    since: str = ""
    """Its beginning, as its process reported; empty if unknown."""
    traces: tuple[str, ...] = ()
    """Ids of traces that show it, likewise."""

    @property
    def subject(self) -> str:
        """Return its subject, as a heading."""
        shown = self.feature_sets[:_MOST_SHOWN]
        more = len(self.feature_sets) - len(shown)
        return (", ".join(shown) + (f" and {more} more" if more else "")) or self.service or "(no name)"


def incidents_of(
    alerts: Sequence[ShownAlert], reasons: Mapping[tuple[str, str], FeatureSetReason]
) -> list[ShownIncident]:
    """Return the incidents that alerts make up, pages first, silenced ones last.

    Args:
        alerts: What fires.
        reasons: By service and feature set, why it is slow, where that is known.
    """
    symptoms = [_symptom(str(number), one, reasons) for number, one in enumerate(alerts)]
    found = [
        _shown([alerts[int(one.key)] for one in sorted(incident.symptoms, key=lambda one: int(one.key))], reasons)
        for incident in group(symptoms)
    ]
    return sorted(found, key=lambda one: (one.silenced == len(one.alerts), one.severity != PAGE))


def _symptom(key: str, alert: ShownAlert, reasons: Mapping[tuple[str, str], FeatureSetReason]) -> Symptom:
    told = _reason(alert, reasons)
    cause, line = ("", "") if told is None else (told.explanation.spent_in, told.explanation.line)
    event = alert.report
    if event is not None and not cause:
        cause, line = event.cause, event.line
    since = 0.0 if event is None else event.since_unix_s
    return Symptom(key, alert.service, alert.feature_set, alert.severity == PAGE, cause, line, since)


def _reason(alert: ShownAlert, reasons: Mapping[tuple[str, str], FeatureSetReason]) -> FeatureSetReason | None:
    about = alert.slo or alert.title
    return reasons.get((alert.service, alert.feature_set)) if about in _OF_SLOWNESS else None


def _shown(alerts: Sequence[ShownAlert], reasons: Mapping[tuple[str, str], FeatureSetReason]) -> ShownIncident:
    lead = alerts[0]  # they come with pages first and silenced ones last
    told = next((one for alert in alerts if (one := _reason(alert, reasons)) is not None), None)
    event = next((one.report for one in alerts if one.report is not None), None)
    explanation = None if told is None or not told.explanation.cause else told.explanation
    return ShownIncident(
        PAGE if any(one.severity == PAGE and one.silence is None for one in alerts) else TICKET,
        lead.service,
        tuple(dict.fromkeys(one.feature_set for one in alerts if one.feature_set)),
        lead.title,
        *_why(explanation, event),
        told.advice[0]["action"] if told is not None and told.advice else "" if event is None else event.first_action,
        tuple(alerts),
        sum(one.silence is not None for one in alerts),
        "" if event is None or not event.since_unix_s else clock_time(event.since_unix_s * NS_PER_S),
        () if event is None else tuple(one for one in event.exemplars if TRACE_ID.fullmatch(one)),
    )


def _why(explanation: Explanation | None, event: ReportedAlert | None) -> tuple[str, str]:
    """Return the cause in words and its line: as the store explains it, or else as the process reported it."""
    if explanation is not None:
        return explanation.reason().removesuffix(f" ({explanation.line})"), explanation.line
    if event is None:
        return "", ""
    return (event.cause_detail or event.cause).replace(f" ({event.line})", ""), event.line
