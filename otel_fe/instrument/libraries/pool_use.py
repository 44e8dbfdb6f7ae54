"""The usage of pools: requests, waits and uses of connections, counted where they happen and summed afterwards.

Flat on the path of a request: a reading of the clock and an append. The entries are summed every few hundred, or when
they are read.
"""

from __future__ import annotations

import weakref
from _thread import RLock
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_fe.forecast.moments import Moments
from otel_fe.forks import after_fork
from otel_fe.model.histogram import Histogram
from otel_fe.pipeline.extraction_series import TIME_EDGES_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.model.histogram import HistogramState

T = TypeVar("T")
_APART: Final = 256
"""Requests that are collected before they are summed."""
_MAX_NAMES: Final = 256
_OTHERS: Final = "others"
"""The name of all pools beyond the bound."""
KEY: Final = "_otel_fe_use"
_NONE: Final = Moments()


@dataclass(frozen=True, slots=True)
class PoolUseTotals:
    """The counters of a pool since it is watched. Their differences are the usage in between."""

    gaps: Moments = _NONE
    """Time from one request to the next."""
    queued: Moments = _NONE
    """Time that requests waited, without opening connections."""
    used: Moments = _NONE
    """Time from borrowing to returning."""
    created: Moments = _NONE
    """Time to open connections."""
    timeouts: int = 0


class PoolCounters:
    """The counters of the pools with one name. Appending needs no lock; the sums are under one.

    Args:
        library: `sqlalchemy` or `redis`.
    """

    def __init__(self, library: str) -> None:
        self.library = library
        self.requests: list[tuple[int, int, int]] = []
        """Start, wait and of that the time to open a connection, in ns, of requests not yet in the sums."""
        self.uses: list[int] = []
        self.asked = self.left = 0
        """Callers that have come, and gone. The GIL makes each `+= 1` good enough for a peak."""
        self.peak = 0
        """The most callers that were inside at once, waiting or using, since the last restart."""
        self.timeouts = 0
        self.answered = self.failures = 0
        """Requests that were answered by a connection, and by an error: a time-out, or a connection that cannot be opened."""
        self.wait = Histogram(TIME_EDGES_NS)
        self.use = Histogram(TIME_EDGES_NS)
        self.create = Histogram(TIME_EDGES_NS)
        self._tally = PoolUseTotals()
        self._latest = 0
        self._lock = RLock()

    def restart(self) -> None:
        """Reset the peak, and leave out the time from the last request to the next."""
        with self._lock:
            self.tally()
            self._latest = 0
            self.peak = self.asked - self.left

    def came(self) -> None:
        """Count a caller that requests a connection."""
        self.asked += 1
        inside = self.asked - self.left
        if inside > self.peak:
            self.peak = inside

    def got(self, start_ns: int, end_ns: int, created_ns: int) -> None:
        """Count a request that was answered, opening a connection for some of the time or not."""
        self.answered += 1
        self.requests.append((start_ns, end_ns - start_ns, created_ns))
        if len(self.requests) >= _APART:
            self.tally()

    def returned(self, used_ns: int) -> None:
        """Count a connection that came back."""
        self.left += 1
        self.uses.append(used_ns)

    def failed(self, *, timeout: bool) -> None:
        """Count a request that was answered with an error."""
        self.left += 1
        self.failures += 1
        self.timeouts += timeout

    def tally(self) -> PoolUseTotals:
        """Sum the collected requests, and return the sums."""
        with self._lock:
            requests = sorted(_taken(self.requests))
            uses = _taken(self.uses)
            gaps, opened = [], []
            for start_ns, wait_ns, created_ns in requests:
                if self._latest:
                    gaps.append(max(0, start_ns - self._latest))
                self._latest = max(self._latest, start_ns)
                self.wait.record(wait_ns)
                if created_ns:
                    opened.append(created_ns)
                    self.create.record(created_ns)
            for used_ns in uses:
                self.use.record(used_ns)
            before = self._tally
            self._tally = PoolUseTotals(
                before.gaps.plus(gaps),
                before.queued.plus([max(0, wait - created) for _, wait, created in requests]),
                before.used.plus(uses),
                before.created.plus(opened),
                self.timeouts,
            )
            return self._tally

    def histograms(self) -> tuple[HistogramState, HistogramState, HistogramState]:
        """Return the waits, the uses and the creations so far."""
        with self._lock:
            self.tally()
            return self.wait.state(), self.use.state(), self.create.state()


def _taken(apart: list[T]) -> list[T]:
    """Empty a list one by one: nothing is lost that another thread appends meanwhile."""
    found = []
    while apart:
        found.append(apart.pop())
    return found


class WatchedPools:
    """The watched pools, by weak reference, and their counters by name: a new pool of a name continues them."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()
        self._uses: dict[str, PoolCounters] = {}

    def adopt(self, pool: Any, library: str, describe: Callable[[Any], tuple[str, int | None]]) -> PoolCounters:
        """Watch a pool from now on; return what its use is counted in."""
        name, _ = describe(pool)
        with self._lock:
            if name not in self._uses and len(self._uses) >= _MAX_NAMES:
                name = _OTHERS
            use = self._uses.setdefault(name, PoolCounters(library))
            self._watched.add(pool)
        vars(pool)[KEY] = use
        return use

    def watched(self) -> list[Any]:
        """Return the pools that still exist."""
        with self._lock:
            return list(self._watched)

    def uses(self) -> dict[str, PoolCounters]:
        """Return what is counted, by name."""
        with self._lock:
            return dict(self._uses)

    def forget(self) -> None:
        """Leave all of them alone from now on."""
        with self._lock:
            for pool in self._watched:
                vars(pool).pop(KEY, None)
            self._watched.clear()
            self._uses.clear()

    def renew(self) -> None:
        """Start over in a forked child: what the parent's callers did, the parent counts."""
        self._lock = RLock()
        for use in self._uses.values():
            use.__init__(use.library)  # type: ignore[misc]


def use_of(pool: Any) -> PoolCounters | None:
    """Return what a pool's use is counted in; None where it is not watched."""
    found: PoolCounters | None = vars(pool).get(KEY)
    return found


POOLS: Final = WatchedPools()
after_fork(POOLS.renew)
