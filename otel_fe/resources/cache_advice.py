"""Recommends the memory of a cache and the lifetime of its entries, from the sampled traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.formatting import percent
from otel_fe.resources.results import Recommendation

if TYPE_CHECKING:
    from otel_fe.forecast.reuse import ReuseCurve
    from otel_fe.resources.results import CacheStats, Impact

_FACTORS: Final = (0.25, 0.5, 0.75, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_REACH: Final = 0.9
"""The smallest size that brings so much of what the largest would is enough."""
_WORTH: Final = 0.01
"""A hit ratio that changes by less is left alone."""
_ENOUGH: Final = 20_000
_FULL: Final = 0.95
_FIRST: Final = 0.2
_CLOSE: Final = 0.03
_FAIR: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Forecast:
    """The sampled traffic of a cache."""

    cache: CacheStats
    curve: ReuseCurve
    impact: Impact

    def at_bytes(self, max_memory: float) -> float:
        """Return the hit ratio with so much memory."""
        return self.curve.hit_ratio(entries_at(self.cache, max_memory))

    def saves_ms(self, before: float, after: float) -> float:
        """Return what a look-up gains on average; 0 where the cost of a miss is not known."""
        return (after - before) * self.impact.miss_ms

    def in_words(self, before: float, after: float) -> str:
        """Return the same, with its numbers."""
        if not self.impact.miss_ms:
            return "What a miss costs has not been seen: switch otel_fe on in this process."
        saved = self.saves_ms(before, after)
        return f"A miss costs {self.impact.miss_ms:.3g} ms: ({after:.3f} - {before:.3f}) x that = {saved:.3g} ms a look-up."


def cache_advice(cache: CacheStats, curve: ReuseCurve | None, impact: Impact) -> list[Recommendation]:
    """Return what to change about a Redis; nothing where it is right, or where too little is known.

    Args:
        cache: Its last reading.
        curve: The sample of its look-ups, where there is one.
        impact: For what a miss costs.
    """
    found = [_policy(cache)]
    if curve is not None and curve.references and cache.entry_bytes:
        forecast = _Forecast(cache, curve, impact)
        found += [_memory(forecast), _lifetime(forecast)]
    return [advice for advice in found if advice is not None]


def entries_at(cache: CacheStats, max_memory: float) -> float:
    """Return how many entries fit into so much memory, by the mean size of those that there are."""
    if not cache.entry_bytes or cache.memory_bytes is None or cache.entries is None:
        return 0.0
    fixed = cache.memory_bytes - cache.entry_bytes * cache.entries
    return max(0.0, (max_memory - fixed) / cache.entry_bytes)


def _policy(cache: CacheStats) -> Recommendation | None:
    limit = cache.max_memory_bytes
    if cache.policy != "noeviction" or not limit or (cache.memory_bytes or 0) < _FULL * limit:
        return None
    return Recommendation(
        subject=cache.name,
        setting="maxmemory-policy",
        current=cache.policy,
        advised="allkeys-lru",
        unit="",
        saves_ms=0.0,
        arithmetic=f"{cache.memory_bytes} of {limit} bytes are in use, and at the limit every write is an error.",
        confidence="high",
        because=("Redis' documentation of noeviction",),
        wrong_if=("it is no cache: allkeys-lru drops whatever was not read for longest",),
    )


def _memory(forecast: _Forecast) -> Recommendation | None:
    cache, limit = forecast.cache, forecast.cache.max_memory_bytes
    if not limit or not cache.evictions or "lru" not in (cache.policy or ""):
        return None
    now = forecast.at_bytes(limit)
    larger = {factor: forecast.at_bytes(limit * factor) for factor in _FACTORS if factor > 1}
    gain = max(larger.values()) - now
    if gain >= _WORTH:
        factor = min(factor for factor, ratio in larger.items() if ratio - now >= _REACH * gain)
    else:
        smaller = [factor for factor in _FACTORS if factor < 1 and now - forecast.at_bytes(limit * factor) < _WORTH / 2]
        if not smaller:
            return None
        factor = min(smaller)
    then = forecast.at_bytes(limit * factor)
    confidence, because = _confidence(forecast, now)
    return Recommendation(
        subject=cache.name,
        setting="maxmemory",
        current=limit,
        advised=round(limit * factor),
        unit="bytes",
        saves_ms=forecast.saves_ms(now, then),
        hit_ratio=(now, then),
        arithmetic=(
            f"{cache.entry_bytes:.0f} bytes an entry: {entries_at(cache, limit):.0f} fit now, "
            f"{entries_at(cache, limit * factor):.0f} at {factor:g} times the memory. Of {forecast.curve.references} look-ups, "
            f"{percent(now)} had their key looked up within the last {entries_at(cache, limit):.0f} keys, {percent(then)} within "
            f"the other number. {forecast.in_words(now, then)}"
        ),
        confidence=confidence,
        because=because,
        wrong_if=(
            "entries that are read often are larger or smaller than the others",
            "the keys that are asked for change: the sample is of what was asked for until now",
            "Redis' LRU is approximate (maxmemory-samples): real ratios lie up to some points below those of an exact one",
        ),
    )


def _lifetime(forecast: _Forecast) -> Recommendation | None:
    """Return a longer time to live, where entries die of age rather than for want of memory."""
    cache = forecast.cache
    ratios = forecast.curve.lifetimes.hit_ratios()
    expired, evicted = cache.expirations_per_s or 0.0, cache.evictions_per_s or 0.0
    if not ratios or not cache.average_ttl_s or expired <= evicted:
        return None
    # Redis reports the remaining time to live; for continuously stored entries, that is half of the original one.
    lifetime = min(ratios, key=lambda known: abs(known - 2 * (cache.average_ttl_s or 0.0)))
    now, longer = ratios[lifetime], {known: ratio for known, ratio in ratios.items() if known > lifetime}
    gain = max(longer.values(), default=now) - now
    if gain < _WORTH:
        return None
    advised = min(known for known, ratio in longer.items() if ratio - now >= _REACH * gain)
    then = ratios[advised]
    confidence, because = _confidence(forecast, now)
    return Recommendation(
        subject=cache.name,
        setting="ttl",
        current=lifetime,
        advised=advised,
        unit="s",
        saves_ms=forecast.saves_ms(now, then),
        hit_ratio=(now, then),
        arithmetic=(
            f"{expired:.3g} entries/s expire and {evicted:.3g} are evicted. Lived through once for each time to live, the sampled "
            f"look-ups hit {percent(now)} at {lifetime:g} s and {percent(then)} at {advised:g} s. {forecast.in_words(now, then)}"
        ),
        confidence="medium" if confidence == "high" else confidence,
        because=because,
        wrong_if=(
            "features must not be as old: that is yours to say",
            "reads prolong the time to live, or entries are stored for another reason than a miss",
            "there is no memory for the entries that then live on: see evictions",
        ),
    )


def _confidence(forecast: _Forecast, predicted: float) -> tuple[str, tuple[str, ...]]:
    curve, seen = forecast.curve, forecast.cache.hit_ratio
    because = [f"{curve.references} look-ups, of {percent(curve.ratio)} of the keys"]
    apart = None if seen is None else abs(seen - predicted)
    if apart is not None:
        because.append(f"at the current setting it gives {percent(predicted)}, and Redis counted {percent(seen)}")
    if curve.first_ratio > _FIRST:
        because.append(
            f"{percent(curve.first_ratio)} were the first look-ups of their key: it has not been watched for long"
        )
    sure = curve.references >= _ENOUGH and curve.first_ratio <= _FIRST and apart is not None
    if sure and apart is not None and apart <= _CLOSE:
        return "high", tuple(because)
    return ("medium" if sure and apart is not None and apart <= _FAIR else "low"), tuple(because)
