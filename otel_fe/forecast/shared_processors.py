"""The slowdown of work by the cores of its machine and the interpreter lock, or event loop, of its process together.

Both are not to be added up: of the threads of a process, one at a time holds the interpreter and wants a core for that, so that a
single process never waits for its own core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from otel_fe.forecast.processor_sharing import slowdown
from otel_fe.forecast.station import CORES, EVENT_LOOP, GIL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.forecast.station import Station

_FEW_WAITS: Final = 0.5
_STEPS: Final = 500
_EXACT: Final = 1e-4
_SLOWEST: Final = 1e4


class WorkTimes:
    """CPU times of extractions that represent all, each as likely, with the sums that a fit needs of them at every rate.

    Args:
        values_s: In seconds.
    """

    def __init__(self, values_s: Sequence[float]) -> None:
        self.values_s = tuple(values_s)
        self.mean_s = math.fsum(self.values_s) / len(self.values_s) if self.values_s else 0.0
        """0 without any."""
        self._beyond_s: dict[float, float] = {0.0: self.mean_s, math.inf: 0.0}

    def mean_beyond_s(self, held_s: float) -> float:
        """Return how much of the CPU times is beyond `held_s`, in the mean."""
        found = self._beyond_s.get(held_s)
        if found is None:
            beyond_s = [each_s - held_s for each_s in self.values_s if each_s > held_s]
            found = self._beyond_s[held_s] = math.fsum(beyond_s) / len(self.values_s)
        return found


@dataclass(frozen=True, slots=True)
class Sharing:
    """The slowdown that shared processors cause at a rate."""

    stretch: float = 1.0
    """Factor by which CPU time is prolonged because runnable threads share the cores; infinite where those are overloaded."""
    lock: float = 0.0
    """The mean wait for the interpreter or the loop over the CPU time that yields to others; infinite likewise."""
    held_s: float = 0.0
    resumed_s: float = 0.0
    resumed_share: float = 0.0
    """See `Station`."""
    busy: float = 0.0
    """Utilisation of the interpreter or the loop."""

    def extra_s(self, work_s: float) -> float:
        """Return how much longer than alone an extraction with some CPU time takes, in the mean, in seconds."""
        extra_s = work_s * (self.stretch - 1) if work_s > 0 else 0.0
        given_way_s = (work_s - self.held_s if work_s > self.held_s else 0.0) + self.resumed_share * work_s
        return extra_s + (self.lock * given_way_s if given_way_s > 0 else 0.0) + self.resuming_s

    def mean_extra_s(self, works: WorkTimes) -> float:
        """Return the mean of `extra_s` over some CPU times, in seconds; 0 without any.

        A fit asks for it thousands of times: `extra_s` is linear above and below `held_s`, so that a sum of each part is enough.
        """
        if not works.values_s:
            return 0.0
        mean_s = works.mean_s
        given_way_s = self.resumed_share * mean_s + works.mean_beyond_s(self.held_s)
        extra_s = mean_s * (self.stretch - 1) if mean_s > 0 else 0.0
        return extra_s + (self.lock * given_way_s if given_way_s > 0 else 0.0) + self.resuming_s

    @property
    def resuming_s(self) -> float:
        """The part of that which is waited after calls, whatever its CPU time."""
        return self.lock * self.resumed_s if self.resumed_s > 0 else 0.0

    @property
    def resuming_variance_s2(self) -> float:
        """The variance of that.

        One wait of M/M/1 has (2 - busy) / busy times the square of its mean (L. Kleinrock, "Queueing Systems", volume I, 1975,
        section 5.7), the sum of a few that find much the same queue about half as much.
        """
        return _FEW_WAITS * (2 - self.busy) / self.busy * self.resuming_s**2 if self.busy > 0 else 0.0

    @property
    def overloaded(self) -> bool:
        """Return whether something is."""
        return math.isinf(self.stretch) or math.isinf(self.lock)


def sharing(stations: Sequence[Station], rate: float) -> Sharing:
    """Return how the processors among some stations slow down work at a rate of extractions a second."""
    cores = next((one for one in stations if one.kind == CORES), None)
    lock = next((one for one in stations if one.kind in (GIL, EVENT_LOOP)), None)
    if lock is None:
        return Sharing() if cores is None else Sharing(slowdown(cores.servers, cores.load(rate)))
    busy = lock.load(rate)
    stretch = 1.0
    if cores is not None:
        processes = lock.copies / cores.copies
        free = max(0.0, cores.load(rate) - processes * busy / cores.speed)
        stretch = _stretch(cores.servers, processes, busy, free)
    busy *= stretch
    if busy >= 1:
        return Sharing(stretch, math.inf, lock.held_s, lock.resumed_s, lock.resumed_share, busy)
    # Of the work as much holds the lock as the lock's demand is of the cores'.
    share = 1.0 if cores is None or not cores.demand_s else min(1.0, lock.demand_s / cores.demand_s)
    # Cores that others use now and then make work uneven, which lengthens the queue for the lock: by simulation, the root of that.
    wait = math.sqrt(stretch) * busy / (1 - busy)
    return Sharing(
        stretch,
        share * stretch * wait / (1 + lock.unstarted * wait),
        lock.held_s,
        lock.resumed_s,
        lock.resumed_share,
        busy,
    )


def mean_extras_s(stations: Sequence[Station], rate: float, works: WorkTimes) -> list[float]:
    """Return by how much each station lengthens the mean extraction at a rate, in seconds.

    Args:
        stations: Of the service.
        rate: Extractions a second.
        works: The CPU times of some extractions that represent all.
    """
    together_s = sharing(stations, rate).mean_extra_s(works)
    # The lock would add as much on cores without end; the rest is for want of cores.
    lock_s = sharing([one for one in stations if one.kind != CORES], rate).mean_extra_s(works)
    cores_s = 0.0 if math.isinf(lock_s) else together_s - lock_s
    of_kind = {CORES: cores_s, GIL: lock_s, EVENT_LOOP: lock_s}
    return [of_kind[one.kind] if one.kind in of_kind else one.mean_wait_s(rate) for one in stations]


@lru_cache(maxsize=1024)
def _stretch(cores: int, processes: float, busy: float, free: float) -> float:
    """Return how much longer CPU time takes because others are runnable, too; infinite where there are too many.

    An extraction that computes finds each other process computing with the chance that its interpreter is held, and threads without
    the interpreter as many as Poisson's distribution has it; all get an equal share of the cores. The times are longer by the same
    factor: the least solution is meant.
    """
    if processes * busy + free >= cores or busy >= 1:
        return math.inf
    found = 1.0
    for _ in range(_STEPS):
        held = min(1.0, busy * found)
        others = max(0.0, processes - 1) * held + free * found
        longer = (1 + others) / cores
        if cores > 1:
            chances = _few(cores - 1, max(0.0, processes - 1), held, free * found)
            longer += math.fsum((1 - (1 + place) / cores) * chance for place, chance in enumerate(chances))
        longer = max(1.0, longer)
        if longer - found <= _EXACT * found:
            return longer
        found = longer
        if found > _SLOWEST:
            break
    return math.inf


def _few(most: int, processes: float, held: float, free: float) -> list[float]:
    """Return the chances that 0, 1, … fewer than `most` others compute; a part of a process is one that is there so often."""
    chances = [0.0] * most
    chances[0] = math.exp(-free)
    for place in range(1, most):
        chances[place] = chances[place - 1] * free / place
    whole = math.floor(processes)
    for chance in [held] * whole + [held * (processes - whole)]:
        chances = [
            now * (1 - chance) + (chances[place - 1] * chance if place else 0.0) for place, now in enumerate(chances)
        ]
    return chances
