"""What a rule sees at one moment, for one group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_fe.live.view import Group

if TYPE_CHECKING:
    from otel_fe.alerting.rule import Rule


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One measured value, judged. Where neither `holds` nor `over` it is in between, or not known."""

    rule: Rule
    observed: float
    holds: bool
    """The condition is true, and not by chance."""
    over: bool
    """It is surely over."""
    samples: int = 0
    group: Group = field(default_factory=Group)
    detail: str = ""
    """More that the alert is told apart by: the name of a pool, of an SLO and its windows."""
    threshold: float | None = None
    """Where it is another than the rule's: of throughput it depends on the hour before."""
    words: str = ""
    """What was counted."""
    bad: int | None = None
    """How many of `samples` were bad; None where they are not good or bad each."""
    outlook: str = ""
    """What becomes of it if it goes on, in words."""
    known: bool = True
    """False where there was too little to say anything."""

    @property
    def key(self) -> str:
        """What alerts are deduplicated by."""
        parts = (self.rule.type.value, self.rule.subject, self.group.service, self.group.feature_set, self.detail)
        return "/".join(part.replace("/", "%2F") for part in parts)
