"""CacheConnectionIntegration: statistics of caches and connection pools, their cost, and recommendations.

integration = CacheConnectionIntegration()
integration.sync_cache_metrics(cached_extractor)     # or a client of redis-py's
integration.get_unified_resource_stats()
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

from otel_fe.clock import SystemClock
from otel_fe.instrument.background import Background
from otel_fe.instrument.libraries import redis_use
from otel_fe.instrument.libraries.connection_metrics import ConnectionMetrics
from otel_fe.instrument.libraries.connections import WATCHING
from otel_fe.resources.cache_advice import cache_advice
from otel_fe.resources.caches import LIFETIMES_S, Caches
from otel_fe.resources.impact import impact
from otel_fe.resources.pool_advice import pool_advice
from otel_fe.resources.pools import PoolWindow
from otel_fe.resources.redis_clients import redis_target
from otel_fe.resources.results import CacheStats, Impact, PoolStats, Recommendation, UnifiedResourceStats
from otel_fe.sdk.providers import meter_provider as sdk_provider

if TYPE_CHECKING:
    from types import TracebackType

    from otel_fe.clock import Clock

__all__ = [
    "CacheConnectionIntegration",
    "CacheStats",
    "Impact",
    "PoolStats",
    "Recommendation",
    "UnifiedResourceStats",
]

_SAMPLE: Final = 8192


class CacheConnectionIntegration:
    """One view of the caches and pools of this process. Safe to share between threads.

    From when it is made until `close`, every pool of SQLAlchemy's that is used is watched, every pool of redis-py's that is made
    or handed over, and `db.client.connection.*` are emitted.

    Args:
        window_s: How far back the figures of pools reach.
        interval_s: How often the background task reads the caches, between `start` and `stop`.
        timeout_s: The longest that reading the caches may take.
        target_wait_ms: A mean wait for a pool that is good enough.
        sample_keys: The most keys of each Redis that are followed, by their hashes, to say its hit ratio at another size; 0
            for none.
        lifetimes_s: Times to live that are tried out on them, ascending.
        meter_provider: Where the metrics go; the global one by default.
        clock: For the window.

    Raises:
        ValueError: A time is not above 0, or a number below 0.
    """

    def __init__(
        self,
        window_s: float = 300.0,
        interval_s: float = 10.0,
        timeout_s: float = 1.0,
        target_wait_ms: float = 1.0,
        sample_keys: int = _SAMPLE,
        lifetimes_s: tuple[float, ...] = LIFETIMES_S,
        meter_provider: object = None,
        clock: Clock | None = None,
    ) -> None:
        times = {
            "window_s": window_s,
            "interval_s": interval_s,
            "timeout_s": timeout_s,
            "target_wait_ms": target_wait_ms,
        }
        for name, value in times.items():
            if not value > 0:
                raise ValueError(f"{name} is {value!r}; use a number above 0")
        if sample_keys < 0:
            raise ValueError(f"sample_keys is {sample_keys!r}; use at least 0")
        self._clock = SystemClock() if clock is None else clock
        self._interval_ns, self._target_ms = int(interval_s * 1e9), target_wait_ms
        self._lock = threading.RLock()
        self._caches = Caches(self._clock, timeout_s, sample_keys, lifetimes_s)
        self._pools = PoolWindow(self._clock, window_s)
        self._read_ns = self._clock.monotonic_ns()
        self._background: Background | None = None
        self._open = True
        WATCHING.begin()
        provider = sdk_provider(meter_provider)
        self._metrics = None if provider is None else ConnectionMetrics.begin(provider)

    def sync_cache_metrics(self, cached_extractor: object) -> CacheStats:
        """Read a cache now and regularly from then on. Takes `timeout_s` at most; in an event loop, await `read_cache`.

        Args:
            cached_extractor: A client or pool of redis-py's (synchronous, asyncio, cluster); an object that reports its
                hits and misses (`otel_fe.resources.cached_extractor` says how); or one that holds such a thing.

        Raises:
            TypeError: The object is no cache; the message says what is missing.
            ValueError: A cluster's or Sentinel's client that has not been used yet knows no server.
        """
        return self._caches.add(cached_extractor)

    async def read_cache(self, cached_extractor: object) -> CacheStats:
        """Read a cache as `sync_cache_metrics` does, on another thread, so that the event loop goes on.

        Args:
            cached_extractor: As of `sync_cache_metrics`, which also says what is raised.
        """
        return await asyncio.to_thread(self.sync_cache_metrics, cached_extractor)

    def watch_pool(self, source: object) -> None:
        """Watch a pool of redis-py's that was made before this integration, or that of a client; others are seen as they are.

        Args:
            source: The pool or client, synchronous or asynchronous, of one server or a cluster.

        Raises:
            TypeError: The object has no such pool.
        """
        target = redis_target(source)
        if target is None:
            raise TypeError(
                f"{type(source).__name__} is no client or pool of redis-py's; those of SQLAlchemy's need no call"
            )
        for pool in target.pools:
            redis_use.watch(pool)

    def get_unified_resource_stats(self) -> UnifiedResourceStats:
        """Return caches, pools, what they cost, and what to change. Reads the caches, unless that is done in the background."""
        if self._background is None:
            self._caches.read()
        caches, pools, costs = self._caches.stats(), self._pools.stats(), impact()
        advice = [one for pool in pools.values() for one in pool_advice(pool, self._target_ms)]
        for name, cache in caches.items():
            advice += cache_advice(cache, self._caches.curve(name), costs)
        advice.sort(key=lambda one: -one.saves_ms)
        return UnifiedResourceStats(caches, pools, costs, tuple(advice))

    def restart(self) -> None:
        """Reset the window and the counts of look-ups: after a change, or once a cache has been filled."""
        self._pools.restart()
        self._caches.restart()

    # --- in the background, and the end ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Read the caches every `interval_s` in the background, until `stop`."""
        with self._lock:
            if self._background is None and self._open:
                self._background = Background((("resources.read", self._read_when_due),))
                self._background.start()

    def stop(self) -> None:
        """Stop the background task; a second call has no effect."""
        with self._lock:
            background, self._background = self._background, None
        if background is not None:
            background.stop()

    def close(self) -> None:
        """Stop, put every hook back, and emit no metric any more; a second call has no effect."""
        self.stop()
        with self._lock:
            if not self._open:
                return
            self._open = False
        self._caches.close()
        if self._metrics is not None:
            self._metrics.end()
        WATCHING.end()

    def __enter__(self) -> CacheConnectionIntegration:  # noqa: PYI034 - Self is of 3.11
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_when_due(self) -> None:
        now = self._clock.monotonic_ns()
        if now - self._read_ns >= self._interval_ns:
            self._read_ns = now
            self._caches.read()
            self._pools.stats()
