"""Resizes caches of cachetools (4 to 8) on functions of `OTEL_FE_CACHES`.

A cache evicts before it inserts, until the new entry fits into its maximum. So only the maximum has to change: the
next insertion evicts surplus entries, in the application's thread and under its lock.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from otel_fe.autopilot.resource import CannotResizeError
from otel_fe.config.autopilot import CACHES

_MAXIMUM: Final = "_Cache__maxsize"
_SERIES: Final = ("4.", "5.", "6.", "7.", "8.")


class CachetoolsCache:
    """A cache as a resource.

    Args:
        name: Of the function, as in `OTEL_FE_CACHES`.
        function: Under `cachetools.cached`, or `functools.lru_cache`, which is refused.
    """

    def __init__(self, name: str, function: Any) -> None:
        self.name: Final = name
        self.kind: Final = CACHES
        self._function = function
        self._sizes: tuple[int, int] | None = None
        """The application's size, and the size that the autopilot set last."""

    def size(self) -> int:
        """Return the cache's `maxsize`."""
        return int(self._cache().maxsize)

    def resize(self, size: int) -> None:
        """Set the maximum number of entries to `size`."""
        cache = self._cache()
        if size < 1:
            raise CannotResizeError(f"{self.name}: a cache needs room for at least one entry, not {size}")
        host, ours = self._sizes or (None, None)
        now = int(cache.maxsize)
        self._sizes = (now if host is None or now != ours else host, size)
        setattr(cache, _MAXIMUM, size)

    def settle(self) -> None:
        """Do nothing: the next insertion evicts surplus entries."""

    def restore(self) -> None:
        """Restore the application's size. One that the application has set since stays."""
        if self._sizes is not None:
            host, ours = self._sizes
            self._sizes = None
            cache = self._cache()
            if cache.maxsize == ours:
                setattr(cache, _MAXIMUM, host)

    def most(self) -> int | None:
        """Return None: only the configured bounds limit a cache."""
        return None

    def _cache(self) -> Any:
        if hasattr(self._function, "cache_parameters"):
            raise CannotResizeError(
                f"{self.name} uses functools.lru_cache, whose size is fixed at its creation. Use "
                "cachetools.cached(LRUCache(…)) instead, which can be resized."
            )
        cache: Any = getattr(self._function, "cache", None)
        cachetools: Any = sys.modules.get("cachetools")
        version = str(getattr(cachetools, "__version__", ""))
        if cachetools is None or not isinstance(cache, cachetools.Cache):
            raise CannotResizeError(f"{self.name} is not cached by cachetools.")
        if not version.startswith(_SERIES) or vars(cache).get(_MAXIMUM) != cache.maxsize:
            raise CannotResizeError(
                f"{self.name}: {type(cache).__name__} of cachetools {version} differs internally from the tested versions."
            )
        if not isinstance(cache.maxsize, (int, float)) or cache.maxsize == float("inf"):
            raise CannotResizeError(f"{self.name}: its cache is unbounded.")
        return cache
