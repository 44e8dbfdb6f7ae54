"""The registered caches: their identity, their last readings, and samples of their look-ups."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from otel_fe.forecast.reuse import ReuseCurve
from otel_fe.forks import renew_after_fork
from otel_fe.instrument.libraries import redis_use
from otel_fe.instrument.libraries.connections import WATCHING
from otel_fe.resources.cached_extractor import cache_within, read_object, refusal
from otel_fe.resources.redis_cache import RedisCache
from otel_fe.resources.redis_clients import redis_target
from otel_fe.resources.results import CacheStats
from otel_fe.resources.run_concurrently import run_concurrently

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.instrument.libraries.redis_keys import KeySample
    from otel_fe.resources.redis_clients import RedisTarget

_MAX: Final = 256
LIFETIMES_S: Final = (1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 43200.0, 86400.0)
"""Times to live for which a sample gives the hit ratio."""


class Cache(Protocol):
    """A cache that can be read."""

    def read(self) -> CacheStats:
        """Return the cache's statistics; marked as not available if it has none."""
        ...


@dataclass
class ObjectCache:
    """A cache other than Redis."""

    name: str
    cache: Callable[[], object | None]
    """Returns the cache as long as it exists; it is referred to weakly."""

    def read(self) -> CacheStats:
        """Return the cache's statistics."""
        cache = self.cache()
        if cache is None:
            return CacheStats(self.name, "object", available=False, problem="ReferenceError")
        return read_object(self.name, cache)


class Caches:
    """The registered caches, by name. Safe to share between threads.

    Args:
        clock: Times the readings.
        timeout_s: The longest that reading may take.
        sample: The most keys of each Redis that are followed; 0 for none.
        lifetimes_s: Times to live that are tried out.
    """

    def __init__(self, clock: Clock, timeout_s: float, sample: int, lifetimes_s: tuple[float, ...]) -> None:
        self._clock, self._timeout_s = clock, timeout_s
        self._sample, self._lifetimes_s = sample, lifetimes_s
        self._lock = threading.RLock()
        self._caches: dict[str, Cache] = {}
        self._samples: dict[str, KeySample] = {}
        self._stats: dict[str, CacheStats] = {}
        renew_after_fork(self._after_fork)

    def add(self, extractor: object) -> CacheStats:
        """Read a cache for the first time; raises where it is none. See `CacheConnectionIntegration.sync_cache_metrics`."""
        cache = cache_within(extractor)
        if cache is None:
            raise refusal(extractor)
        target = redis_target(cache)
        with self._lock:
            if target is None:
                name, found = self._object(extractor, cache)
            else:
                name, found = target.name, self._redis(target)
            if name not in self._caches and len(self._caches) >= _MAX:
                raise ValueError(f"{_MAX} caches are read already: close() this integration, and make another")
        stats = found.read()
        with self._lock:
            self._caches[name] = found
            self._stats[name] = stats
        return stats

    def read(self) -> None:
        """Read all caches again, concurrently."""
        with self._lock:
            caches = dict(self._caches)
        answered, late = run_concurrently({name: cache.read for name, cache in caches.items()}, self._timeout_s)
        with self._lock:
            self._stats.update(answered)
            for name, problem in late.items():
                self._stats[name] = _unavailable(self._stats[name], problem)

    def stats(self) -> dict[str, CacheStats]:
        """Return the last readings."""
        with self._lock:
            return dict(self._stats)

    def curve(self, name: str) -> ReuseCurve | None:
        """Return the sample of what was looked up in a cache; None where there is none."""
        sample = self._samples.get(name)
        return None if sample is None else sample.settle()

    def restart(self) -> None:
        """Reset the counts of look-ups, but keep the sampled keys."""
        for sample in list(self._samples.values()):
            sample.restart()

    def close(self) -> None:
        """Release all caches."""
        with self._lock:
            while self._samples:
                WATCHING.leave_keys(self._samples.popitem()[1])
            self._caches.clear()
            self._stats.clear()

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # another thread of the parent may have held it

    def _redis(self, target: RedisTarget) -> Cache:
        for pool in target.pools:
            redis_use.watch(pool)
        if self._sample and target.name not in self._samples:
            curve = ReuseCurve(self._sample, self._lifetimes_s)
            self._samples[target.name] = WATCHING.sample_keys(list(target.addresses), curve)
        return self._caches.get(target.name) or RedisCache(target, self._clock, self._timeout_s)

    def _object(self, extractor: object, cache: object) -> tuple[str, Cache]:
        for name, known in self._caches.items():
            if isinstance(known, ObjectCache) and known.cache() is cache:
                return name, known
        plain, number = type(extractor).__name__, 1
        name = plain
        while name in self._caches:
            number += 1
            name = f"{plain}#{number}"
        return name, ObjectCache(name, _reference(cache))


def _unavailable(stats: CacheStats, problem: str) -> CacheStats:
    known: dict[str, Any] = {**stats, "available": False, "problem": problem}
    return CacheStats(**known)


def _reference(cache: object) -> Callable[[], object | None]:
    try:
        return weakref.ref(cache)
    except TypeError:  # dictionaries and named tuples cannot be referred to weakly
        return lambda: cache
