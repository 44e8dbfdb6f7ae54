"""Forecasts backtested out of sample: `make bench ARGS=forecast`.

Labelled series of seeds that were never looked at while the method was made (0 to 19 and 100 to 119 were), and stretches of public load
traces; the method was made with others (of San Francisco's, 2015). A week is forecast once a day, each time from what was before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.anomalies.kinds import KINDS, THROUGHPUT
from tests.bench.report import Goal
from tests.real.load_traces import BICYCLES, OCCUPANCY, ROAD
from tests.unit.anomalies.backtest import FURTHEST, Score, backtest, hourly
from tests.unit.anomalies.labelled import make
from tests.unit.capacity.budget_backtest import Ends, backtested
from tests.unit.capacity.budget_courses import COURSES, LABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_fe.anomalies.kinds import SeriesKind
    from tests.real.load_traces import Points

SEEDS = range(200, 220)
STRETCHES = (
    (ROAD, "2017-10-01", "2018-01-15"),
    (ROAD, "2018-03-01", "2018-07-01"),
    (BICYCLES, "2014-02-01", "2014-06-01"),
    (BICYCLES, "2018-09-01", "2019-01-01"),
    (OCCUPANCY, "2016-02-01", "2016-06-01"),
    (OCCUPANCY, "2016-07-01", "2016-11-01"),
)
COVERED = (0.7, 0.9)
BUDGET_SEEDS = range(100, 120)
TURNED = "all whose level turned after the forecast"


def series(seeds: range = SEEDS) -> Iterator[tuple[str, SeriesKind, list[Points]]]:
    """Yield what is backtested, by name."""
    for kind in KINDS:
        yield f"labelled {kind.name}", kind, [hourly(make(kind.name, seed).points) for seed in seeds]
    for trace, since, until in STRETCHES:
        yield f"{trace.name}, {since} to {until}", THROUGHPUT, [trace.between(since, until)]


def run_forecast(*, quick: bool = False) -> dict[str, Score]:
    """Return a score for each row."""
    found = {}
    for name, kind, several in series(range(200, 202) if quick else SEEDS):
        found[name] = Score()
        for points in several:
            found[name].add(backtest(kind, points))
    return found


def run_budgets(*, quick: bool = False) -> dict[str, Ends]:
    """Return how well ends of error budgets are forecast, by their course; those that turn afterwards apart."""
    found = {}
    turned, whole = Ends(), Ends()
    for course in (*COURSES, LABELLED):
        found[course], part = backtested(course, range(100, 102) if quick else BUDGET_SEEDS)
        whole.add(found[course])
        turned.add(part)
    return found | {"all of these": whole, TURNED: turned}


def budget_table(scores: dict[str, Ends]) -> str:
    """Return a line for each course."""
    head = f"{'end of an error budget within a week, by its course':<58}{'asked':>9}{'expected':>10}{'false':>8}"
    lines = [f"{head}{'ended':>8}{'unseen':>8}{'off, h':>8}{'in 80 %':>9}"]
    for name, one in scores.items():
        counts = f"{name:<58}{one.asked:>9}{one.said:>10}{one.false:>8}{one.ended:>8}{one.unseen:>8}"
        lines.append(f"{counts}{one.median_error_h:>8.0f}{one.coverage:>9.1%}")
    told = (
        "false: expected to end and did not; unseen: ended and was not expected to; off: of the others, in the median"
    )
    return "\n".join([*lines, told])


def table(scores: dict[str, Score]) -> str:
    """Return a line for each row."""
    ahead = "".join(f"{f'to {until} h':>9}" for until in FURTHEST)
    head = f"{'forecast, a week once a day':<58}{'made':>9}{'by model':>10}{'error':>8}{'shown':>8}{'in 80 %':>9}"
    lines = [head + ahead]
    for name, one in scores.items():
        parts = "".join(f"{part:>9.1%}" for part in one.coverages())
        made = f"{name:<58}{f'{one.made}/{one.asked}':>9}{one.modelled:>10}"
        lines.append(f"{made}{one.relative_error:>8.2f}{one.shown_error:>8.3f}{one.coverage:>9.1%}{parts}")
    told = "error: of the forecasts by the model, over that of the same hour of the week before; shown: of all, which are the week before else"
    return "\n".join([*lines, told])


def goals(scores: dict[str, Score], budgets: dict[str, Ends]) -> list[Goal]:
    """Return the goals of issue 20: intervals with the stated coverage, and a smaller error than the week before."""
    low, high = COVERED
    ends = budgets["all of these"]
    inside = f"ends of error budgets: {low:.0%} to {high:.0%} inside the 80 % interval"
    found = [Goal(inside, f"{ends.coverage:.1%}", low <= ends.coverage <= high)]
    for name, one in scores.items():
        inside = f"forecast of {name}: {low:.0%} to {high:.0%} inside the 80 % interval"
        found.append(Goal(inside, f"{one.coverage:.1%}", low <= one.coverage <= high))
        better = f"forecast of {name}: where a model is shown, better than the week before"
        found.append(Goal(better, f"{one.relative_error:.3f}", one.relative_error < 1 or not one.modelled))
    return found
