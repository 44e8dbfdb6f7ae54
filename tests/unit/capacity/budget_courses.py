"""Services whose error budgets take known courses: the events of an SLO hour by hour, past and future, made from a seed.

The share of bad events steps up and stays, steps up and is rolled back, drifts, stays near the budget, or rises in incidents; or it
is that of a labelled series of hit rates. Traffic has the course of day and week. Times are hours since 1970.
"""

from __future__ import annotations

import dataclasses
import math
import random
from fractions import Fraction

from otel_fe.config.openslo import default_slos
from otel_fe.model.time_windows import Rolling
from otel_fe.units import DAY_NS
from tests.unit.anomalies.backtest import hourly
from tests.unit.anomalies.labelled import make

DAY = 24
BEGIN = 480_000 // DAY * DAY
COURSES = ("stays", "rolled back", "drifts", "near", "incidents")
LABELLED = "labelled hit rates"
SYNTHETIC_DAYS = 42


@dataclasses.dataclass(frozen=True)
class Budget:
    """An SLO's events of all time, hour by hour."""

    course: str
    slo: object
    bad: dict[int, float]
    total: dict[int, float]
    turns: tuple[int, ...] = ()
    """The hours at which its level changes for good, which no forecast could foresee."""

    @property
    def hours(self):
        return sorted(self.total)


def budget_of(course, seed):
    """Return a budget of one course."""
    draw = random.Random(f"budget {course} {seed}")
    if course == LABELLED:
        return _labelled(draw, seed)
    days = draw.choice([7, 14, 30])
    allowed = draw.choice([0.01, 0.05])
    hours = range(BEGIN, BEGIN + SYNTHETIC_DAYS * DAY)
    traffic = _traffic(draw)
    share, turns = _share(draw, course, allowed)
    total = {hour: traffic(hour) for hour in hours}
    bad = {hour: _events(draw, n, share(hour)) for hour, n in total.items()}
    return Budget(course, _slo(allowed, days), bad, total, turns)


def _labelled(draw, seed):
    points = hourly(make("cache hit rate", seed).points)
    mean_bad = sum(1 - value for _, value in points) / len(points)
    allowed = round(mean_bad * draw.uniform(0.95, 1.1), 4)
    traffic = _traffic(draw)
    total = {round(at / 3_600): traffic(round(at / 3_600)) for at, _ in points}
    bad = {round(at / 3_600): _events(draw, total[round(at / 3_600)], 1 - value) for at, value in points}
    return Budget(LABELLED, _slo(allowed, draw.choice([3, 7])), bad, total)


def _slo(allowed, days):
    (latency,) = (one for one in default_slos() if one.name == "latency")
    return dataclasses.replace(
        latency, objective=1 - Fraction(allowed).limit_denominator(10_000), window=Rolling(days * DAY_NS)
    )


def _traffic(draw):
    base, daily, quiet, noise = draw.uniform(200, 5_000), draw.uniform(0.1, 0.8), draw.uniform(0.6, 1.0), 0.05
    phase = draw.uniform(0, 2 * math.pi)

    def count(hour):
        weekend = (hour // DAY + 3) % 7 >= 5
        course = daily * math.sin(2 * math.pi * hour / DAY + phase) + draw.gauss(0, noise)
        return max(1, round(base * (quiet if weekend else 1.0) * math.exp(course)))

    return count


def _share(draw, course, allowed):
    """Return a function that gives the share of bad events of each hour in turn, and the hours at which its level changes."""
    usual = draw.uniform(0.1, 0.6) * allowed
    then = draw.uniform(1.3, 6) * allowed
    change = BEGIN + draw.randrange(10 * DAY, 34 * DAY)
    lasts = draw.randrange(6, 5 * DAY)
    rho, sigma, daily = draw.uniform(0.5, 0.9), draw.uniform(0.1, 0.4), draw.uniform(0, 0.5)
    near = draw.uniform(0.75, 1.15) * allowed
    incidents, ends = draw.uniform(0.005, 0.015), [0]
    state = [0.0]

    def level(hour):
        if course == "near":
            return near
        if course == "incidents":
            if hour >= ends[0] and draw.random() < incidents:
                ends[0] = hour + draw.randint(1, 6)
            return draw.uniform(0.05, 0.4) if hour < ends[0] else usual
        if course == "drifts":
            return usual + (then - usual) * min(1.0, max(0.0, (hour - change) / (7 * DAY)))
        return then if change <= hour < (change + lasts if course == "rolled back" else math.inf) else usual

    def share(hour):
        state[0] = rho * state[0] + math.sqrt(1 - rho * rho) * draw.gauss(0, sigma)
        return min(
            0.9, level(hour) * math.exp(state[0] + daily * math.sin(2 * math.pi * hour / DAY) - sigma * sigma / 2)
        )

    turns = {"stays": (change,), "rolled back": (change, change + lasts), "drifts": (change,)}
    return share, turns.get(course, ())


def _events(draw, count, share):
    """Return how many of some events are bad: binomial, about."""
    return float(min(count, max(0, round(draw.gauss(count * share, math.sqrt(count * share * (1 - share)))))))
