"""Which objects are caches, and what they say: every shape that is documented, and the refusal of all others."""

from __future__ import annotations

import functools
import gc
from typing import NamedTuple

import pytest

from otel_fe.cache_connection_integration import CacheConnectionIntegration


class Extractor:
    """The seed's: it tells of its cache itself."""

    def __init__(self, **said):
        self.said = said

    def get_cache_stats(self):
        return self.said


class Counting:
    def __init__(self, hits=0, misses=0):
        self.hits, self.misses = hits, misses


class Holding:
    def __init__(self, cache):
        self.cache = cache


class Property:
    cache_stats = property(lambda self: {"hit_rate": 0.25})


class Broken:
    def get_cache_stats(self):
        raise ConnectionError("user:secret")


class Talkative:
    def get_stats(self):
        return {"uptime": 3}


@pytest.fixture
def integration():
    found = CacheConnectionIntegration()
    yield found
    found.close()


def test_the_seed_s_sample_code_works_as_written():
    """Make one, sync, ask; the answer reads as a dictionary."""
    cached_extractor = Extractor(hits=71, misses=29)
    cache_integration = CacheConnectionIntegration()
    cache_integration.sync_cache_metrics(cached_extractor)
    stats = cache_integration.get_unified_resource_stats()
    assert stats["caches"]["Extractor"]["hit_ratio"] == 0.71
    assert set(stats) == {"caches", "pools", "impact", "recommendations"}
    assert stats.recommendations == ()
    cache_integration.close()


@functools.lru_cache(maxsize=10)
def squared(x):
    return x * x


class Named(NamedTuple):
    cache_hits: int
    cache_misses: int


@pytest.mark.parametrize(
    ("extractor", "expected"),
    [
        (Extractor(hits=3, misses=1), 0.75),
        (Extractor(cache_hits=3, total_requests=4), 0.75),
        (Extractor(hit_rate=75.0), 0.75),
        (Extractor(cache_hit_rate=0.75, size=10), 0.75),
        (Counting(3, 1), 0.75),
        (Holding(Counting(3, 1)), 0.75),
        (Holding(Holding(Extractor(hits=3, misses=1))), 0.75),
        (Property(), 0.25),
        (Named(3, 1), 0.75),
        ({"hits": 3, "misses": 1}, 0.75),
        (Counting(0, 0), None),
    ],
)
def test_shapes(integration, extractor, expected):
    """Statistics are read by method, property, attribute, dictionary and named tuple; as counts or a rate; of it or of its cache."""
    stats = integration.sync_cache_metrics(extractor)
    assert (stats.available, stats.hit_ratio, stats.kind) == (True, expected, "object")


def test_a_function_under_lru_cache(integration):
    """A function under `lru_cache` is measured by its `cache_info()`."""
    squared.cache_clear()
    for x in (1, 2, 1):
        squared(x)
    stats = integration.sync_cache_metrics(squared)
    assert (stats.hits, stats.misses, stats.entries, stats.max_entries) == (1, 2, 2, 10)


@pytest.mark.parametrize("other", [object(), None, "redis://localhost", 5, Talkative(), Holding(None)])
def test_what_is_no_cache_is_refused(integration, other):
    """The error names the interfaces that a cache may have."""
    with pytest.raises(TypeError, match=r"no cached extractor: .*get_cache_stats\(\).*redis-py"):
        integration.sync_cache_metrics(other)
    assert integration.get_unified_resource_stats().caches == {}


def test_a_cache_that_raises_is_not_available(integration):
    """The reason is the class of the error, as its message may quote a key."""
    stats = integration.sync_cache_metrics(Broken())
    assert (stats.available, stats.problem, stats.hits) == (False, "ConnectionError", None)
    assert "secret" not in repr(integration.get_unified_resource_stats())


def test_extractors_are_told_apart_and_not_kept(integration):
    """Two of a class have two names, the same one keeps its own; one that is gone is not available."""
    first, second = Counting(1, 1), Counting(3, 1)
    for cache in (first, second, first):
        integration.sync_cache_metrics(cache)
    first.hits = 9
    caches = integration.get_unified_resource_stats().caches
    assert {name: cache.hit_ratio for name, cache in caches.items()} == {"Counting": 0.9, "Counting#2": 0.75}
    del first, cache
    gc.collect()
    assert integration.get_unified_resource_stats().caches["Counting"].problem == "ReferenceError"


@pytest.mark.parametrize("option", ["window_s", "interval_s", "timeout_s", "target_wait_ms", "sample_keys"])
def test_settings_that_cannot_be_are_named(option):
    """A negative setting raises a ValueError that names it."""
    with pytest.raises(ValueError, match=option):
        CacheConnectionIntegration(**{option: -1})


def test_pools_of_what_has_none(integration):
    """The error says what is wanted."""
    with pytest.raises(TypeError, match="no client or pool"):
        integration.watch_pool(Counting())
