"""The stations of a service as its windows measured them: the demand of an extraction on each, and how well theory agrees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from otel_fe.forecast.shared_processors import WorkTimes, mean_extras_s, sharing
from otel_fe.forecast.station import CORES, EVENT_LOOP, GIL, POOL, UNMEASURED, WORKERS, Station

if TYPE_CHECKING:
    from otel_fe.capacity.measured import ServiceWindow, Setup

_LOCKED_SHARES: Final = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Candidate shares of CPU time that hold the interpreter: the one that explains the durations best is used."""
GIL_HELD_S: Final = 0.0033
"""Under CPython's switch interval of 5 ms, durations of computing threads grow with the CPU time beyond so much
(tests/unit/capacity/recorded): the first wait for the interpreter is before the extraction, and the last turn not a whole one."""
UNSTARTED: Final = 0.2
LEAST_UNSTARTED: Final = 0.05
MOST_UNSTARTED: Final = 0.4
"""`Station.unstarted` of threads under the GIL, likewise, and between what it may lie: little load does not show it."""
_RESUMED: Final = 0.5
"""`resumed_s` in CPU times of an extraction, before anything was seen, of an event loop, and how far it may be off."""
_OTHERS: Final = (1.0, 0.5, 0.0)
"""Candidate shares of other processes' CPU time that this service waits for: lower priorities yield to it."""
_HIDDEN_LOADS: Final = tuple(0.05 * place for place in range(2, 20))
"""Candidate utilisations of an unmeasured resource at the highest rate seen."""
_BETTER: Final = 0.7
"""An explanation with one thing more must leave at most this share of the squared errors."""
_TIE: Final = 1.1
_TINY_S: Final = 1e-4
_TRUSTED: Final = (0.25, 4.0)
_FLAT: Final = 3
_MOST_KNOWN: Final = 0.9
_NOT_ALL: Final = 0.9
Extras = Callable[[float], float]
"""The mean that stations add to an extraction, in seconds, at a rate of extractions a second."""


def stations_of(
    windows: Sequence[ServiceWindow],
    setup: Setup,
    asking: float,
    missing: float = 0.0,
    works_s: Sequence[float] = (),
    unstarted: float = UNSTARTED,
) -> list[Station]:
    """Return a service's stations.

    Args:
        windows: Some of its windows, all with extractions.
        setup: How large it is.
        asking: The share of its extractions, 0..1, that use a pool.
        missing: The share of those that do, and whose look-ups did not all hit.
        works_s: CPU times of some extractions that represent all; all alike without any.
        unstarted: See `Station`, of the GIL.
    """
    pools = _pools(windows, setup, asking, missing)
    base, demand = _cpu(windows)
    works_s = works_s or (mean_work_s(windows),)
    return [*pools, *_processors(windows, setup, pools, base, demand, works_s, unstarted), *_workers(windows, setup)]


def total(windows: Sequence[ServiceWindow], of: Callable[[ServiceWindow], float]) -> float:
    """Return a sum over windows."""
    return math.fsum(map(of, windows))


def mean_work_s(windows: Sequence[ServiceWindow]) -> float:
    """Return the mean CPU time of an extraction; where few know theirs, what each adds to the processes' CPU time."""
    count, known = total(windows, lambda one: one.count), total(windows, lambda one: one.cpu_count)
    if known > _MOST_KNOWN * count:
        return total(windows, lambda one: one.cpu_s) / known
    return _cpu(windows)[1] if known or any(one.process_cpu_s is not None for one in windows) else 0.0


def _cpu(windows: Sequence[ServiceWindow]) -> tuple[float, float]:
    """Return the cores that are busy without extractions, and the CPU time that each extraction costs, frameworks included."""
    counted, count = total(windows, lambda one: one.cpu_count), total(windows, lambda one: one.count)
    own = total(windows, lambda one: one.cpu_s) / counted if counted else 0.0
    if any(one.process_cpu_s is None for one in windows):
        return 0.0, own
    # Where extractions know their CPU time, only the rest is a line: how much they compute differs from window to window.
    known = own if counted > _MOST_KNOWN * count else 0.0
    rest = [(one.rate, ((one.process_cpu_s or 0.0) - (one.cpu_s if known else 0.0)) / one.seconds) for one in windows]
    mean_rate, mean_rest = (math.fsum(pair[place] for pair in rest) / len(rest) for place in (0, 1))
    spread = math.fsum((rate - mean_rate) ** 2 for rate, _ in rest)
    together = math.fsum((rate - mean_rate) * (busy - mean_rest) for rate, busy in rest)
    most = max(0.0, mean_rest / mean_rate)
    slope = together / spread if spread else most
    # Not less than what extractions were seen to use themselves, and not more than there is.
    slope = min(max(slope, own - known), max(most, own - known))
    return max(0.0, mean_rest - slope * mean_rate), known + slope


