"""The results of the integration: values that also read as dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field

from otel_fe.model.mapping_dataclass import MappingDataclass


@dataclass(frozen=True, eq=False)
class CacheStats(MappingDataclass):
    """A cache as it was when it was last read; None is what it does not say."""

    name: str
    """`redis://host:port/db`, or the class of the object."""
    kind: str
    """`redis`, `redis cluster` or `object`."""
    available: bool
    """False where it did not answer in time: the figures are then those of the last reading, or absent."""
    problem: str = ""
    """The class of the error that makes it unavailable, never its message."""
    hits: int | None = None
    """Since the server started, or the object was made; as the other counts."""
    misses: int | None = None
    """Likewise."""
    hit_ratio: float | None = None
    """0..1; between the last two readings where there was a look-up in between, else of all."""
    entries: int | None = None
    """Of Redis, the keys of all databases of all nodes that were read."""
    max_entries: int | None = None
    """None without a limit, and of Redis, which limits memory."""
    memory_bytes: int | None = None
    """Of Redis, `used_memory` of all nodes that were read."""
    max_memory_bytes: int | None = None
    """None without a limit."""
    entry_bytes: float | None = None
    """Mean memory of an entry, with its share of the tables."""
    policy: str | None = None
    """Redis' `maxmemory-policy`."""
    evictions: int | None = None
    """Entries dropped for want of memory."""
    expirations: int | None = None
    """Entries dropped because their time was over."""
    evictions_per_s: float | None = None
    """Between the last two readings; None at the first. As the next."""
    expirations_per_s: float | None = None
    lookups_per_s: float | None = None
    average_ttl_s: float | None = None
    """Mean time that entries have left to live, of those that expire."""
    latency_ms: float | None = None
    """Median of some timed PINGs: network and server."""
    lookup_ms: float | None = None
    """Mean time in the server of a GET or MGET."""
    slow_commands: int | None = None
    """Length of Redis' slow log. What it holds are keys and values, and is not read."""
    nodes: int = 1
    """Primaries of a cluster that were read."""
    unreachable_nodes: tuple[str, ...] = ()
    """`host:port` of those that were not."""


@dataclass(frozen=True, eq=False)
class PoolStats(MappingDataclass):
    """The pools with one name; traffic is that of the window."""

    name: str
    library: str
    """`sqlalchemy` or `redis`."""
    size: int | None
    """The most that it can open; None without a bound. Of several pools with one name, together."""
    keeps: int | None
    """The most that stay open unused."""
    in_use: int | None
    """Connections that are lent out at the moment; None where that is not known."""
    idle: int | None
    """Open ones that are not; None likewise."""
    waiting: int | None
    """Callers that wait at the moment; None where the pool does not let them wait."""
    requests: int
    """Answered requests in the window."""
    requests_per_s: float
    """By the mean time between them: idle hours at the ends of the window do not thin it out."""
    wait_ms: float
    """Mean time in the queue."""
    wait_total_ms: float
    """Of all requests in the window."""
    use_ms: float
    """Mean time from borrowing to returning."""
    create_ms: float
    """Mean time to open a connection; 0 where none was opened."""
    created: int
    """Connections opened in the window."""
    timeouts: int
    """Requests in the window that failed because none became free in time."""
    utilisation: float
    """0..1: connections busy on average, of the size; 0 without a bound."""
    arrivals_variability: float
    """Squared coefficient of variation of the time between requests; 1 is random, as the next."""
    use_variability: float
    """Likewise of the time from borrowing to returning."""
    callers: int
    """The most that were inside at once, waiting or using."""


@dataclass(frozen=True, eq=False)
class Impact(MappingDataclass):
    """The cost of misses and waits for the extractions of this process, from exact counts of all of them."""

    extractions: int
    """Successful ones."""
    missed: int
    """Extractions with a look-up that missed."""
    miss_ms: float
    """The cost of a miss: mean duration with one less that without, per feature set; 0 where one side is empty."""
    miss_error_ms: float
    """Half the width of its 95 % interval."""
    misses_total_ms: float
    """All misses together."""
    misses_per_extraction_ms: float
    """The same over `extractions`."""
    wait_total_ms: float
    """Waiting for pools, opening connections included. Waits that a miss led to are in both sums."""
    wait_per_extraction_ms: float
    """The same over `extractions`."""
    p95_ms: float
    """Linear within a bucket, as the next."""
    p95_all_hits_ms: float
    """p95 of the extractions without a miss: what p95 would be if all hit."""
    available: bool = True
    """False where otel_fe is not switched on, or its pipeline runs elsewhere: nothing is known here."""


@dataclass(frozen=True, eq=False)
class Recommendation(MappingDataclass):
    """One change, why, and how sure."""

    subject: str
    """The pool's or the cache's name."""
    setting: str
    """The setting to change: `max_connections`, `pool_size + max_overflow`, `maxmemory`, `ttl`, `maxmemory-policy`, `pool_size`."""
    current: float | str | None
    """Its value now; None where it is not known, or not set."""
    advised: float | str
    """The value to set."""
    unit: str
    """Unit of both values: `connections`, `bytes`, `s` or empty."""
    saves_ms: float
    """Expected, for the mean request of the pool or look-up in the cache; negative where it costs."""
    wait_ms: tuple[float, float] | None = None
    """Mean wait now, and expected."""
    hit_ratio: tuple[float, float] | None = None
    """Now, and expected."""
    arithmetic: str = ""
    """The calculation in words, with the numbers."""
    confidence: str = "low"
    """`high`, `medium` or `low`."""
    because: tuple[str, ...] = ()
    """The basis of the confidence."""
    wrong_if: tuple[str, ...] = ()
    """The conditions under which it would be wrong."""


@dataclass(frozen=True, eq=False)
class UnifiedResourceStats(MappingDataclass):
    """Caches, pools, what they cost, and what to change."""

    caches: dict[str, CacheStats]
    """By name."""
    pools: dict[str, PoolStats]
    """By name."""
    impact: Impact
    """The time that cache misses and waits for pools cost the extractions of this process."""
    recommendations: tuple[Recommendation, ...] = field(default_factory=tuple)
    """The one that saves most first."""
