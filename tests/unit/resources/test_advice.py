"""Recommendations: what they say, with which numbers, how sure they are, and when they say nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from otel_fe.forecast.erlang import open_wait
from otel_fe.forecast.reuse import HASHES, ReuseCurve
from otel_fe.resources.cache_advice import cache_advice, entries_at
from otel_fe.resources.pool_advice import pool_advice
from otel_fe.resources.redis_server import _reading, parsed, server_of
from otel_fe.resources.results import CacheStats, Impact, PoolStats

IMPACT = Impact(1_000, 300, 20.0, 1.0, 6_000.0, 6.0, 0.0, 0.0, 40.0, 10.0)
POOL = PoolStats(
    name="postgresql://db/shop",
    library="sqlalchemy",
    size=5,
    keeps=5,
    in_use=4,
    idle=1,
    waiting=0,
    requests=5_000,
    requests_per_s=200.0,
    wait_ms=open_wait(5, 200.0, 0.02) * 1e3,
    wait_total_ms=0.0,
    use_ms=20.0,
    create_ms=0.0,
    created=0,
    timeouts=0,
    utilisation=0.8,
    arrivals_variability=1.0,
    use_variability=1.0,
    callers=18,
)
CACHE = CacheStats(
    name="redis://cache/0",
    kind="redis",
    available=True,
    hit_ratio=0.5,
    entries=1_000,
    memory_bytes=2_000_000,
    max_memory_bytes=2_000_000,
    entry_bytes=1_000.0,
    policy="allkeys-lru",
    evictions=500,
    evictions_per_s=5.0,
    expirations_per_s=0.0,
)


def curve_of(keys, count=40_000):
    """Return the curve of look-ups that are spread evenly over so many keys."""
    rng, curve = random.Random(1), ReuseCurve(1 << 20, (10.0, 60.0, 600.0))
    hashes = [rng.randrange(HASHES) for _ in range(keys)]
    for number in range(count):
        curve.references += 1
        curve.reference(rng.choice(hashes), number * 10_000_000)
        if number == count // 2:
            curve.restart()
    return curve


def test_a_pool_that_is_too_small():
    """The advice has the old and new size, the saved time, the arithmetic and the confidence."""
    (advice,) = pool_advice(POOL)
    assert (advice.setting, advice.current, advice.advised, advice.unit) == (
        "pool_size + max_overflow",
        5,
        7,
        "connections",
    )
    assert advice.wait_ms[0] == POOL.wait_ms
    assert advice.saves_ms == pytest.approx(POOL.wait_ms - open_wait(7, 200.0, 0.02) * 1e3)
    assert "200 requests/s x 20 ms use = 4 connections busy on average, of 5: 80 %" in advice.arithmetic
    assert advice.confidence == "high"
    assert advice.wrong_if


@pytest.mark.parametrize(
    ("change", "confidence"),
    [
        ({"requests": 500}, "low"),
        ({"wait_ms": POOL.wait_ms * 1.6}, "medium"),
        ({"wait_ms": POOL.wait_ms * 4}, "low"),
        ({"requests_per_s": 250.0, "wait_ms": 80.0, "callers": 25}, "medium"),
    ],
)
def test_how_sure_a_size_is(change, confidence):
    """Few requests, a wait that the model does not explain, and a pool that is saturated, make it less so."""
    (advice,) = pool_advice(replace(POOL, **change))
    assert advice.confidence == confidence


@pytest.mark.parametrize(
    "change",
    [{"requests": 50}, {"size": None}, {"requests_per_s": 0.0}, {"wait_ms": 0.5}, {"size": 12, "wait_ms": 0.01}],
)
def test_pools_that_are_left_alone(change):
    """Too little is known of them, or they are right."""
    assert pool_advice(replace(POOL, **change)) == []


def test_a_pool_that_is_far_too_large():
    """No smaller than the most callers that were inside at once; not where no caller could wait for it."""
    large = replace(POOL, size=60, wait_ms=0.0)
    (advice,) = pool_advice(large)
    assert (advice.current, advice.advised) == (60, 18)
    assert advice.saves_ms <= 0
    assert "18 callers that were inside at once" in advice.arithmetic
    assert pool_advice(replace(large, waiting=None)) == []


def test_overflow_that_is_opened_and_closed_all_the_time():
    """Keep as many open as are needed at once."""
    (advice,) = pool_advice(replace(POOL, size=20, wait_ms=0.0, created=1_000, create_ms=8.0))
    assert (advice.setting, advice.current, advice.advised) == ("pool_size", 5, 18)
    assert advice.saves_ms == pytest.approx(1.6)


def test_a_cache_that_is_too_small():
    """Two thousand keys, room for a thousand: with half as much again, twice as many fit and nearly all hit."""
    curve = curve_of(2_000, 60_000)
    (advice,) = cache_advice(CACHE, curve, IMPACT)
    assert (advice.setting, advice.current, advice.advised) == ("maxmemory", 2_000_000, 3_000_000)
    assert advice.hit_ratio == pytest.approx((0.5, 1.0), abs=0.03)
    assert advice.saves_ms == pytest.approx(10.0, abs=0.6)
    assert "A miss costs 20 ms" in advice.arithmetic
    assert advice.confidence == "high"
    (unsure,) = cache_advice(replace(CACHE, hit_ratio=0.8), curve, IMPACT)
    assert unsure.confidence == "low"


def test_a_cache_that_is_too_large():
    """A cache is too large if less memory gives the same hit ratio."""
    (advice,) = cache_advice(
        replace(CACHE, hit_ratio=1.0, entries=4_000, memory_bytes=5_000_000, max_memory_bytes=5_000_000),
        curve_of(500),
        IMPACT,
    )
    assert (advice.current, advice.advised) == (5_000_000, 2_500_000)
    assert advice.hit_ratio[1] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    "change", [{"evictions": 0}, {"max_memory_bytes": None}, {"policy": "allkeys-lfu"}, {"entry_bytes": None}]
)
def test_caches_that_are_left_alone(change):
    """Memory is not what they lack, or the curve is not one of their policy."""
    assert cache_advice(replace(CACHE, **change), curve_of(2_000), IMPACT) == []
    assert cache_advice(CACHE, None, IMPACT) == []


def test_entries_that_do_not_live_long_enough():
    """Each of 2 000 keys comes back every 20 s on average: a minute hits most, ten seconds few."""
    expiring = replace(CACHE, evictions=0, evictions_per_s=0.0, expirations_per_s=60.0, average_ttl_s=5.0)
    (advice,) = cache_advice(expiring, curve_of(2_000), replace(IMPACT, miss_ms=0.0))
    assert (advice.setting, advice.current, advice.advised, advice.unit) == ("ttl", 10.0, 600.0, "s")
    assert advice.hit_ratio[1] > advice.hit_ratio[0] + 0.3
    assert "What a miss costs has not been seen" in advice.arithmetic
    assert any("old" in reason for reason in advice.wrong_if)


def test_a_full_cache_that_drops_nothing():
    """A full cache without eviction fails writes, so a policy is advised, without a forecast."""
    (advice,) = cache_advice(replace(CACHE, policy="noeviction"), None, IMPACT)
    assert (advice.setting, advice.current, advice.advised) == ("maxmemory-policy", "noeviction", "allkeys-lru")


def test_what_fits_into_memory():
    """The number of entries that fit excludes the memory that was in use before the first entry."""
    assert entries_at(CACHE, 3_000_000) == pytest.approx(2_000)
    assert entries_at(CACHE, 500_000) == 0.0
    assert entries_at(replace(CACHE, entry_bytes=None), 3_000_000) == 0.0


def test_redis_answers_are_read_by_name():
    """Two databases, a command's mean time, and what a server does not say."""
    info = parsed(
        b"# Stats\r\nkeyspace_hits:7\r\nkeyspace_misses:3\r\nmaxmemory_policy:allkeys-lru\r\n"
        b"db0:keys=10,expires=4,avg_ttl=1000\r\ndb3:keys=5,expires=4,avg_ttl=3000\r\n"
        b"cmdstat_get:calls=10,usec=50,usec_per_call=5.00\r\nnonsense\r\n"
    )
    reading = _reading(info, 0.001, 2)
    assert (reading.hits, reading.misses, reading.entries, reading.expiring) == (7, 3, 15, 8)
    assert (reading.average_ttl_s, reading.lookup_s, reading.max_memory_bytes) == (2.0, 5e-6, 0)


def test_of_a_client_s_options_only_what_is_needed_to_get_in_is_used():
    """Only a client's address, credentials and TLS options are used: no asyncio option and no timeout."""

    class SSLConnection:
        pass

    server = server_of({"host": "a", "port": 1, "password": "p", "retry": object(), "ssl_ca_certs": "c"}, SSLConnection)
    assert (server.address, server.tls) == ("a:1", True)
    assert dict(server.options) == {"host": "a", "port": 1, "password": "p", "ssl_ca_certs": "c"}
    assert server_of({"path": "/run/redis"}, object).address == "/run/redis"
