"""SLOs as values: the good events, the objective, the window, and the alerts.

A share is a `Fraction`, so that 95 % is 95/100 and not the nearest float; counts are integers. So comparisons are
exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from otel_fe.model.time_windows import show_span

if TYPE_CHECKING:
    from otel_fe.model.time_windows import Window

PAGE: Final = "page"
"""Severity: a person has to act now."""
TICKET: Final = "ticket"
"""Severity: a person has to act in the next days."""

Value = str | bool
"""Of an attribute that events are selected by."""


@dataclass(frozen=True, slots=True)
class EventSelection:
    """Counted events: those of a counter, or the values of a histogram, that have the given attributes."""

    metric: str
    """A counter or histogram of `semconv.METRICS`."""
    attributes: tuple[tuple[str, Value], ...] = ()
    """Sorted by name; `service.name` is the resource's."""
    most: Fraction | None = None
    """Of a histogram: only values of at most this, which is one of its edges, in the metric's unit; None counts all."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit that a single event is compared with, for SLOs on values."""

    metric: str
    """A histogram."""
    attributes: tuple[tuple[str, Value], ...]
    value: Fraction
    """In the metric's unit."""
    strict: bool
    """Whether a good value is below the limit, rather than at most at it."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """Counts the events of an SLO."""

    part: EventSelection
    """The good ones, or the bad ones."""
    part_is_good: bool
    total: EventSelection
    limit: Limit | None = None

    def bad(self, part: int, total: int) -> int:
        """Return how many of `total` events are bad, given how many are in `part`."""
        return max(0, total - part) if self.part_is_good else min(part, total)


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Events of a window."""

    bad: int
    total: int

    def exceed(self, share: Fraction, *, reached: bool = False) -> bool:
        """Return whether more than `share` of the events are bad (with `reached`: at least that); never without events."""
        bad, limit = self.bad * share.denominator, self.total * share.numerator
        return self.total > 0 and (bad > limit or (reached and bad == limit))

    @property
    def bad_share(self) -> Fraction | None:
        """The exact share of bad events; None without events."""
        return Fraction(self.bad, self.total) if self.total else None


@dataclass(frozen=True, slots=True)
class BurnAlert:
    """A condition on recent windows of an SLO: too large a share of bad events, in both at once."""

    name: str
    """Of its kind: `burn` for a share of the budget, `objective` for a direct test of the objective itself."""
    severity: str
    """`page`, `ticket`, or the severity of an AlertCondition."""
    long_ns: int
    """The window that shows that it matters."""
    short_ns: int
    """The short window, which shows that the condition persists; 0 for none."""
    share: Fraction
    """It is true where more than this share of the events is bad, in the long window not by chance."""
    after_ns: int = 0
    """How long the condition must hold before it fires."""
    note: str = ""
    """The reason for a difference from the recommendation; empty if there is none."""
    targets: tuple[str, ...] = ()
    """Names that a router of alerts may use."""

    @property
    def windows(self) -> tuple[int, ...]:
        """The windows, in nanoseconds, longest first."""
        return (self.long_ns, self.short_ns) if self.short_ns else (self.long_ns,)


@dataclass(frozen=True, slots=True)
class Slo:
    """An objective for a service level."""

    name: str
    indicator: Indicator
    objective: Fraction
    """Share of events that must be good: above 0, at most 1."""
    window: Window
    """The purpose of the objective."""
    alerts: tuple[BurnAlert, ...] = ()
    strict: bool = False
    """Whether the share has to exceed the objective rather than reach it."""
    service: str = ""
    """Whom it belongs to; does not select events."""
    title: str = ""
    description: str = ""

    @property
    def budget(self) -> Fraction:
        """Share of events that may be bad."""
        return 1 - self.objective

    @property
    def fastest_burn(self) -> Fraction | None:
        """The burn rate when every event is bad, which none can exceed; None without a budget."""
        return 1 / self.budget if self.budget else None

    def burn_rate(self, counts: EventCounts) -> Fraction | None:
        """Return how many times faster than allowed the budget is spent; None without events or without a budget."""
        share = counts.bad_share
        return share / self.budget if share is not None and self.budget else None

    def met(self, counts: EventCounts) -> bool | None:
        """Return whether a window's events satisfy the objective; None without events."""
        return not counts.exceed(self.budget, reached=self.strict) if counts.total else None

    def describe(self, alert: BurnAlert) -> str:
        """Return in words when an alert fires."""
        when = " and in the last ".join(show_span(window) for window in alert.windows)
        if not self.budget:
            return f"any bad event in the last {when}"
        rate = show_number(alert.share / self.budget)
        words = f"more than {show_number(alert.share * 100)} % bad in the last {when} ({rate}x the budget)"
        return f"{words}; {alert.note}" if alert.note else words


def show_number(value: Fraction | float) -> str:
    """Write a number with up to four digits: `14.4`, `0.1`, `3.333`."""
    return f"{float(value):.4g}"
