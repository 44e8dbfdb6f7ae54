"""Percentiles and requirements at another rate by a fitted model, the highest rate at which all hold, and what gives out first."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_fe.capacity.model import ALL, P95, merged, rate_of
from otel_fe.forecast.extraction_mix import quantile
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.forecast.shared_processors import mean_extras_s
from otel_fe.forecast.station import CORES, MEMORY, POOL, UNMEASURED, WORKERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.capacity.fitted import Check, Fitted
    from otel_fe.capacity.measured import ServiceWindow
    from otel_fe.capacity.memory import Memory
    from otel_fe.capacity.model import Model
    from otel_fe.forecast.shared_processors import WorkTimes
    from otel_fe.forecast.station import Station

_EXACT: Final = 0.005
_STEPS: Final = 24
_CERTAIN: Final = 0.9
_RECENT: Final = 0.1
_FEWEST_DRAWS: Final = 8
_GROWN: Final = 400
"""Servers that are added at most before no size is reported as enough."""
_FAR: Final = 20.0
"""Times the highest measured rate: beyond it there are no answers."""


@dataclass(frozen=True, slots=True)
class LatencyRequirement:
    """A latency objective: `share` of extractions take less than `limit_s`."""

    name: str
    limit_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Kept:
    """The outcome of a requirement at a rate."""

    requirement: LatencyRequirement
    good: Interval
    """The share of extractions that meet its limit."""
    chance: float
    """Probability of keeping it, 0..1, by the drawn models."""

    @property
    def verdict(self) -> str:
        """`holds`, `breaks` or `uncertain`."""
        return "holds" if self.chance >= _CERTAIN else "breaks" if self.chance <= 1 - _CERTAIN else "uncertain"


@dataclass(frozen=True, slots=True)
class StationLoad:
    """A station in words and numbers."""

    kind: str
    name: str
    size: int
    """Size of each process's, or machine's, resource."""
    copies: float
    busy_now: float
    """Utilisation 0..1, now."""
    busy_then: float
    """Utilisation at the requested rate; above 1 where the resource is too small."""
    full_at: float
    """The group's extractions a second at which it is busy all the time."""
    needed: int | None
    """The size at which the requirements hold at the requested rate; None where no change is needed, or none helps."""
    needed_copies: int | None
    """Processes that are needed, for a resource that each of them has one of."""


@dataclass(frozen=True, slots=True)
class GroupForecast:
    """The forecast for one group of extractions."""

    feature_set: str | None
    """None for all of the service."""
    now: float
    """Extractions a second."""
    asked: float
    """The requested rate, in the same unit."""
    p95_now_s: float
    p95_then_s: Interval
    """Infinite where something is overloaded."""
    kept: tuple[Kept, ...]
    headroom: Interval
    """The highest rate at which every requirement holds."""
    broken_by: str
    """Name of the requirement that breaks first; empty where none does at any rate that is looked at."""
    first: str
    """Name of the resource that gives out first; empty where it is not a lack of any."""
    resources: tuple[StationLoad, ...]
    check: Check
    beyond_seen: float
    """The requested rate over the highest measured one."""


def answer(
    fitted: Fitted, requirements: Sequence[LatencyRequirement], factor: float, feature_set: str | None = ALL
) -> GroupForecast:
    """Return the answer for a group.

    Args:
        fitted: The service's model.
        requirements: At least one.
        factor: The requested traffic over today's, of all feature sets together.
        feature_set: One of `fitted.model.mixes`.

    Raises:
        ForecastError: Too few of the drawn models know the group.
    """
    latest = recent(fitted.measured.windows)
    service_now = rate_of(latest)
    counted = merged(latest, feature_set)
    now = counted.count / sum(one.seconds for one in latest)
    part = now / service_now if service_now else 1.0
    rate = service_now * factor
    spread = fitted.checks[feature_set].spread
    versions = [
        (one.model, one.durations_factor(spread), one.rates_factor(spread))
        for one in fitted.draws
        if feature_set in one.model.mixes
    ]
    if len(versions) < _FEWEST_DRAWS:
        raise ForecastError(f"{feature_set}: too few of its extractions are kept")
    if feature_set is not ALL:
        versions = versions[:_FEWEST_DRAWS]  # a page shows several sets: each draw takes a tenth of a second
    limit, first = _knee(fitted.model, requirements, feature_set, 1.0, service_now * _FAR)
    limits = [
        stretch * _knee(model, requirements, feature_set, off, service_now * _FAR)[0]
        for model, off, stretch in versions
    ]
    headroom = _interval(limit * part, [one * part for one in limits])
    then = fitted.model.durations(feature_set, rate)
    thens = [[one * off for one in model.durations(feature_set, rate / stretch)] for model, off, stretch in versions]
    return GroupForecast(
        feature_set,
        now,
        now * factor,
        counted.quantile(P95) or 0.0,
        _interval(quantile(then, P95), [quantile(one, P95) for one in thens]),
        tuple(_kept(one, then, thens) for one in requirements),
        headroom,
        first,
        _gives_out(fitted.model, limit, feature_set),
        _resources(fitted.model, requirements, feature_set, service_now, rate, part),
        fitted.checks[feature_set],
        rate / fitted.most_rate,
    )


