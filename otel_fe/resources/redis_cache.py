"""A Redis, or the primaries of a cluster, read periodically: the differences between readings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_fe.resources.redis_server import read
from otel_fe.resources.results import CacheStats
from otel_fe.resources.run_concurrently import run_concurrently

if TYPE_CHECKING:
    from otel_fe.clock import Clock
    from otel_fe.resources.redis_clients import RedisTarget
    from otel_fe.resources.redis_server import ServerReading

_COUNTS: Final = ("hits", "misses", "evictions", "expirations")


@dataclass
class RedisCache:
    """A Redis, or the primaries of a cluster."""

    target: RedisTarget
    clock: Clock
    timeout_s: float
    _before: dict[str, ServerReading] = field(default_factory=dict)
    _before_ns: int = 0
    _last: CacheStats | None = None

    def read(self) -> CacheStats:
        """Query all servers concurrently, each over a separate connection."""
        tasks = {server.address: partial(read, server, self.timeout_s) for server in self.target.servers}
        readings, missing = run_concurrently(tasks, self.timeout_s)
        problem = next(iter(missing.values()), "")
        if not readings:
            last = self._last or CacheStats(self.target.name, self.target.kind, available=False)
            return replace(last, available=False, problem=problem, unreachable_nodes=tuple(missing))
        now = self.clock.monotonic_ns()
        self._last = replace(self._stats(readings, now), problem=problem, unreachable_nodes=tuple(missing))
        self._before, self._before_ns = readings, now
        return self._last

    def _stats(self, readings: dict[str, ServerReading], now: int) -> CacheStats:
        total = {name: sum(getattr(reading, name) for reading in readings.values()) for name in _COUNTS}
        grown, elapsed = self._grown(readings, now)
        recent = total if grown is None or not grown["hits"] + grown["misses"] else grown
        lookups = recent["hits"] + recent["misses"]
        every = list(readings.values())
        entries = sum(reading.entries for reading in every)
        memory = sum(reading.memory_bytes for reading in every)
        held = memory - sum(reading.startup_bytes for reading in every)
        expiring = sum(reading.expiring for reading in every)
        limits = [reading.max_memory_bytes for reading in every]
        return CacheStats(
            name=self.target.name,
            kind=self.target.kind,
            available=True,
            hits=total["hits"],
            misses=total["misses"],
            hit_ratio=recent["hits"] / lookups if lookups else None,
            entries=entries,
            memory_bytes=memory,
            max_memory_bytes=sum(limits) if all(limits) else None,
            entry_bytes=held / entries if entries and held > 0 else None,
            policy=every[0].policy,
            evictions=total["evictions"],
            expirations=total["expirations"],
            evictions_per_s=None if grown is None else grown["evictions"] / elapsed,
            expirations_per_s=None if grown is None else grown["expirations"] / elapsed,
            lookups_per_s=None if grown is None else (grown["hits"] + grown["misses"]) / elapsed,
            average_ttl_s=sum(r.average_ttl_s * r.expiring for r in every) / expiring if expiring else None,
            latency_ms=max(reading.ping_s for reading in every) * 1e3,
            lookup_ms=max(reading.lookup_s for reading in every) * 1e3,
            slow_commands=sum(reading.slow_commands for reading in every),
            nodes=len(every),
        )

    def _grown(self, readings: dict[str, ServerReading], now: int) -> tuple[dict[str, int] | None, float]:
        """Return what counts have grown by since the last reading; None at the first, and after a restart or reset."""
        before = self._before
        elapsed = (now - self._before_ns) / 1e9
        if readings.keys() != before.keys() or elapsed <= 0:
            return None, 0.0
        if any(reading.run_id != before[address].run_id for address, reading in readings.items()):
            return None, 0.0
        grown = {
            name: sum(getattr(reading, name) - getattr(before[address], name) for address, reading in readings.items())
            for name in _COUNTS
        }
        return (None, 0.0) if min(grown.values()) < 0 else (grown, elapsed)
