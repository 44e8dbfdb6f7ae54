"""The current alerts: burning budgets, by exact counts, and alerts reported by processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import formatting, semconv
from otel_fe.model.slo import PAGE
from otel_fe.store.reported_alerts import ReportedAlerts
from otel_fe.store.series_keys import Which
from otel_fe.store.store_error import StoreError

if TYPE_CHECKING:
    from otel_fe.alerting.kept_silence import KeptSilence
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.pipeline.slo_engine import SloState
    from otel_fe.store.reported_alerts import ReportedAlert

_FRESH_NS: Final = 10 * 60 * 1_000_000_000
"""A gauge whose last point is older is ignored."""


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """One alert that is true now."""

    title: str
    severity: str
    """`page` or `ticket`."""
    service: str
    feature_set: str
    detail: str
    slo: str
    """SLO of the alert; empty for one reported by a process."""
    silence: KeptSilence | None = None
    """The silence that ends last, if it is silenced; None without one. A process silences its own alerts itself."""
    report: ReportedAlert | None = None
    """The process' log event with cause, traces and action; None if none is stored."""


def alerts_of(stored: PageContext, service: str | None = None, feature_set: str | None = None) -> list[ShownAlert]:
    """Return the alerts that are true now, pages first, silenced ones last."""
    return of_group(every_alert(stored, stored.slo_states()), service, feature_set)


def every_alert(stored: PageContext, states: tuple[SloState, ...]) -> list[ShownAlert]:
    """Return those of all groups, of states that are known already."""
    return sorted(
        _burning(stored, states) + _told(stored),
        key=lambda one: (one.silence is not None, one.severity != PAGE, one.service, one.feature_set, one.title),
    )


def of_group(alerts: list[ShownAlert], service: str | None, feature_set: str | None) -> list[ShownAlert]:
    """Return those of a service and a feature set, as far as they are given; what has no feature set is of every one."""
    return [
        one
        for one in alerts
        if service in (None, one.service) and (feature_set in (None, one.feature_set) or not one.feature_set)
    ]


def silences_of(stored: PageContext) -> tuple[KeptSilence, ...]:
    """Return the silences in force; none where they cannot be read: the collector then sends every alert, too."""
    try:
        return stored.silences.in_force(stored.now_ns())
    except StoreError:
        return ()


def _burning(stored: PageContext, states: tuple[SloState, ...]) -> list[ShownAlert]:
    silences = silences_of(stored)
    found = []
    for state in states:
        slo, group = state.slo.name, state.group
        # They come in the order of their ends.
        silence = next((one for one in reversed(silences) if one.matches(slo, group.service, group.feature_set)), None)
        for one in state.alerts:
            if one.true:
                title = f"{slo} {'budget burns' if one.alert.name == 'burn' else 'objective is broken'}"
                found.append(
                    ShownAlert(
                        title, one.alert.severity, group.service, group.feature_set, one.describe(), slo, silence
                    )
                )
    return found


def _told(stored: PageContext) -> list[ShownAlert]:
    """Return the alerts that processes report by their gauge."""
    now = stored.now_ns()
    found = []
    events = ReportedAlerts(stored.directory).firing()
    for key in stored.reader.series.keys(semconv.ALERT_ACTIVE):
        shown = stored.reader.series.gauge_by_step(
            Which(key.name, key.service, key.labels), now - _FRESH_NS, now + 1, _FRESH_NS
        )
        if shown and shown[-1].last > 0:
            kind = str(key.labels.get(semconv.ALERT, "alert"))
            name = kind.replace("_", " ")
            words = f"{formatting.count(shown[-1].last)} firing, reported by the process itself"
            severity = str(key.labels.get(semconv.SEVERITY, "ticket"))
            feature_set = str(key.labels.get(semconv.FEATURE_SET, ""))
            report = _event_of(events, key.service, feature_set, kind)
            words = (
                words if report is None or report.type != kind else f"{report.title}, reported by the process itself"
            )
            found.append(ShownAlert(name, severity, key.service, feature_set, words, "", report=report))
    return found


def _event_of(events: tuple[ReportedAlert, ...], service: str, feature_set: str, kind: str) -> ReportedAlert | None:
    """Return the event that speaks of an alert: its own, or else that of its feature set's incident."""
    of_group = [one for one in events if (one.service, one.feature_set) == (service, feature_set)]
    return next((one for one in of_group if one.type == kind), of_group[0] if of_group else None)
