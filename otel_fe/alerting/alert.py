"""An alert: what is wrong, since when, by how much, why, and what to do first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from otel_fe.model import slo
from otel_fe.model.mapping_dataclass import MappingDataclass


class AlertType(Enum):
    """The type of an alert."""

    LATENCY_THRESHOLD = "latency_threshold"
    """The 95th percentile is too high."""
    RESOURCE_USAGE = "resource_usage"
    """CPU, memory or GPU."""
    CACHE_DEGRADATION = "cache_degradation"
    """Too few look-ups hit."""
    ERROR_RATE_SPIKE = "error_rate_spike"
    THROUGHPUT_DROP = "throughput_drop"
    """Much less than in the hour before."""
    POOL_EXHAUSTION = "pool_exhaustion"
    """Extractions wait for connections."""
    SLO_BURN = "slo_burn"
    """An error budget is spent too fast."""
    CAPACITY = "capacity"
    """Traffic is about to exceed what the service carries."""
    ANOMALY = "anomaly"
    """Unlike this hour of other days."""


class Severity(Enum):
    """The urgency of an alert."""

    PAGE = slo.PAGE
    """A person has to act now."""
    TICKET = slo.TICKET
    """A person has to act in the next days."""


class State(Enum):
    """The state of an alert."""

    PENDING = "pending"
    """Its condition holds, not for long enough yet."""
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, eq=False)
class Alert(MappingDataclass):
    """One alert at one moment. Values of its fields only; no key, parameter or message of the application's."""

    key: str
    """The key by which it is deduplicated: type, subject, service and feature set."""
    type: AlertType
    """The kind of problem that it reports."""
    severity: Severity
    """Whether it pages or is a ticket."""
    state: State
    """Pending, firing or resolved, when it was made."""
    title: str
    """One line."""
    message: str
    """The measurement, feature set, excess, start, and number of extractions, in a sentence."""
    service: str
    """Empty for this process."""
    feature_set: str
    """Empty where it is not about one, or the extractions have none."""
    subject: str
    """The measured quantity: `p95 latency`, `memory`, the name of an SLO."""
    observed: float
    """The last value, or that of when it was resolved."""
    threshold: float
    """The value at which its condition holds."""
    unit: str
    """Unit of both values: `ms`, `ratio`, `percent`, `MB`, `per s`, `x budget`, `h of budget`, `deviations`."""
    samples: int
    """Extractions that the value is over; 0 where it is not over extractions."""
    since_unix_s: float
    """When its condition began to hold."""
    fired_unix_s: float = 0.0
    """0 while pending."""
    resolved_unix_s: float = 0.0
    """0 until resolved."""
    cause: str = ""
    """The likely cause: one of attribution's, an `error.type`, or empty where nothing is known."""
    cause_detail: str = ""
    """The cause in words, with its numbers."""
    exemplars: tuple[str, ...] = ()
    """Up to three trace ids in hexadecimal, of traces that are kept."""
    first_action: str = ""
    """The first thing to do."""
    silenced: bool = False
    """Whether a silence keeps it from being sent."""
    resolution: str = ""
    """The reason for its resolution: `recovered` or `no data`."""
    ended: str = ""
    """The end in words; empty where `resolution` says it all."""
    cause_line: str = ""
    """`file:line function` where most of the cause's time went; empty where it is not known."""
    impact: str = ""
    """The impact in everyday words: `about 1 in 3 extractions (38 of 120 …)`."""
    service_name: str = ""
    """Of the service that it is about, this process's too; empty where it is not known."""
    incident: str = ""
    """Id of the incident, in the message that speaks for several alerts; empty for a single alert."""
    related: tuple[str, ...] = ()
    """Titles of the incident's other alerts, in the same message."""
    trace_urls: tuple[str, ...] = ()
    """Addresses of the exemplars; none where no dashboard is known."""
    page_url: str = ""
    """Address of the page at the time of the alert; empty likewise."""
    runbook_url: str = ""
    """Address of what to do about it; empty where there is none."""

    def document(self) -> dict[str, object]:
        """Return it with nothing in it that JSON does not have."""
        found = dict(self)
        found.update(type=self.type.value, severity=self.severity.value, state=self.state.value)
        for name in ("exemplars", "related", "trace_urls"):
            found[name] = list(getattr(self, name))
        return found
