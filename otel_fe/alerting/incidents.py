"""Alerts grouped into incidents: one trouble, one message, however many alerts fire for it. Pure: values in, values out.

An incident is about a service. A feature set has one incident for alerts of the same or an unknown cause, and for those that began
together whatever their causes: a slow database both raises the p95 and times out. A cause that comes later is an incident of its
own, so that it is not lost in one that is already known. Feature sets share an incident where they share a cause that
is the process's (`PROCESS_WIDE`) or the very line of code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.semconv import (
    CAUSE_CPU_THROTTLED,
    CAUSE_CPU_WAIT,
    CAUSE_EVENT_LOOP,
    CAUSE_GC,
    CAUSE_GIL,
    CAUSE_PAGE_FAULTS,
    CAUSE_POOL_WAIT,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

TOGETHER_S: Final = 120.0
"""Alerts of a feature set that began within so many seconds of each other are one incident."""
PROCESS_WIDE: Final = frozenset(
    {
        CAUSE_POOL_WAIT,
        CAUSE_GC,
        CAUSE_GIL,
        CAUSE_CPU_THROTTLED,
        CAUSE_CPU_WAIT,
        CAUSE_PAGE_FAULTS,
        CAUSE_EVENT_LOOP,
    }
)
"""Causes that slow every feature set of a service: one incident, however many feature sets show it."""


class Symptom(NamedTuple):
    """One alert, as far as grouping needs it."""

    key: str
    """Unique among all alerts; the caller finds its alert by it."""
    service: str
    feature_set: str
    """Empty where it is about the whole service: its CPU, its memory."""
    page: bool
    """Whether a person has to act now."""
    cause: str = ""
    """Empty where none is known."""
    line: str = ""
    """`file:line function` of the cause; empty where none is known."""
    since_unix_s: float = 0.0
    """When its condition began to hold; 0 where that is unknown."""


@dataclass(slots=True)
class Incident:
    """Alerts that are announced once, together."""

    id: str
    """`service/feature set/cause` of the first alert: the same incident has the same id after a restart."""
    symptoms: list[Symptom] = field(default_factory=list)
    """In the order in which they joined; never empty while it is open."""

    @property
    def service(self) -> str:
        """Service that it is about."""
        return self.symptoms[0].service

    @property
    def page(self) -> bool:
        """Return whether one of its alerts is a page."""
        return any(one.page for one in self.symptoms)

    @property
    def lead(self) -> Symptom:
        """The alert that speaks for it: a page before a ticket, one with a cause before one without, then the first."""
        return min(self.symptoms, key=lambda one: (not one.page, not one.feature_set, not one.cause, one.since_unix_s))

    @property
    def cause(self) -> str:
        """Its likely cause; that of the leading alert, or the first that is known; empty where none is."""
        return self.lead.cause or next((one.cause for one in self.symptoms if one.cause), "")

    @property
    def feature_sets(self) -> tuple[str, ...]:
        """Feature sets that show it, without repetitions; empty where it is about the service alone."""
        return tuple(dict.fromkeys(one.feature_set for one in self.symptoms if one.feature_set))

    @property
    def since_unix_s(self) -> float:
        """When the first of its alerts began; 0 where that is unknown."""
        return min((one.since_unix_s for one in self.symptoms if one.since_unix_s), default=0.0)

    def takes(self, other: Symptom) -> bool:
        """Return whether an alert belongs to it."""
        return other.service == self.service and any(_same(one, other) for one in self.symptoms)


def group(symptoms: Iterable[Symptom]) -> list[Incident]:
    """Return the incidents that some alerts make up, pages first, then the oldest first. Their order does not matter."""
    found: list[Incident] = []
    # Those with a feature set and a cause first: alerts with neither join an existing incident.
    for one in sorted(symptoms, key=lambda one: (not one.feature_set, not one.cause, one.since_unix_s, one.key)):
        join(found, one)
    return sorted(found, key=lambda incident: (not incident.page, incident.since_unix_s, incident.id))


def join(incidents: list[Incident], symptom: Symptom) -> Incident:
    """Return the incident that an alert belongs to, and add it there; the incident is a new one in the list where there is none."""
    for incident in incidents:
        if incident.takes(symptom):
            break
    else:
        incident = Incident(_free_id(incidents, symptom))
        incidents.append(incident)
    incident.symptoms.append(symptom)
    return incident


def _same(one: Symptom, other: Symptom) -> bool:
    """Return whether two alerts of a service have the same cause."""
    alike = one.cause == other.cause
    if one.feature_set == other.feature_set:
        return alike or not one.cause or not other.cause or _together(one, other)
    if not one.feature_set or not other.feature_set:
        return _together(one, other)
    return bool(one.cause) and alike and (one.cause in PROCESS_WIDE or (bool(one.line) and one.line == other.line))


def _together(one: Symptom, other: Symptom) -> bool:
    known = one.since_unix_s and other.since_unix_s
    return not known or abs(one.since_unix_s - other.since_unix_s) <= TOGETHER_S


def _free_id(incidents: list[Incident], symptom: Symptom) -> str:
    parts = (symptom.service, symptom.feature_set, symptom.cause)
    wanted = "/".join(part.replace("/", "%2F") for part in parts)
    taken = {one.id for one in incidents}
    return next(
        name for number in range(len(taken) + 1) if (name := f"{wanted}#{number}" if number else wanted) not in taken
    )