def recent(windows: Sequence[ServiceWindow]) -> list[ServiceWindow]:
    """Return the windows that represent the present: the last tenth."""
    count = max(3, round(len(windows) * _RECENT))
    return [one for one in windows[-count:] if one.count] or [windows[-1]]


def _interval(value: float, others: Sequence[float]) -> Interval:
    """Return a value with the 5th and 95th percentile of what drawn models say; it lies in between.

    The percentiles are at p (n + 1), between which a further draw lies with 90 % whatever their distribution (R. Hyndman, Y. Fan,
    "Sample Quantiles in Statistical Packages", 1996, definition 6).
    """
    ordered = sorted(others)
    low, high = (_at(ordered, share * (len(ordered) + 1) - 1) for share in (0.05, 0.95))
    return Interval(value, min(value, low), max(value, high))


def _at(ordered: Sequence[float], place: float) -> float:
    """Return a value between those of the two nearest places; the first or the last beyond them."""
    place = min(max(0.0, place), len(ordered) - 1.0)
    below, part = math.floor(place), place % 1
    if not part or math.isinf(ordered[below + 1]):
        return ordered[math.ceil(place)]
    return ordered[below] + part * (ordered[below + 1] - ordered[below])


def _good(durations: Sequence[float], limit_s: float) -> float:
    """Return the share that takes less than a limit; nothing of what is overloaded does for long."""
    return bisect_left(durations, limit_s) / len(durations) if durations else 0.0


def _kept(requirement: LatencyRequirement, then: Sequence[float], thens: Sequence[Sequence[float]]) -> Kept:
    shares = [_good(one, requirement.limit_s) for one in thens]
    good = _interval(_good(then, requirement.limit_s), shares)
    return Kept(requirement, good, sum(one >= requirement.share for one in shares) / len(shares))


def _knee(
    model: Model, requirements: Sequence[LatencyRequirement], feature_set: str | None, off: float, most: float
) -> tuple[float, str]:
    """Return the service's highest rate at which all requirements hold, and the one that breaks first; `off` scales durations."""
    high = min([most, *(one.saturates_at for one in model.stations)])
    low = 0.0
    broken = ""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        bad = _broken(model, requirements, feature_set, off, middle)
        if bad:
            high, broken = middle, bad
        else:
            low = middle
        if high - low <= _EXACT * high:
            break
    beyond = high >= most and not broken
    return low, "" if beyond else broken or requirements[0].name


def _broken(
    model: Model,
    requirements: Sequence[LatencyRequirement],
    feature_set: str | None,
    off: float,
    rate: float,
    stations: Sequence[Station] | None = None,
) -> str:
    """Return the name of the first requirement that does not hold at a rate, or of memory; empty where all do."""
    stations = model.stations if stations is None else stations
    durations = model.durations(feature_set, rate, stations)
    if _crowded(model, stations, rate) is not None:
        return requirements[0].name
    late = next((one.name for one in requirements if _good(durations, one.limit_s / off) < one.share), "")
    return late or (MEMORY if stations is model.stations and _memory_used(model, rate) >= 1 else "")


def _crowded(model: Model, stations: Sequence[Station], rate: float) -> Station | None:
    """Return the worker threads if they are all busy, which no duration shows."""
    for one in stations:
        if one.kind == WORKERS:
            durations = model.durations(ALL, rate, stations)
            if not durations or rate * math.fsum(durations) / len(durations) >= one.size:
                return one
    return None


