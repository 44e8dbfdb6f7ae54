"""The stations of a service as its windows measured them: the demand of an extraction on each, and how well theory agrees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from otel_fe.forecast.station import CORES, EVENT_LOOP, GIL, POOL, UNMEASURED, WORKERS, Station

if TYPE_CHECKING:
    from otel_fe.capacity.measured import Setup, Window

_LOCKED_SHARES: Final = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Candidate shares of CPU time that hold the interpreter: the one that explains the durations best is used."""
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


def stations_of(windows: Sequence[Window], setup: Setup, asking: float, missing: float = 0.0) -> list[Station]:
    """Return a service's stations.

    Args:
        windows: Some of its windows, all with extractions.
        setup: How large it is.
        asking: The share of its extractions, 0..1, that use a pool.
        missing: The share of those that do, and whose look-ups did not all hit.
    """
    pools = _pools(windows, setup, asking, missing)
    base, demand = _cpu(windows)
    return [*pools, *_processors(windows, setup, pools, base, demand), *_workers(windows, setup)]


def total(windows: Sequence[Window], of: Callable[[Window], float]) -> float:
    """Return a sum over windows."""
    return math.fsum(map(of, windows))


def mean_work_s(windows: Sequence[Window]) -> float:
    """Return the mean CPU time of an extraction; where few know theirs, what each adds to the processes' CPU time."""
    count, known = total(windows, lambda one: one.count), total(windows, lambda one: one.cpu_count)
    if known > _MOST_KNOWN * count:
        return total(windows, lambda one: one.cpu_s) / known
    return _cpu(windows)[1] if known or any(one.process_cpu_s is not None for one in windows) else 0.0


def _cpu(windows: Sequence[Window]) -> tuple[float, float]:
    """Return the cores that are busy without extractions, and the CPU time that each extraction costs, frameworks included."""
    counted = total(windows, lambda one: one.cpu_count)
    own = total(windows, lambda one: one.cpu_s) / counted if counted else 0.0
    known = [(one.rate, one.process_cpu_s / one.seconds) for one in windows if one.process_cpu_s is not None]
    if len(known) < len(windows):
        return 0.0, own
    mean_rate, mean_busy = (math.fsum(pair[place] for pair in known) / len(known) for place in (0, 1))
    spread = math.fsum((rate - mean_rate) ** 2 for rate, _ in known)
    together = math.fsum((rate - mean_rate) * (busy - mean_busy) for rate, busy in known)
    slope = together / spread if spread else mean_busy / mean_rate
    # Not less than what extractions were seen to use themselves, and not more than there is.
    slope = min(max(slope, own), mean_busy / mean_rate if mean_busy >= own * mean_rate else own)
    return max(0.0, mean_busy - slope * mean_rate), slope


def _pools(windows: Sequence[Window], setup: Setup, asking: float, missing: float) -> list[Station]:
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


def _agreement(station: Station, windows: Sequence[Window]) -> float:
    """Return the waits that were seen over those by theory, all windows together; 1 where both are next to nothing."""
    by_theory = seen = uses = 0.0
    for one in windows:
        here = one.pools.get(station.name)
        if here is None or not here.uses:
            continue
        # Of this window's own uses: a window with fewer misses asks less.
        share, each_s = station.waits(here.use_s / one.seconds / station.demand_s)
        if math.isfinite(each_s):
            by_theory += here.uses / station.visits * share * each_s
            seen += here.wait_s
            uses += here.uses
    if not uses or max(by_theory, seen) / uses < max(_TINY_S, 0.02 * station.use_s):
        return 1.0
    return min(max(seen / by_theory, _TRUSTED[0]), _TRUSTED[1]) if by_theory else _TRUSTED[1]


def _processors(
    windows: Sequence[Window], setup: Setup, pools: Sequence[Station], base: float, demand: float
) -> list[Station]:
    """Return cores, interpreter and what is not measured: of all explanations the simplest that fits the mean durations."""
    points = [(one.rate, one.total_s / one.count, one.count) for one in windows]
    work_s = mean_work_s(windows)
    most = max(rate for rate, _, _ in points)
    cores = _cores(setup, base + _others(windows), demand)
    best: tuple[float, list[Station]] | None = None
    for locked in _LOCKED_SHARES if setup.has_gil and not setup.event_loop else (float(setup.has_gil),):
        lock = _lock(setup, base * locked, demand * locked) if locked else []
        error = _error(points, [*pools, *cores, *lock], work_s)
        # A smaller share only where it explains clearly more: that all of it holds the interpreter is the usual case.
        if math.isfinite(error) and (best is None or error * _TIE < best[0]):
            best = error, [*cores, *lock]
    if best is None:
        # Nothing explains what was seen: the check on held-back windows will tell.
        return [*cores, *_lock(setup, base, demand)]
    error, found = best
    for load in _HIDDEN_LOADS:
        each_s = load / most
        hidden = Station(UNMEASURED, "something not measured", 1, 1, each_s, use_s=each_s)
        with_it = _error(points, [*pools, *found, hidden], work_s)
        if with_it < best[0] and with_it < error * _BETTER:
            best = with_it, [*found, hidden]
    return best[1]


def _others(windows: Sequence[Window]) -> float:
    """Return how many cores other processes of the machines keep busy; 0 if unknown."""
    told = [one for one in windows if one.others_cpu_s is not None]
    return total(told, lambda one: one.others_cpu_s or 0.0) / total(told, lambda one: one.seconds) if told else 0.0


def _cores(setup: Setup, base: float, demand: float) -> list[Station]:
    if setup.cores is None or demand <= 0:
        return []
    servers = max(1, round(setup.cores))
    # A quota of 1.5 cores is two that are slower.
    slower = servers / setup.cores
    return [Station(CORES, "CPU cores", servers, setup.machines, demand * slower, base * slower)]


def _lock(setup: Setup, base: float, demand: float) -> list[Station]:
    kind, name = (EVENT_LOOP, "event loop") if setup.event_loop else (GIL, "Python interpreter (GIL)")
    return [Station(kind, name, 1, setup.processes, demand, base)] if demand > 0 else []


def _error(points: Sequence[tuple[float, float, int]], stations: Sequence[Station], work_s: float) -> float:
    """Return the squared error of the mean durations, relative, by count; what an extraction takes alone is free to fit."""
    extras = [math.fsum(one.mean_extra_s(rate, work_s) for one in stations) for rate, _, _ in points]
    if not all(map(math.isfinite, extras)):
        return math.inf
    weights = [count / mean**2 for _, mean, count in points]
    whole = math.fsum(weights)
    alone = math.fsum(
        weight * (mean - extra) for (_, mean, _), extra, weight in zip(points, extras, weights, strict=True)
    )
    alone = max(0.0, alone / whole)
    return math.fsum(
        weight * (mean - extra - alone) ** 2
        for (_, mean, _), extra, weight in zip(points, extras, weights, strict=True)
    )


def _workers(windows: Sequence[Window], setup: Setup) -> list[Station]:
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
