"""The state of a pool, read without affecting its users: SQLAlchemy's and redis-py's, sync and asyncio.

None of it is counted on the way of a request: how many wait is the length of the list of waiters that the pool has anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from otel_fe.instrument.libraries import redis_pools, sqlalchemy

SQLALCHEMY: Final = "sqlalchemy"
REDIS: Final = "redis"


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool at one moment; None is what a kind of pool does not have, or does not say."""

    name: str
    """Its address, without user or password."""
    library: str
    """`sqlalchemy` or `redis`."""
    in_use: int | None
    idle: int | None
    waiting: int | None
    """Callers that wait for a connection; None where they never wait, but open one or get an error."""
    limit: int | None
    """The most it can open; None without a bound."""
    keeps: int | None
    """The most that stay open while unused."""


def is_sqlalchemy_pool(pool: Any) -> bool:
    """Return whether it is a pool of SQLAlchemy's, by what it can do; nothing is imported."""
    return hasattr(pool, "_do_get") and hasattr(pool, "connect") and hasattr(pool, "recreate")


def is_redis_pool(pool: Any) -> bool:
    """Return whether it is a pool of redis-py's, likewise."""
    return hasattr(pool, "get_connection") and hasattr(pool, "release") and hasattr(pool, "connection_kwargs")


def state_of(pool: Any) -> PoolState:
    """Return the state of a pool; raises where it has been taken apart meanwhile."""
    return _of_sqlalchemy(pool) if is_sqlalchemy_pool(pool) else _of_redis(pool)


def _of_sqlalchemy(pool: Any) -> PoolState:
    name, limit = sqlalchemy.describe(pool)
    return PoolState(
        name,
        SQLALCHEMY,
        in_use=sqlalchemy.call(pool, "checkedout"),
        idle=sqlalchemy.call(pool, "checkedin"),
        waiting=_waiters(getattr(pool, "_pool", None)) if limit is not None else None,
        limit=limit,
        keeps=sqlalchemy.call(pool, "size"),
    )


def _of_redis(pool: Any) -> PoolState:
    name, limit = redis_pools.describe(pool)
    queue = getattr(pool, "pool", None)
    condition = getattr(pool, "_condition", None)
    if queue is not None:  # the blocking pool: a queue, of connections and of None for those it has not opened
        entries = queue.queue if hasattr(queue, "queue") else getattr(queue, "_queue", ())  # asyncio's, in 5.0.0
        idle = sum(connection is not None for connection in list(entries))
        used = int(pool.max_connections) - int(queue.qsize())
    else:
        idle, used = len(pool._available_connections), len(pool._in_use_connections)
    waiting = None
    if queue is not None or condition is not None:
        waiting = _waiters(queue) if condition is None else len(getattr(condition, "_waiters", ()))
    return PoolState(name, REDIS, in_use=used, idle=idle, waiting=waiting, limit=limit, keeps=limit)


def _waiters(queue: Any) -> int | None:
    """Return how many wait for an entry of a queue: of the standard library's, of SQLAlchemy's, of asyncio's under it."""
    condition = getattr(queue, "not_empty", None)
    if condition is not None:
        return len(condition._waiters)
    inner = getattr(queue, "_queue", None)
    getters = getattr(inner, "_getters", None)
    return None if getters is None else sum(not getter.done() for getter in list(getters))
