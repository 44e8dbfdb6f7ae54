"""Samples look-ups of named caches by key, to predict the hit rate at another size. Only the autopilot uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.autopilot.cachetools_caches import CachetoolsCache
from otel_fe.forecast.reuse import HASHES, ReuseCurve
from otel_fe.instrument.libraries.redis_keys import KeySample

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from otel_fe.autopilot.resource import ResizableResource

_SPREAD: Final = 0x9E3779B97F4A7C15
"""Odd, from the golden ratio: hashes of small integers are those integers, and have to lie everywhere."""


class SampledCaches:
    """The caches of `OTEL_FE_CACHES`, each with a sample of its keys and with its hits and look-ups."""

    def __init__(self) -> None:
        self._samples: dict[str, KeySample] = {}
        self._resources: dict[str, CachetoolsCache] = {}
        self._counts: dict[str, list[int]] = {}
        self._before: dict[str, tuple[int, int]] = {}

    def adopt(self, name: str, cached: Callable[..., Any], missed: threading.local) -> Callable[..., Any]:
        """Return a cached function that samples its look-ups.

        Args:
            name: Of the target.
            cached: Under its cache.
            missed: Where the function underneath notes that it has run.
        """
        self._resources[name] = CachetoolsCache(name, cached)
        key_of: Any = getattr(cached, "cache_key", None)
        if key_of is None:
            return cached
        sample = self._samples[name] = KeySample(ReuseCurve())
        counts = self._counts[name] = [0, 0]

        def sampled(*args: Any, **kwargs: Any) -> Any:
            before = getattr(missed, "at_ns", 0)
            missed.at_ns = 0
            result = cached(*args, **kwargs)
            try:
                counts[1] += 1
                counts[0] += not missed.at_ns
                missed.at_ns = missed.at_ns or before
                sample.noted(hash(key_of(*args, **kwargs)) * _SPREAD % HASHES)
            except Exception as fault:
                faults.record("cached.sample", fault)
            return result

        return sampled

    def resources(self) -> list[ResizableResource]:
        """Return the caches."""
        return [*self._resources.values()]

    def curve(self, name: str) -> ReuseCurve:
        """Return the sample of a cache's look-ups; an empty one where they are not sampled."""
        sample = self._samples.get(name)
        return ReuseCurve() if sample is None else sample.settle()

    def ticks(self, now_ns: int) -> dict[str, list[tuple[int, int, int]]]:
        """Return the hits and look-ups of each cache since the last call."""
        found = {}
        for name, (hits, lookups) in ((name, tuple(counts)) for name, counts in list(self._counts.items())):
            hits_before, lookups_before = self._before.get(name, (0, 0))
            self._before[name] = hits, lookups
            if lookups > lookups_before:
                found[name] = [(now_ns, hits - hits_before, lookups - lookups_before)]
        return found
