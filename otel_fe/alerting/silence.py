"""Silences: alerts that are not sent for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from otel_fe.alerting.alert import AlertType
    from otel_fe.alerting.evaluation import Evaluation
    from otel_fe.clock import Clock


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that match all fields are silent until `until_ns`; one that still fires then is sent."""

    until_ns: int
    """Monotonic."""
    type: AlertType | None = None
    """None for every one, as the next two."""
    feature_set: str | None = None
    service: str | None = None
    comment: str = ""
    """Why, and by whom."""
    id: str = field(default_factory=lambda: uuid4().hex)
    """Names it in `unsilence`: random, in hexadecimal."""
    subject: str | None = None
    """The measured quantity, as `Rule.subject`; None for all."""

    @classmethod
    def lasting(
        cls,
        duration_s: float,
        clock: Clock,
        alert_type: AlertType | None,
        feature_set: str | None,
        service: str | None,
        comment: str,
    ) -> Silence:
        """Return one that lasts from now.

        Args:
            duration_s: How long.
            clock: Its monotonic time is compared.
            alert_type: Of which type; None for all, as of the next two.
            feature_set: Of which feature set.
            service: Of which service.
            comment: The reason and the person.

        Raises:
            ValueError: `duration_s` is not above 0.
        """
        if not duration_s > 0:
            raise ValueError(f"duration_s is {duration_s!r}; use a number above 0")
        return cls(clock.monotonic_ns() + round(duration_s * 1e9), alert_type, feature_set, service, comment)

    def matches(self, reading: Evaluation, now_ns: int) -> bool:
        """Return whether the alert of an evaluation is silent.

        Args:
            reading: The evaluation.
            now_ns: Monotonic time.
        """
        return (
            now_ns < self.until_ns
            and self.type in (None, reading.rule.type)
            and self.subject in (None, reading.rule.subject)
            and self.feature_set in (None, reading.group.feature_set)
            and self.service in (None, reading.group.service)
        )
