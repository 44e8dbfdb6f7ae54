"""Forecasts backtested out of sample: `make bench ARGS=forecast`.

Labelled series of seeds that were never looked at while the method was made (0 to 19 were), and stretches of public load traces
that were not either. A week is forecast once a day, each time from what was before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.anomalies.kinds import KINDS, THROUGHPUT
from tests.bench.report import Goal
from tests.real.load_traces import BICYCLES, OCCUPANCY, ROAD
from tests.unit.anomalies.backtest import FURTHEST, Score, backtest, hourly
from tests.unit.anomalies.labelled import make

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_fe.anomalies.kinds import SeriesKind
    from tests.real.load_traces import Points

SEEDS = range(100, 120)
STRETCHES = (
    (ROAD, "2017-10-01", "2018-01-15"),
    (ROAD, "2018-03-01", "2018-07-01"),
    (BICYCLES, "2014-02-01", "2014-06-01"),
    (BICYCLES, "2018-09-01", "2019-01-01"),
    (OCCUPANCY, "2016-02-01", "2016-06-01"),
)
COVERED = (0.7, 0.9)


def series(seeds: range = SEEDS) -> Iterator[tuple[str, SeriesKind, list[Points]]]:
    """Yield what is backtested, by name."""
    for kind in KINDS:
        yield f"labelled {kind.name}", kind, [hourly(make(kind.name, seed).points) for seed in seeds]
    for trace, since, until in STRETCHES:
        yield f"{trace.name}, {since} to {until}", THROUGHPUT, [trace.between(since, until)]


def run_forecast(*, quick: bool = False) -> dict[str, Score]:
    """Return a score for each row."""
    found = {}
    for name, kind, several in series(range(100, 102) if quick else SEEDS):
        found[name] = Score()
        for points in several:
            found[name].add(backtest(kind, points))
    return found


def table(scores: dict[str, Score]) -> str:
    """Return a line for each row."""
    ahead = "".join(f"{f'to {until} h':>9}" for until in FURTHEST)
    lines = [f"{'forecast, a week once a day':<58}{'made':>9}{'error':>8}{'in 80 %':>9}{ahead}"]
    for name, one in scores.items():
        parts = "".join(f"{part:>9.1%}" for part in one.coverages())
        lines.append(f"{name:<58}{f'{one.made}/{one.asked}':>9}{one.relative_error:>8.2f}{one.coverage:>9.1%}{parts}")
    return "\n".join([*lines, "error: over that of the same hour of the week before; made: of those asked for"])


def goals(scores: dict[str, Score]) -> list[Goal]:
    """Return the goals of issue 20: honest intervals, and better than the week before."""
    low, high = COVERED
    found = []
    for name, one in scores.items():
        inside = f"forecast of {name}: {low:.0%} to {high:.0%} inside the 80 % interval"
        found.append(Goal(inside, f"{one.coverage:.1%}", low <= one.coverage <= high))
        better = f"forecast of {name}: better than the week before"
        found.append(Goal(better, f"{one.relative_error:.2f}", one.relative_error < 1))
    return found
