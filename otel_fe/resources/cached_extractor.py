"""Reads caches other than Redis: objects and dictionaries with hits and misses, under their usual names.

An extractor, or its cache (in `cache`, `_cache`, `feature_cache`), provides them through `get_cache_stats()`,
`cache_stats()`, `get_stats()`, `cache_info()` (as `functools.lru_cache`), `stats()`, a property of one of these names,
or as its attributes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from otel_fe.resources.redis_clients import redis_target
from otel_fe.resources.results import CacheStats

_SAYS: Final = ("get_cache_stats", "cache_stats", "get_stats", "cache_info", "stats")
_HOLDS: Final = ("cache", "_cache", "feature_cache", "redis", "redis_client", "_redis", "client", "_client")
_NAMES: Final = {
    "hits": ("hits", "cache_hits", "hit_count", "keyspace_hits", "_hits"),
    "misses": ("misses", "cache_misses", "miss_count", "keyspace_misses", "_misses"),
    "lookups": ("total_requests", "lookups", "requests", "total_lookups", "total"),
    "hit_ratio": ("hit_ratio", "hit_rate", "cache_hit_rate", "cache_hit_ratio"),
    "entries": ("entries", "currsize", "current_size", "cache_size", "size", "keys"),
    "max_entries": ("max_entries", "maxsize", "max_size", "capacity"),
    "memory_bytes": ("memory_bytes", "memory_usage_bytes", "used_memory"),
    "max_memory_bytes": ("max_memory_bytes", "maxmemory"),
    "evictions": ("evictions", "evicted", "eviction_count", "evicted_keys"),
    "expirations": ("expirations", "expired", "expired_keys"),
}
_DEPTH: Final = 3
_PERCENT: Final = 100


def cache_within(extractor: object, depth: int = _DEPTH) -> object | None:
    """Return the source of the cache's statistics: the object itself, a Redis client, or a member; None without one."""
    if redis_target(extractor) is not None or _tells(extractor):
        return extractor
    for name in _HOLDS if depth else ():
        held = _attribute(extractor, name)
        found = None if held is None or callable(held) else cache_within(held, depth - 1)
        if found is not None:
            return found
    return None


def refusal(extractor: object) -> TypeError:
    """Return the error for what is no cache: what is missing."""
    return TypeError(
        f"{type(extractor).__name__} is no cached extractor: it, or what it has as {', '.join(_HOLDS[:3])}, needs one of "
        f"{', '.join(f'{name}()' for name in _SAYS)} that returns hits and misses or a hit_rate, or those as attributes; "
        "or be a client of redis-py's"
    )


def read_object(name: str, cache: object) -> CacheStats:
    """Return a cache's statistics; where it raises, it is not available.

    Args:
        name: What to call it.
        cache: What `cache_within` has found.

    Raises:
        TypeError: The object reports neither hits nor a hit rate.
    """
    try:
        said = _said(cache)
    except Exception as error:  # noqa: BLE001 it is the application's, and may raise whatever it likes
        return CacheStats(name, "object", available=False, problem=type(error).__name__)
    if not _enough(said):
        raise refusal(cache)
    whole: dict[str, int] = {}
    for figure in _NAMES:
        value = _number(said, figure)
        if value is not None and figure != "hit_ratio":
            whole[figure] = int(value)
    hits, lookups = whole.get("hits"), whole.pop("lookups", None)
    if "misses" not in whole and hits is not None and lookups is not None:
        whole["misses"] = max(0, lookups - hits)
    return CacheStats(name, "object", available=True, hit_ratio=_ratio(said, whole), **whole)  # type: ignore[arg-type]


def _ratio(said: Mapping[str, Any], whole: Mapping[str, int]) -> float | None:
    hits, misses = whole.get("hits"), whole.get("misses")
    if hits is not None and misses is not None:
        return hits / (hits + misses) if hits + misses else None
    ratio = _number(said, "hit_ratio")
    if ratio is None:
        return None
    return min(1.0, ratio / _PERCENT if ratio > 1 else ratio)


def _tells(thing: object) -> bool:
    return any(_attribute(thing, name) is not None for name in _SAYS) or _enough(_plain(thing))


def _said(cache: object) -> Mapping[str, Any]:
    for name in _SAYS:
        says = _attribute(cache, name)
        if says is not None:
            found = _plain(says() if callable(says) else says)
            if _enough(found):
                return found
    return _plain(cache)


def _plain(thing: object) -> Mapping[str, Any]:
    """Return an answer's figures by name: a dictionary's, a named tuple's, a data class's, or an object's own."""
    if isinstance(thing, Mapping):
        return thing
    named = getattr(thing, "_asdict", None)
    if callable(named):
        figures: Any = named()
        return dict(figures)
    if is_dataclass(thing) and not isinstance(thing, type):
        return {field.name: getattr(thing, field.name) for field in fields(thing)}
    names = {name for known in _NAMES.values() for name in known}
    return {name: value for name in names if (value := _attribute(thing, name)) is not None and not callable(value)}


def _enough(said: Mapping[str, Any]) -> bool:
    return _number(said, "hits") is not None or _number(said, "hit_ratio") is not None


def _number(said: Mapping[str, Any], figure: str) -> float | None:
    for name in _NAMES[figure]:
        value = said.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
            return float(value)
    return None


def _attribute(thing: object, name: str) -> Any:
    """Return an attribute; None where there is none, or where it is a property that raises."""
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 likewise the application's
        return None
