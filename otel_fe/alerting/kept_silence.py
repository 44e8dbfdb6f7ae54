"""A silence that outlives the process that made it: which alerts, until when, by whom and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.alerting.alert import AlertType
from otel_fe.alerting.silence import Silence
from otel_fe.alerting.sources import subject_of
from otel_fe.errors import ConfigurationError
from otel_fe.units import DAY_NS

if TYPE_CHECKING:
    from otel_fe.clock import Clock

SHORTEST_NS: Final = 60 * 1_000_000_000
LONGEST_NS: Final = 30 * DAY_NS
"""Longer ones are forgotten by those who made them."""
_LONGEST_NAME: Final = 300
_LONGEST_AUTHOR: Final = 80
_LONGEST_COMMENT: Final = 500
_BREAKS: Final = frozenset("\x7f\x85\u2028\u2029")


@dataclass(frozen=True, slots=True)
class KeptSilence:
    """Alerts on budgets that match all fields are not sent until `until_ns`.

    Raises:
        ConfigurationError: A field is invalid.
    """

    id: str
    slo: str | None
    """Name of the SLO; None for every one, as the next two."""
    service: str | None
    """Empty: those without a name."""
    feature_set: str | None
    created_ns: int
    """Unix time, as the next."""
    until_ns: int
    author: str
    comment: str
    """Why."""

    def __post_init__(self) -> None:
        if (self.slo, self.service, self.feature_set) == (None, None, None):
            raise ConfigurationError("silence", "every alert", "choose an objective, a service or a feature set")
        for name, text in (("objective", self.slo), ("service", self.service), ("feature set", self.feature_set)):
            if text is not None and len(text) > _LONGEST_NAME:
                raise ConfigurationError(name, f"{len(text)} characters", f"use at most {_LONGEST_NAME}")
        for name, text, most in (("by", self.author, _LONGEST_AUTHOR), ("comment", self.comment, _LONGEST_COMMENT)):
            if not text.strip() or len(text) > most or any(letter < " " or letter in _BREAKS for letter in text):
                shown = text if len(text) <= most else f"{len(text)} characters"
                raise ConfigurationError(name, shown, f"use one line of 1 to {most} characters")
        if not SHORTEST_NS <= self.until_ns - self.created_ns <= LONGEST_NS:
            seconds = (self.until_ns - self.created_ns) // 1_000_000_000
            raise ConfigurationError("duration", f"{seconds} s", "use 1m to 30d, for example 4h")

    def matches(self, slo: str, service: str, feature_set: str) -> bool:
        """Return whether it covers an alert on an SLO's budget, of a group. Its owner leaves out expired silences."""
        return self.slo in (None, slo) and self.service in (None, service) and self.feature_set in (None, feature_set)

    def in_process(self, clock: Clock) -> Silence:
        """Return the same as an alerting system takes it, by this process's monotonic clock."""
        left_ns = self.until_ns - clock.time_ns()
        return Silence(
            clock.monotonic_ns() + left_ns,
            AlertType.SLO_BURN,
            self.feature_set,
            self.service,
            f"{self.author}: {self.comment}",
            self.id,
            None if self.slo is None else subject_of(self.slo),
        )

    def describe(self) -> str:
        """Return which alerts in words, for a log: names are quoted."""
        parts = (("objective", self.slo), ("service", self.service), ("feature set", self.feature_set))
        return ", ".join(f"{name} {text!r}" for name, text in parts if text is not None)
