"""Caches: what is resized, what is predicted, what is refused."""

from __future__ import annotations

import functools
import random
import threading

import cachetools
import pytest

from otel_fe.autopilot.cache_proposal import cache_proposal
from otel_fe.autopilot.cachetools_caches import CachetoolsCache
from otel_fe.autopilot.controller import Controller
from otel_fe.autopilot.evidence import Evidence
from otel_fe.autopilot.resource import CannotResizeError
from otel_fe.config.autopilot import SizeBounds
from otel_fe.instrument.sampled_caches import SampledCaches

S = 1_000_000_000


def square(number):
    return number * number


@pytest.mark.parametrize(
    "kind", [cachetools.LRUCache, cachetools.LFUCache, lambda n: cachetools.TTLCache(n, 60), cachetools.FIFOCache]
)
def test_every_kind_holds_as_much_as_it_is_told(kind):
    cached = cachetools.cached(kind(4))(square)
    resource = CachetoolsCache("square", cached)
    assert resource.size() == 4
    resource.resize(8)
    for number in range(20):
        cached(number)
    assert len(cached.cache) == 8
    resource.resize(2)
    cached(100)
    assert len(cached.cache) == 2
    resource.restore()
    for number in range(20):
        cached(number)
    assert (resource.size(), len(cached.cache)) == (4, 4)


def test_a_size_that_the_application_sets_meanwhile_stays():
    cached = cachetools.cached(cachetools.LRUCache(4))(square)
    resource = CachetoolsCache("square", cached)
    resource.resize(8)
    cached.cache._Cache__maxsize = 3
    resource.restore()
    assert resource.size() == 3


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (functools.lru_cache(8)(square), "functools.lru_cache, whose size is fixed.*cachetools.cached"),
        (cachetools.cached({})(square), "not cached by cachetools"),
        (cachetools.cached(cachetools.LRUCache(float("inf")))(square), "unbounded"),
        (square, "not cached by cachetools"),
    ],
)
def test_others_are_refused_in_a_sentence(function, sentence):
    with pytest.raises(CannotResizeError, match=sentence):
        CachetoolsCache("square", function).size()


def looked_up(sampled, keys, *, size):
    """Return a sampled function under a cache, with the caches it belongs to."""
    missed = threading.local()

    def probe(number):
        missed.at_ns = 1
        return number * number

    cached = cachetools.cached(cachetools.LRUCache(size))(probe)
    function = sampled.adopt("square", cached, missed)
    for key in keys:
        assert function(key) == key * key
    return function, cached


def test_a_cache_grows_to_what_its_keys_need_and_the_hit_rate_is_verified():
    """Keys come from 1 000 at random: a cache of n has a hit rate of n / 1 000 (Mattson). Bounds stop it at 800."""
    chance = random.Random(1)
    sampled = SampledCaches()
    function, cached = looked_up(sampled, [], size=100)
    steps, now = [], 0
    (resource,) = sampled.resources()

    class Adviser:
        def begin(self):
            pass

        def resources(self):
            return [resource]

        def advise(self, before):
            found = cache_proposal(resource, sampled.curve("square"))
            return [] if found is None else [found]

    controller = Controller(
        Adviser(),
        lambda: Evidence(lookups=sampled.ticks(now)),
        steps.append,
        {"caches": SizeBounds(50, 800)},
        True,
        60 * S,
    )
    for _ in range(600):
        now += S
        for _ in range(100):
            function(chance.randrange(1_000))
        controller.tick(now, now)
    kept = [step for step in steps if step.outcome == "kept"]
    assert [(step.before, step.after) for step in kept] == [(100, 200), (200, 400), (400, 800)]
    assert cached.cache.maxsize == 800
    for step in kept:
        assert step.unit == "points"
        assert step.predicted == pytest.approx((step.after - step.before) / 10, abs=4)
        assert step.measured == pytest.approx((step.after - step.before) / 10, abs=4)
        assert step.low > 0
    controller.close(now)
    assert cached.cache.maxsize == 100


def test_a_cache_that_is_larger_than_its_keys_shrinks():
    chance = random.Random(2)
    sampled = SampledCaches()
    looked_up(sampled, (chance.randrange(50) for _ in range(5_000)), size=1_000)
    (resource,) = sampled.resources()
    found = cache_proposal(resource, sampled.curve("square"))
    assert found.size == 500
    assert found.predict(found.size) == pytest.approx(0, abs=0.2)


def test_few_look_ups_say_nothing():
    sampled = SampledCaches()
    looked_up(sampled, range(400), size=10)
    (resource,) = sampled.resources()
    assert cache_proposal(resource, sampled.curve("square")) is None


def test_misses_are_counted_for_extractions_as_before():
    """The function around it reads whether the call has missed: sampling leaves that as it was."""
    sampled, missed = SampledCaches(), threading.local()

    def probe(number):
        missed.at_ns = 7
        return number

    function = sampled.adopt("f", cachetools.cached(cachetools.LRUCache(4))(probe), missed)
    missed.at_ns = 0
    function(1)
    assert missed.at_ns == 7
    missed.at_ns = 0
    function(1)
    assert missed.at_ns == 0
    assert sampled.ticks(5) == {"f": [(5, 1, 2)]}
    assert sampled.ticks(6) == {}