def _pools(windows: Sequence[ServiceWindow], setup: Setup, asking: float, missing: float) -> list[Station]:
    """Return the pools. One that fewer extractions use than use any is taken to be used after misses, if there are some."""
    found = []
    count = total(windows, lambda one: one.count)
    for name, size in sorted(setup.pools.items()):
        used = [one.pools[name] for one in windows if name in one.pools]
        uses, used_s = sum(one.uses for one in used), math.fsum(one.use_s for one in used)
        if not uses:
            continue
        of_misses = 0 < missing < asking and uses / count < _NOT_ALL * asking
        users = missing if of_misses else asking or 1.0
        station = Station(
            POOL,
            name,
            size.size,
            setup.processes,
            used_s / count,
            use_s=used_s / uses,
            use_variability=size.use_variability,
            visits=uses / count / users,
            asking=users,
            of_misses=of_misses,
        )
        found.append(replace(station, agreement=_agreement(station, windows)))
    return found


def _agreement(station: Station, windows: Sequence[ServiceWindow]) -> float:
    """Return the waits that were seen over those by theory, all windows together; 1 where both are next to nothing."""
    by_theory = seen = uses = 0.0
    for one in windows:
        here = one.pools.get(station.name)
        if here is None or not here.uses:
            continue
        # Of this window's own uses: a window with fewer misses uses less.
        share, each_s = station.waits(here.use_s / one.seconds / station.demand_s)
        if math.isfinite(each_s):
            by_theory += here.uses / station.visits * share * each_s
            seen += here.wait_s
            uses += here.uses
    if not uses or max(by_theory, seen) / uses < max(_TINY_S, 0.02 * station.use_s):
        return 1.0
    return min(max(seen / by_theory, _TRUSTED[0]), _TRUSTED[1]) if by_theory else _TRUSTED[1]


def _processors(
    windows: Sequence[ServiceWindow],
    setup: Setup,
    pools: Sequence[Station],
    base: float,
    demand: float,
    works_s: Sequence[float],
    unstarted: float,
) -> list[Station]:
    """Return cores, interpreter and what is not measured: of all explanations the simplest that fits the mean durations."""
    points = [(one.rate, one.total_s / one.count, one.count) for one in windows]
    waits = [[pool.mean_wait_s(rate) for pool in pools] for rate, _, _ in points]
    works = WorkTimes(works_s)
    others = _others(windows)
    best: tuple[float, list[Station]] | None = None
    for share in _OTHERS if others else (0.0,):
        cores = _cores(setup, base + share * others, demand)
        for lock in _locks(setup, base, demand, unstarted):
            processors = [*cores, *lock]
            error, resumed_s = _error(points, _extras(points, waits, processors, works), processors, works)
            # Another than the usual case only where it explains clearly more.
            if math.isfinite(error) and (best is None or error * _TIE < best[0]):
                best = error, [*cores, *(_resuming(one, resumed_s, works) for one in lock)]
    if best is None:
        # Nothing explains the measurements: the check on held-back windows will show it.
        return [*_cores(setup, base + others, demand), *_locks(setup, base, demand, unstarted)[0]]
    error, found = best
    known = _extras(points, waits, found, works)
    most = max(rate for rate, _, _ in points)
    for load in _HIDDEN_LOADS:
        each_s = load / most
        hidden = Station(UNMEASURED, "something not measured", 1, 1, each_s, use_s=each_s)
        with_it, _ = _error(points, _extras(points, known, [hidden], works), found, works)
        if with_it < best[0] and with_it < error * _BETTER:
            best = with_it, [*found, hidden]
    return best[1]


def _others(windows: Sequence[ServiceWindow]) -> float:
    """Return how many cores other processes of the machines keep busy; 0 if unknown."""
    told = [one for one in windows if one.others_cpu_s is not None]
    return total(told, lambda one: one.others_cpu_s or 0.0) / total(told, lambda one: one.seconds) if told else 0.0


def _cores(setup: Setup, base: float, demand: float) -> list[Station]:
    if setup.cores is None or demand <= 0:
        return []
    servers = max(1, math.ceil(setup.cores))
    return [Station(CORES, "CPU cores", servers, setup.machines, demand, base, speed=setup.cores / servers)]


def _locks(setup: Setup, base: float, demand: float, unstarted: float) -> list[list[Station]]:
    """Return what may be known of the interpreter's lock, or the event loop, the usual case first; nothing without one."""
    if demand <= 0 or not (setup.has_gil or setup.event_loop):
        return [[]]
    if setup.event_loop:
        # A task yields only where it awaits; how often that is, is not known.
        return [[Station(EVENT_LOOP, "event loop", 1, setup.processes, demand, base, held_s=math.inf)]]
    name = "Python interpreter (GIL)"
    # With short turns, as where an application has lowered the switch interval, all that run share the interpreter evenly.
    turns = ((GIL_HELD_S, unstarted), (0.0, 0.0))
    return [
        [Station(GIL, name, 1, setup.processes, demand * share, base * share, held_s=held_s, unstarted=outside)]
        if share
        else []
        for share in _LOCKED_SHARES
        for held_s, outside in turns
    ]


