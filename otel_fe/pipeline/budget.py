"""The remaining error budget, and when it will be spent."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.model.slo import EventCounts
from otel_fe.model.time_windows import Calendar
from otel_fe.pipeline.confidence import interval
from otel_fe.units import HOUR_NS

if TYPE_CHECKING:
    from fractions import Fraction

    from otel_fe.model.slo import Slo
    from otel_fe.pipeline.event_sums import BudgetGroup, EventSums

RECENT_NS: Final = 6 * HOUR_NS
"""The traffic and the share of bad events of this window are assumed to continue."""
_SLICES: Final = 12
"""Of the recent window, to see whether bad events come in bursts."""
_STEPS: Final = 24
"""Into the future; between two of them the course is taken as straight."""


@dataclass(frozen=True, slots=True)
class Projection:
    """When a budget will be spent at the rate of the last hours; Unix times, None where not within the SLO's window."""

    ends_ns: int | None
    earliest_ns: int | None
    """With the upper end of the 95 % interval of the share of bad events."""
    latest_ns: int | None
    """With the lower end."""


@dataclass(frozen=True, slots=True)
class _Course:
    """A group's events: of the window as it moves on, and recently."""

    left: tuple[EventCounts, ...]
    """Of what has been counted, how much is still in the window after each step: the rest has left a rolling one."""
    step_ns: int
    recent: EventCounts
    slices: tuple[EventCounts, ...]


def remaining(slo: Slo, counts: EventCounts) -> Fraction | None:
    """Return the share of the budget that is left: 1 of all, 0 of none, negative where overspent; None without events.

    Without a budget (an objective of 100 %) it is 1 until the first bad event and 0 from then on.
    """
    if not counts.total:
        return None
    if not slo.budget:
        return 1 - slo.objective if counts.bad else slo.objective
    return 1 - counts.bad / (slo.budget * counts.total)


def project(slo: Slo, sums: EventSums, now_ns: int) -> dict[BudgetGroup, Projection]:
    """Return when each group's budget will be spent.

    What will leave a rolling window is known, and used; only the future is assumed: that traffic and the share of bad
    events stay as in the last hours. The interval is that share's, widened where bad events come in bursts. It takes some
    hundred sums, so it is for alerts and pages rather than for every second.
    """
    courses = _courses(slo, sums, now_ns)
    return {group: _projection(slo, course, now_ns) for group, course in courses.items()}


def _courses(slo: Slo, sums: EventSums, now_ns: int) -> dict[BudgetGroup, _Course]:
    begin, end = slo.window.begin_ns(now_ns), slo.window.end_ns(now_ns)
    step = ((end or 2 * now_ns - begin) - now_ns) // _STEPS
    moves = 0 if isinstance(slo.window, Calendar) else step
    left = [sums.events(slo.indicator, begin + moves * k, now_ns) for k in range(_STEPS + 1)]
    recent = sums.events(slo.indicator, now_ns - RECENT_NS, now_ns)
    edges = [now_ns - RECENT_NS + RECENT_NS * k // _SLICES for k in range(_SLICES + 1)]
    slices = [sums.events(slo.indicator, a, b) for a, b in itertools.pairwise(edges)]
    none = EventCounts(0, 0)
    return {
        group: _Course(
            tuple(one.get(group, none) for one in left),
            step,
            recent.get(group, none),
            tuple(one.get(group, none) for one in slices),
        )
        for group in left[0]
    }


def _projection(slo: Slo, course: _Course, now_ns: int) -> Projection:
    recent = course.recent
    if not recent.total:
        return Projection(None, None, None)
    share = recent.bad / recent.total
    low, high = interval(share * _effective(course), _effective(course))
    ends, earliest, latest = (_spent_ns(slo, course, now_ns, one) for one in (share, high, low))
    return Projection(ends, earliest, latest)


def _effective(course: _Course) -> float:
    """Return how many independent events the recent ones are worth.

    They vary from slice to slice by Pearson's dispersion, at least 1, times what independent ones would (quasi-likelihood:
    McCullagh and Nelder, "Generalized Linear Models", 2nd edition, section 4.5).
    """
    recent = course.recent
    share = recent.bad / recent.total
    slices = [one for one in course.slices if one.total]
    if not 0 < share < 1 or len(slices) < 2:  # noqa: PLR2004 one slice does not vary
        return recent.total
    squares = sum((one.bad - one.total * share) ** 2 / (one.total * share * (1 - share)) for one in slices)
    return recent.total / max(1.0, squares / (len(slices) - 1))


def _spent_ns(slo: Slo, course: _Course, now_ns: int, share: float) -> int | None:
    """Return when bad events will exceed the budget if this share of the recent traffic is bad from now on."""
    per_step = course.recent.total * course.step_ns / RECENT_NS
    budget = float(slo.budget)
    before = -math.inf
    for step, left in enumerate(course.left):
        new = per_step * step
        over = left.bad + new * share - budget * (left.total + new)
        if over > 0:
            # Straight between the last step and this one; at once where it is spent already.
            part = over / (over - before) if step else 0.0
            return now_ns + round(course.step_ns * (step - part))
        before = over
    return None
