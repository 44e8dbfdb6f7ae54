"""Every SLO at one moment: by service and feature set, its alerts, its budget, and the gauges made of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.model.slo import EventCounts
from otel_fe.model.time_windows import show_span
from otel_fe.pipeline.budget import remaining
from otel_fe.pipeline.burn_alert_state import burn_alert_states
from otel_fe.units import MINUTE_NS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

    from otel_fe.clock import Clock
    from otel_fe.model.slo import Slo
    from otel_fe.pipeline.burn_alert_state import BurnAlertState
    from otel_fe.pipeline.event_sums import BudgetGroup, EventSums

_NONE = EventCounts(0, 0)
WARM_UP_NS: Final = MINUTE_NS
"""A group that was first counted less than this ago has no alert yet: its caches are cold and its models load."""


@dataclass(frozen=True, slots=True)
class SloState:
    """An SLO at one moment, for one group."""

    slo: Slo
    group: BudgetGroup
    time_ns: int
    """Unix time."""
    counts: EventCounts
    """Over the SLO's whole window."""
    alerts: tuple[BurnAlertState, ...]

    @property
    def remaining(self) -> Fraction | None:
        """The share of the budget that is left, negative where overspent; None without events."""
        return remaining(self.slo, self.counts)

    @property
    def met(self) -> bool | None:
        """Return whether the objective is met over the whole window; None without events."""
        return self.slo.met(self.counts)


@dataclass(frozen=True, slots=True)
class GaugeValue:
    """A gauge of one group."""

    name: str
    """Name of the metric, in `semconv`."""
    service: str
    """`service.name` of the resource that it belongs to."""
    attributes: dict[str, str]
    value: float


class SloEngine:
    """Evaluates SLOs. It keeps nothing between two evaluations, so that a restart or a second engine changes nothing.

    Args:
        slos: What to evaluate.
        sums: The past.
        clock: Windows end at its time on the wall, since that is what counts are stored by.
    """

    def __init__(self, slos: Sequence[Slo], sums: EventSums, clock: Clock) -> None:
        self._slos = tuple(slos)
        self._sums = sums
        self._clock = clock

    def evaluate(self) -> tuple[SloState, ...]:
        """Return the state of every SLO in every group that had events in any of its windows, now."""
        now = self._clock.time_ns()
        return tuple(state for slo in self._slos for state in self._states(slo, now))

    def _states(self, slo: Slo, now: int) -> Iterable[SloState]:
        lengths = {window for alert in slo.alerts for window in alert.windows}
        by_length = {length: self._sums.events(slo.indicator, now - length, now) for length in lengths}
        whole = self._sums.events(slo.indicator, slo.window.begin_ns(now), now)
        # Asked only where an alert would be true: usually none is.
        warm = cache(lambda: self._warm(slo, now, max(lengths, default=0)))
        for group in sorted({*whole, *(group for found in by_length.values() for group in found)}):
            counts = {length: found[group] for length, found in by_length.items() if group in found}
            alerts = burn_alert_states(slo, counts)
            if any(one.true for one in alerts) and group not in warm():
                alerts = tuple(replace(one, true=False, warming_up=one.true) for one in alerts)
            yield SloState(slo, group, now, whole.get(group, _NONE), alerts)

    def _warm(self, slo: Slo, now: int, longest_ns: int) -> Mapping[BudgetGroup, EventCounts]:
        """Return the groups that had events before the warm-up, to the minute as counts are stored."""
        until = (now - WARM_UP_NS) // MINUTE_NS * MINUTE_NS
        return self._sums.events(slo.indicator, now - longest_ns, until)


def gauges(states: Iterable[SloState]) -> list[GaugeValue]:
    """Return the gauges of some states: a burn rate for each window, and what is left of the budget."""
    found: list[GaugeValue] = []
    for state in states:
        service, feature_set = state.group
        attributes = {semconv.SLO: state.slo.name, **({semconv.FEATURE_SET: feature_set} if feature_set else {})}
        rates = {window: counts for one in state.alerts for window, counts in _windows(one)}
        for window, counts in sorted(rates.items()):
            rate = state.slo.burn_rate(counts)
            if rate is not None:
                labels = {**attributes, semconv.WINDOW: show_span(window)}
                found.append(GaugeValue(semconv.BURN_RATE, service, labels, float(rate)))
        left = state.remaining
        if left is not None:
            found.append(GaugeValue(semconv.BUDGET_REMAINING, service, attributes, float(left)))
    return found


def _windows(one: BurnAlertState) -> list[tuple[int, EventCounts]]:
    return list(zip(one.alert.windows, (one.long, one.short), strict=False))
