"""A fitted service: its stations, and its extractions as they would be alone."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_fe.capacity.memory import memory_of
from otel_fe.capacity.stations import UNSTARTED, mean_work_s, stations_of
from otel_fe.forecast.extraction_mix import Alone, ExtractionMix, alike, quantile
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.forecast.shared_processors import Sharing, sharing
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.capacity.measured import MeasuredService, ServiceWindow
    from otel_fe.capacity.memory import Memory
    from otel_fe.forecast.prediction import Observed
    from otel_fe.forecast.station import Station
    from otel_fe.store.distribution import Distribution

P95: Final = 0.95
ALL: Final = None
"""The key of all feature sets of a service together."""
FEWEST_ROWS: Final = 100
_QUIET_ROWS: Final = 400
_MOST_SCALED: Final = 1.6
"""Beyond this factor, kept extractions do not represent the counted ones."""


@dataclass(frozen=True, slots=True)
class Model:
    """The prediction at another rate."""

    stations: tuple[Station, ...]
    mixes: dict[str | None, ExtractionMix]
    """Keyed by feature set, and of all of them."""
    work_s: float
    """Mean CPU time of an extraction."""
    memory: Memory | None = None
    """None where the memory of processes does not depend on load, or has no limit."""

    def durations(self, feature_set: str | None, rate: float, stations: Sequence[Station] | None = None) -> list[float]:
        """Return durations in seconds, in order, each as likely; none where something is overloaded.

        Args:
            feature_set: Of its mixes.
            rate: Extractions a second of the whole service.
            stations: Replacements for the fitted ones.
        """
        return self.mixes[feature_set].durations(self.stations if stations is None else stations, rate, self.work_s)

    def p95_s(self, feature_set: str | None, rate: float) -> float:
        """Return their 95th percentile; infinite where something is overloaded."""
        return quantile(self.durations(feature_set, rate), P95)


def fit(
    measured: MeasuredService, windows: Sequence[ServiceWindow], rows: Sequence[Observed], unstarted: float = UNSTARTED
) -> Model:
    """Return the model of a service by some of its windows.

    Args:
        measured: All that is known, for its setup.
        windows: In order of time, each with extractions.
        rows: Kept extractions of these windows.
        unstarted: See `Station`, of the GIL.

    Raises:
        ForecastError: The extractions are too few for a model.
    """
    starts = [one.since_ns for one in windows]
    placed = [(place, row) for row in rows if (place := _place(starts, windows, row)) is not None]
    if len(placed) < FEWEST_ROWS:
        raise ForecastError(
            f"Only {len(placed)} kept extractions have a known weight; {FEWEST_ROWS} are needed. Choose a longer window, or keep "
            "more (OTEL_FE_BASELINE_RATIO)."
        )
    weight = sum(row.weight for _, row in placed)
    asking = sum(row.weight for _, row in placed if row.wait_ns) / weight
    missing = sum(row.weight for _, row in placed if row.wait_ns and row.hit is False) / weight
    work_s = mean_work_s(windows)
    works_s = alike([(_work_s(row, work_s), row.weight) for _, row in placed])
    stations = tuple(stations_of(windows, measured.setup, asking, missing, works_s, unstarted))
    rates = [one.rate for one in windows]
    quiet = _quiet(placed, rates)
    mixes: dict[str | None, ExtractionMix] = {ALL: ExtractionMix(_alone(quiet, rates, stations, work_s))}
    names = {row.feature_set for _, row in placed}
    for name in names if len(names) > 1 else ():
        of_set = [one for one in quiet if one[1].feature_set == name]
        if len(of_set) >= FEWEST_ROWS:
            mixes[name] = ExtractionMix(_alone(of_set, rates, stations, work_s))
    return _scaled(Model(stations, mixes, work_s, memory_of(windows, measured.setup)), windows)


def merged(windows: Sequence[ServiceWindow], feature_set: str | None) -> Distribution:
    """Return the durations of extractions in windows; of all feature sets for `ALL`."""
    from otel_fe.store.distribution import Distribution  # noqa: PLC0415 the type is needed here alone

    found = Distribution()
    for window in windows:
        for name, spread in window.durations.items():
            if feature_set is ALL or feature_set == name:
                found.merge(spread)
    return found


def bins(
    windows: Sequence[ServiceWindow], feature_set: str | None, most: int, fewest: int
) -> list[list[ServiceWindow]]:
    """Return windows in groups of about the same rate, the lowest first, each with enough extractions for a percentile."""
    counted = sorted(windows, key=lambda one: one.rate)
    whole = sum(_count(one, feature_set) for one in counted)
    wanted = max(fewest, whole / most)
    found: list[list[ServiceWindow]] = [[]]
    reached = 0
    for one in counted:
        if reached >= wanted:
            found.append([])
            reached = 0
        found[-1].append(one)
        reached += _count(one, feature_set)
    if len(found) > 1 and reached < fewest:
        last = found.pop()
        found[-1] += last
    return [one for one in found if one]


def rate_of(windows: Sequence[ServiceWindow]) -> float:
    """Return extractions a second over windows."""
    return sum(one.count for one in windows) / sum(one.seconds for one in windows)


def _count(window: ServiceWindow, feature_set: str | None) -> int:
    if feature_set is None:
        return window.count
    spread = window.durations.get(feature_set)
    return spread.count if spread is not None else 0


def _place(starts: Sequence[int], windows: Sequence[ServiceWindow], row: Observed) -> int | None:
    place = bisect_right(starts, row.start_ns) - 1
    if place < 0 or row.start_ns >= windows[place].since_ns + windows[place].seconds * NS_PER_S:
        return None
    return place


def _quiet(placed: Sequence[tuple[int, Observed]], rates: Sequence[float]) -> list[tuple[int, Observed]]:
    """Return the extractions of the windows with the lowest rates, half of all at least: they have waited least."""
    ordered = sorted(placed, key=lambda one: rates[one[0]])
    return ordered[: max(_QUIET_ROWS, len(ordered) // 2)]


def _alone(
    placed: Sequence[tuple[int, Observed]], rates: Sequence[float], stations: Sequence[Station], mean_s: float
) -> list[Alone]:
    """Return extractions without their waits, which were recorded, and without what sharing processors has cost in the mean."""
    slow: dict[int, Sharing] = {}
    found = []
    for place, row in placed:
        if place not in slow:
            slow[place] = sharing(stations, rates[place])
        work_s = _work_s(row, mean_s)
        extra_s = min(slow[place].extra_s(work_s), row.duration_ns / 1e9)  # overloaded: nothing is left of it
        duration_s = max(work_s, (row.duration_ns - min(row.wait_ns, row.duration_ns)) / 1e9 - extra_s)
        found.append(Alone(duration_s, row.weight, work_s, row.wait_ns > 0, row.hit is False))
    return found


def _work_s(row: Observed, mean_s: float) -> float:
    """Return the CPU time of an extraction; a block among the tasks of an event loop does not know its own."""
    return row.cpu_ns / NS_PER_S if row.cpu_ns >= 0 else min(mean_s, row.duration_ns / NS_PER_S)


def _scaled(model: Model, windows: Sequence[ServiceWindow]) -> Model:
    """Return a model whose p95 is that of exact counts, group by group: kept extractions are a sample.

    Raises:
        ForecastError: The two differ so much that the sample does not represent these extractions.
    """
    mixes = dict(model.mixes)
    for name in model.mixes:
        factors = []
        for group in bins(windows, name, 6, 200):
            counted, predicted = merged(group, name).quantile(P95), model.p95_s(name, rate_of(group))
            if counted and predicted and predicted < 1e6:  # noqa: PLR2004 overloaded
                factors.append(counted / predicted)
        factor = sorted(factors)[len(factors) // 2] if factors else 1.0
        if not 1 / _MOST_SCALED <= factor <= _MOST_SCALED:
            if name is ALL:
                raise ForecastError(
                    f"The model's p95 is {1 / factor:.2g} times the measured one: either the kept extractions are not "
                    "representative, or the model does not fit this service."
                )
            del mixes[name]
        else:
            mixes[name] = mixes[name].scaled(factor)
    return replace(model, mixes=mixes)
