"""The pools of this process over a moving window, and the traffic that a forecast needs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import faults
from otel_fe.forecast.traffic import Traffic
from otel_fe.instrument.libraries.pool_state import PoolState, state_of
from otel_fe.instrument.libraries.pool_use import POOLS, PoolUseTotals
from otel_fe.resources.results import PoolStats

if TYPE_CHECKING:
    from otel_fe.clock import Clock

_MS_PER_S: Final = 1e3
_READINGS: Final = 64
"""Readings that the window is made of: it moves in steps of a 64th at least."""


@dataclass(frozen=True, slots=True)
class _Reading:
    time_ns: int
    tallies: dict[str, PoolUseTotals]


class PoolWindow:
    """The activity of pools within the window, as the difference of two readings of their counters.

    Args:
        clock: For the window.
        window_s: How far back it reaches.
    """

    def __init__(self, clock: Clock, window_s: float) -> None:
        self._clock = clock
        self._window_ns = int(window_s * 1e9)
        self._readings: deque[_Reading] = deque()
        self._read()

    def restart(self) -> None:
        """Begin the window now."""
        for use in POOLS.uses().values():
            use.restart()
        self._readings.clear()
        self._read()

    def stats(self) -> dict[str, PoolStats]:
        """Return the pools by name."""
        before = self._read()
        found = {}
        states = _states()
        for name, use in POOLS.uses().items():
            if name not in states and not use.asked:
                continue
            now, earlier = use.tally(), before.get(name, PoolUseTotals())
            if now.queued.count < earlier.queued.count:  # the counters were reset, as in a forked child
                earlier = PoolUseTotals()
            found[name] = _stats(name, use.library, states.get(name), (now, earlier), use.peak)
        return found

    def _read(self) -> dict[str, PoolUseTotals]:
        """Take a reading; return the oldest of the window, or nothing where counting is younger than it."""
        now = self._clock.monotonic_ns()
        if not self._readings or now - self._readings[-1].time_ns >= self._window_ns // _READINGS:
            self._readings.append(_Reading(now, {name: use.tally() for name, use in POOLS.uses().items()}))
        while len(self._readings) > 1 and self._readings[1].time_ns <= now - self._window_ns:
            self._readings.popleft()
        return self._readings[0].tallies


def _states() -> dict[str, PoolState]:
    """Return the pools' states by name; those with one name are added up."""
    found: dict[str, PoolState] = {}
    for pool in POOLS.watched():
        try:
            state = state_of(pool)
        except Exception as fault:  # noqa: BLE001 a pool that is being taken apart
            faults.record("resources.state", fault)
            continue
        before = found.get(state.name)
        found[state.name] = state if before is None else _together(before, state)
    return found


def _together(one: PoolState, other: PoolState) -> PoolState:
    def plus(name: str) -> int | None:
        left, right = getattr(one, name), getattr(other, name)
        return None if left is None or right is None else left + right

    return PoolState(one.name, one.library, plus("in_use"), plus("idle"), plus("waiting"), plus("limit"), plus("keeps"))


def _stats(
    name: str, library: str, state: PoolState | None, tallies: tuple[PoolUseTotals, PoolUseTotals], peak: int
) -> PoolStats:
    now, before = tallies
    gaps, queued, used, created = (
        getattr(now, kind).since(getattr(before, kind)) for kind in ("gaps", "queued", "used", "created")
    )
    rate = 1 / gaps.mean_s if gaps.total_ns else 0.0
    limit = None if state is None else state.limit
    return PoolStats(
        name=name,
        library=library,
        size=limit,
        keeps=None if state is None else state.keeps,
        in_use=None if state is None else state.in_use,
        idle=None if state is None else state.idle,
        waiting=None if state is None else state.waiting,
        requests=queued.count,
        requests_per_s=rate,
        wait_ms=queued.mean_s * _MS_PER_S,
        wait_total_ms=queued.total_ns / 1e6,
        use_ms=used.mean_s * _MS_PER_S,
        create_ms=created.mean_s * _MS_PER_S,
        created=created.count,
        timeouts=now.timeouts - before.timeouts,
        utilisation=min(1.0, rate * used.mean_s / limit) if limit else 0.0,
        arrivals_variability=gaps.variability,
        use_variability=used.variability,
        callers=peak,
    )


def traffic_of(pool: PoolStats) -> Traffic | None:
    """Return what a forecast needs; None where the pool has no bound, or has not been used enough."""
    if not pool.size or not pool.requests_per_s or not pool.use_ms:
        return None
    return Traffic(
        size=pool.size,
        rate=pool.requests_per_s,
        use_s=pool.use_ms / _MS_PER_S,
        wait_s=pool.wait_ms / _MS_PER_S,
        arrivals_variability=pool.arrivals_variability,
        use_variability=pool.use_variability,
        callers=pool.callers,
    )