def _memory_used(model: Model, rate: float) -> float:
    """Return the most memory of a process at a rate over its limit; 0 where that does not depend on load, or there is no limit."""
    if model.memory is None:
        return 0.0
    durations = model.durations(ALL, rate)
    mean_s = math.fsum(durations) / len(durations) if durations else math.inf
    return model.memory.used_bytes(rate, mean_s) / model.memory.limit_bytes


def _gives_out(model: Model, rate: float, feature_set: str | None) -> str:
    """Return the name of the resource to blame just beyond a rate: what lengthens extractions most, or is used up."""
    beyond = rate * (1 + 2 * _EXACT)
    full = _crowded(model, model.stations, beyond)
    if full is not None:
        return full.name
    if model.durations(ALL, rate) and _memory_used(model, rate * (1 - 2 * _EXACT)) < 1 <= _memory_used(model, beyond):
        return MEMORY
    mix = model.mixes[feature_set]
    extras = mean_extras_s(model.stations, beyond, mix.works)
    if max(extras, default=0.0) <= 0:
        return ""
    return model.stations[extras.index(max(extras))].name


def _resources(
    model: Model,
    requirements: Sequence[LatencyRequirement],
    feature_set: str | None,
    now: float,
    rate: float,
    part: float,
) -> tuple[StationLoad, ...]:
    grown = {one.name: one for one in _grown(model, requirements, feature_set, rate)}
    found = []
    for one in model.stations:
        then = grown.get(one.name, one)
        found.append(
            StationLoad(
                one.kind,
                one.name,
                one.servers,
                one.copies,
                one.utilisation(now),
                one.utilisation(rate),
                one.saturates_at * part,
                then.servers if then.servers != one.servers else None,
                math.ceil(then.copies) if then.copies != one.copies else None,
            )
        )
    if model.memory is not None:
        found.append(_memory(model, model.memory, now, rate, part))
    return tuple(sorted(found, key=lambda one: one.full_at))


def _memory(model: Model, memory: Memory, now: float, rate: float, part: float) -> StationLoad:
    low, high = 0.0, min([_FAR * now, *(one.saturates_at for one in model.stations)])
    full_at = math.inf if _memory_used(model, high * (1 - _EXACT)) < 1 else high
    while math.isfinite(full_at) and high - low > _EXACT * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _memory_used(model, middle) >= 1 else (middle, high)
        full_at = high
    busy_now, busy_then = _memory_used(model, now), _memory_used(model, rate)
    limit = round(memory.limit_bytes)
    needed = math.ceil(busy_then * limit) if 1 <= busy_then < math.inf else None
    return StationLoad(MEMORY, MEMORY, limit, memory.processes, busy_now, busy_then, full_at * part, needed, None)


def _grown(
    model: Model, requirements: Sequence[LatencyRequirement], feature_set: str | None, rate: float
) -> Sequence[Station]:
    """Return stations that are large enough for a rate, each no larger than it has to be; the model's own where no size helps."""
    stations = list(model.stations)
    mix = model.mixes[feature_set]
    for _ in range(_GROWN):
        if not _broken(model, requirements, feature_set, 1.0, rate, stations):
            return stations
        worst = _crowded(model, stations, rate) or _slowest(stations, rate, mix.works)
        if worst is None or worst.kind == UNMEASURED:
            break
        place = stations.index(worst)
        stations[place] = _larger(worst, rate)
    return model.stations


def _slowest(stations: Sequence[Station], rate: float, works: WorkTimes) -> Station | None:
    """Return the station that lengthens extractions most; of overloaded ones the busiest."""
    extras = mean_extras_s(stations, rate, works)
    keys = [(extra, one.utilisation(rate)) for extra, one in zip(extras, stations, strict=True)]
    return stations[keys.index(max(keys))] if keys else None


def _larger(one: Station, rate: float) -> Station:
    """Return a station with one server more, or as many as can carry a rate at all; a process more where each has one."""
    if one.kind in (POOL, CORES, WORKERS):
        return replace(
            one, servers=max(one.servers + 1, math.floor(one.load(rate)) + 1 if math.isfinite(one.load(rate)) else 0)
        )
    return replace(one, copies=max(math.floor(one.copies) + 1, math.floor(one.base_load + rate * one.demand_s) + 1))