def _resuming(lock: Station, resumed_s: float, works: WorkTimes) -> Station:
    """Return a lock with its wait after calls: of threads it goes with their CPU time, as the number of their turns does."""
    if lock.kind == EVENT_LOOP:
        return replace(lock, resumed_s=resumed_s)
    return replace(lock, resumed_share=resumed_s / works.mean_s if works.mean_s else 0.0)


def _extras(
    points: Sequence[tuple[float, float, int]],
    known: Sequence[Sequence[float]],
    stations: Sequence[Station],
    works: WorkTimes,
) -> list[list[float]]:
    """Return what lengthens extractions at each point: what is known to, and further stations, which those do not change."""
    return [
        [*extras, *mean_extras_s(stations, rate, works)] for extras, (rate, _, _) in zip(known, points, strict=True)
    ]


def _error(
    points: Sequence[tuple[float, float, int]],
    extras: Sequence[Sequence[float]],
    processors: Sequence[Station],
    works: WorkTimes,
) -> tuple[float, float]:
    """Return the squared error of the mean durations, relative, by count, and the fitted `resumed_s` of their lock.

    The rest of an extraction, alone, is free to fit. `resumed_s` is a posterior mean: it is of the order of the CPU time, of which
    the parts between an extraction's calls are what others wait for, and few windows of little load do not say more.
    """
    added = [math.fsum(one) for one in extras]
    if not all(map(math.isfinite, added)):
        return math.inf, 0.0
    rest = [mean - extra for (_, mean, _), extra in zip(points, added, strict=True)]
    weights = [count / mean**2 for _, mean, count in points]
    resumed_s = 0.0
    lock = next((one for one in processors if one.kind in (GIL, EVENT_LOOP)), None)
    if lock is not None and not (lock.resumed_s or lock.resumed_share):
        slopes = [sharing(processors, rate).lock for rate, _, _ in points]
        prior_s = _RESUMED * works.mean_s
        resumed_s = _slope(slopes, rest, weights, prior_s if lock.kind == EVENT_LOOP else 0.0, prior_s)
        rest = [one - resumed_s * slope for one, slope in zip(rest, slopes, strict=True)]
    # Alone, an extraction takes its CPU time at least.
    alone = max(works.mean_s, _weighted(rest, weights))
    return math.fsum(weight * (one - alone) ** 2 for one, weight in zip(rest, weights, strict=True)), resumed_s


def _weighted(values: Sequence[float], weights: Sequence[float]) -> float:
    return math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / math.fsum(weights)


def _slope(
    places: Sequence[float], values: Sequence[float], weights: Sequence[float], prior: float, deviation: float
) -> float:
    """Return the slope of a line through points, at least 0: a posterior mean, with a normal distribution before them.

    A. Gelman et al., "Bayesian Data Analysis", 3rd ed. 2013, chapter 14: the prior is one more point.
    """
    place, value = _weighted(places, weights), _weighted(values, weights)
    spread = math.fsum(w * (x - place) ** 2 for x, w in zip(places, weights, strict=True))
    together = math.fsum(w * (x - place) * (y - value) for x, y, w in zip(places, values, weights, strict=True))
    if not spread or deviation <= 0:
        return max(0.0, prior)
    slope = together / spread
    left = math.fsum(
        w * (y - value - slope * (x - place)) ** 2 for x, y, w in zip(places, values, weights, strict=True)
    )
    precision = spread * max(1, len(places) - 2) / left if left else math.inf
    if math.isinf(precision):
        return max(0.0, slope)
    own = 1 / deviation**2
    return max(0.0, (slope * precision + prior * own) / (precision + own))


def _workers(windows: Sequence[ServiceWindow], setup: Setup) -> list[Station]:
    """Return the threads that take requests, where they have all been busy at once: in busy windows always as many, never more."""
    peaks = [(one.rate, one.peak) for one in windows if one.peak]
    if setup.event_loop or len(peaks) < 2 * _FLAT:
        return []
    busiest = sorted(peaks)[-max(_FLAT, len(peaks) // 4) :]
    most = max(peak for _, peak in peaks)
    if any(peak < most for _, peak in busiest) or busiest[-1][0] < busiest[0][0] * 1.1:
        return []
    mean_s = total(windows, lambda one: one.total_s) / total(windows, lambda one: one.count)
    return [Station(WORKERS, "worker threads", round(most), setup.processes, mean_s, use_s=mean_s)]
