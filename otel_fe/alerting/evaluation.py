"""The result of measuring a rule at one moment, for one group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_fe.live.view import ExtractionGroup

if TYPE_CHECKING:
    from otel_fe.alerting.rule import Rule


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One measured value, judged. Where neither `holds` nor `over` it is in between, or not known."""

    rule: Rule
    """The rule that the value was measured for."""
    observed: float
    """The value, in the rule's unit."""
    holds: bool
    """The condition is true, and not by chance."""
    over: bool
    """The condition certainly no longer holds."""
    samples: int = 0
    """Extractions that the value is over; 0 where it is not over extractions."""
    group: ExtractionGroup = field(default_factory=ExtractionGroup)
    """The service and feature set that it is about; empty for the container or machine."""
    detail: str = ""
    """Further parts of the alert's identity: the name of a pool, or of an SLO and its windows."""
    threshold: float | None = None
    """The threshold, if it differs from the rule's: that of throughput depends on the hour before."""
    words: str = ""
    """The counts behind the value, in words."""
    bad: int | None = None
    """The number of bad `samples`; None if samples are not good or bad."""
    outlook: str = ""
    """The consequence if the condition persists, in words."""
    known: bool = True
    """False where there was too little to say anything."""
    statement: str = ""
    """Says what is wrong, in a sentence without a full stop; empty where the value and its threshold say it."""
    ending: str = ""
    """Beside a statement, why it ended: where "recovered" and "nothing is measured any more" do not say it."""

    @property
    def key(self) -> str:
        """Return the key by which alerts are deduplicated."""
        parts = (self.rule.type.value, self.rule.subject, self.group.service, self.group.feature_set, self.detail)
        return "/".join(part.replace("/", "%2F") for part in parts)
