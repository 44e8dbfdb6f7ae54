"""Ends of error budgets, forecast of what is known already: predicted end against actual end, false alarms, surprises.

Every 30 hours from the twelfth day on, a budget that is neither used up nor calm is asked for its end in the next week, knowing only
what was before. Traffic ahead is that of the week before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import accumulate

from otel_fe.anomalies.adaptive_forecast import WEEK_BEFORE, Ahead, SeriesForecast
from otel_fe.capacity.budget_hours import BudgetHours
from otel_fe.units import HOUR_NS, HOUR_S
from tests.unit.capacity.budget_courses import DAY, budget_of

WEEK = 7 * DAY
FIRST = 11 * DAY
EVERY = 30
"""Hours from one forecast to the next: each hour of the day has its turn."""


@dataclass
class Ends:
    """Forecast and actual ends of error budgets."""

    asked: int = 0
    said: int = 0
    """Forecasts that expect an end within the week."""
    false: int = 0
    """Those of them after which there was none."""
    errors_h: list[float] = field(default_factory=list)
    """How far off the others were."""
    ended: int = 0
    """Forecasts after which the budget did end within the week."""
    unseen: int = 0
    """Those of them that expected no end."""
    inside: list[bool] = field(default_factory=list)
    """Whether the end was in the interval, for each forecast with an actual or a predicted end."""

    @property
    def coverage(self):
        return sum(self.inside) / len(self.inside) if self.inside else math.nan

    @property
    def median_error_h(self):
        return sorted(self.errors_h)[len(self.errors_h) // 2] if self.errors_h else math.nan

    def add(self, other):
        """Take in another budget's."""
        for name in ("asked", "said", "false", "ended", "unseen", "errors_h", "inside"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def take(self, end, actual_s):
        """Take in a forecast, and when the budget did end (Unix s); infinite where it did not within the week."""
        low, expected, high = (
            math.inf if one is None else one for one in (end.earliest_unix_s, end.expected_unix_s, end.latest_unix_s)
        )
        ended, said = math.isfinite(actual_s), math.isfinite(expected)
        self.asked += 1
        self.said += said
        self.false += said and not ended
        self.ended += ended
        self.unseen += ended and not said
        if ended and said:
            self.errors_h.append(abs(actual_s - expected) / HOUR_S)
        if ended or math.isfinite(low):
            self.inside.append(low <= actual_s <= high)


def backtest(budget):
    """Return how well the ends of a budget were forecast: of forecasts before which its level had turned last, and of the others."""
    found = {True: Ends(), False: Ends()}
    first, last = min(budget.total), max(budget.total)
    spent = _spent(budget, first, last)
    for hour in range(first + FIRST, last - WEEK, EVERY):
        known = BudgetHours(_until(budget.bad, hour), _until(budget.total, hour), hour, budget.slo)
        if known.used_up() or known.calm():
            continue
        actual = next((at for at in range(hour + 1, hour + WEEK + 1) if spent[at - first] > 0), math.inf)
        turns = any(hour < at <= min(actual, hour + WEEK) for at in budget.turns)
        found[not turns].take(known.end(_week_before(budget.total, hour)), (actual + 1) * HOUR_S)
    return found[True], found[False]


def backtested(course, seeds):
    """Return the scores of all budgets of one course."""
    foreseeable, turned = Ends(), Ends()
    for seed in seeds:
        for whole, part in zip((foreseeable, turned), backtest(budget_of(course, seed)), strict=True):
            whole.add(part)
    return foreseeable, turned


def _until(events, hour):
    return {at: count for at, count in events.items() if at <= hour}


def _spent(budget, first, last):
    """Return the bad events beyond the budget in the window that ends with each hour."""
    allowed, hours = float(budget.slo.budget), range(first, last + 1)
    sums = [0.0, *accumulate(budget.bad.get(at, 0.0) - allowed * budget.total.get(at, 0.0) for at in hours)]
    width = budget.slo.window.length_ns // HOUR_NS
    return [sums[at + 1] - sums[max(0, at + 1 - width)] for at in range(len(hours))]


def _week_before(total, hour):
    hours = [(at, total.get(at - WEEK, 0.0) / HOUR_S) for at in range(hour + 1, hour + WEEK + 1)]
    return SeriesForecast(tuple(Ahead(at * HOUR_S, rate, rate, rate) for at, rate in hours), WEEK_BEFORE)
