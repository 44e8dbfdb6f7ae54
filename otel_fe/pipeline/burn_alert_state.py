"""Evaluates the burn alerts of an SLO: several windows at once, each a sum over a sum of exact counts.

Source: the SRE workbook's chapter 5; see `model/burn_alerts.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.model.slo import EventCounts, show_number
from otel_fe.model.time_windows import show_span
from otel_fe.pipeline.confidence import at_least, exceeds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from otel_fe.model.slo import BurnAlert, Slo

_NONE = EventCounts(0, 0)


@dataclass(frozen=True, slots=True)
class BurnAlertState:
    """An alert of an SLO at one moment, for one group."""

    slo: Slo
    alert: BurnAlert
    long: EventCounts
    short: EventCounts
    """The burn rate of the short window; that of the long one if the alert has no other."""
    true: bool
    """Whether its condition holds; it fires once that has lasted for `alert.after_ns`."""
    warming_up: bool = False
    """Whether it would hold, but the group has been counted for less than a minute or two: see `slo_engine.WARM_UP_NS`."""

    @property
    def rate(self) -> Fraction | None:
        """The burn rate over the long window; None without events or without a budget."""
        return self.slo.burn_rate(self.long)

    @property
    def rate_at_least(self) -> float | None:
        """Return the lower bound of that rate with 99 % confidence; None without events or without a budget."""
        budget = self.slo.budget
        return at_least(self.long) / float(budget) if budget and self.long.total else None

    def describe(self) -> str:
        """Return in words the counts and the objective."""
        counts, window = self.long, show_span(self.alert.long_ns)
        if not counts.total:
            return f"no events in the last {window}"
        share = show_number(counts.bad / counts.total * 100)
        words = f"{counts.bad} of {counts.total} ({share} %) bad in the last {window}"
        rate, surely = self.rate, self.rate_at_least
        if rate is not None and surely is not None:
            words += f": {show_number(rate)}x the budget, surely more than {show_number(surely)}x"
        return f"{words}; fires at {self.slo.describe(self.alert)}"


def burn_alert_states(slo: Slo, counts: Mapping[int, EventCounts]) -> tuple[BurnAlertState, ...]:
    """Return the state of each of an SLO's alerts.

    Args:
        slo: Its alerts name the windows.
        counts: One group's events by the windows' lengths in nanoseconds; one that is missing had none.
    """
    found: list[BurnAlertState] = []
    for alert in slo.alerts:
        long = counts.get(alert.long_ns, _NONE)
        short = counts.get(alert.short_ns, _NONE) if alert.short_ns else long
        found.append(BurnAlertState(slo, alert, long, short, _holds(alert, long, short)))
    return tuple(found)


def _holds(alert: BurnAlert, long: EventCounts, short: EventCounts) -> bool:
    """Return whether both windows exceed the share, and the long one not by chance.

    The short window only shows that the condition persists: it needs no confidence, or few events would never reset it.
    """
    return short.exceed(alert.share) and exceeds(long, alert.share)
