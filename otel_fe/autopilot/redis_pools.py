"""Resizes redis-py's pools (5 to 8), plain and blocking, synchronous and asyncio, while they are used.

`max_connections` is a public attribute that plain pools, and both of asyncio's, read whenever they open a connection. The
synchronous blocking pool has a queue of that many places besides; it gets further places, or gives some up.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sys
import time
import weakref
from typing import Any, Final

from otel_fe.autopilot.resource import PATIENT_S, CannotResizeError, restore_each
from otel_fe.autopilot.server_limit import room_of_redis
from otel_fe.config.autopilot import POOLS

_SIZES: Final = "_otel_fe_sizes"
"""Attribute on a resized pool: the application's size, and the size that it was given last."""
_SERIES: Final = ("5.", "6.", "7.", "8.")
_NOW: Final = "redis.connection"
_LATER: Final = "redis.asyncio.connection"
_CLASSES: Final = ("ConnectionPool", "BlockingConnectionPool")
_TURN_S: Final = 0.05
_PATIENCE_S: Final = 0.5

_resized: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


class RedisPool:
    """A pool as a resource.

    Args:
        name: What it connects to.
        pool: redis-py's.
    """

    def __init__(self, name: str, pool: Any) -> None:
        self.name: Final = name
        self.kind: Final = POOLS
        self._pool = pool

    def size(self) -> int:
        """Return `max_connections`."""
        refuse_others(self._pool)
        return int(self._pool.max_connections)

    def resize(self, size: int) -> None:
        """Open up to `size` connections from now on. Those that are too many are closed when they are idle."""
        refuse_others(self._pool)
        if size < 1:
            raise CannotResizeError(f"{self.name}: a pool needs at least one connection")
        held = vars(self._pool)
        host = _host_size(self._pool)
        if size < host:
            _refuse_to_raise(self._pool, self.name)
        held[_SIZES] = (host, size)
        _resized.add(self._pool)
        _apply(self._pool, size)

    def settle(self) -> None:
        """Close idle connections that are too many in a resized pool."""
        if _SIZES in vars(self._pool) and _host_size(self._pool) == vars(self._pool)[_SIZES][0]:
            _settle(self._pool)

    def restore(self) -> None:
        """Restore the application's size."""
        restore(self._pool)

    def most(self) -> int | None:
        """Return the largest size that the server has room for."""
        return room_of_redis(self._pool, self.name)


def restore_all() -> None:
    """Restore the application's size of every pool."""
    restore_each(_resized, restore)


def restore(pool: Any) -> None:
    """Restore a pool's own size, where it differs. A size that the application has set since stays."""
    host, ours = vars(pool).pop(_SIZES, (None, None))
    _resized.discard(pool)
    if host is not None:
        chosen = pool.max_connections
        _apply(pool, host)
        if chosen != ours:
            pool.max_connections = chosen


def _host_size(pool: Any) -> int:
    """Return the application's size, also where it has set another one after a resize."""
    host, ours = vars(pool).get(_SIZES, (None, None))
    now = int(pool.max_connections)
    return now if host is None or now != ours else int(host)


def _refuse_to_raise(pool: Any, name: str) -> None:
    """Refuse to make a pool smaller than the application made it where a full one raises instead of waiting.

    Raises:
        CannotResizeError: A full pool raises, or its callers soon give up waiting.
    """
    if type(pool).__name__ == "ConnectionPool":
        raise CannotResizeError(
            f"{name}: a full ConnectionPool raises instead of waiting, so it is not made smaller than the application made it. "
            "Use a BlockingConnectionPool."
        )
    if pool.timeout is not None and pool.timeout < PATIENT_S:
        raise CannotResizeError(
            f"{name}: its callers wait {pool.timeout:g} s and then fail, so it is not made smaller than the application made it: "
            f"use a timeout of at least {PATIENT_S:g} s."
        )


def refuse_others(pool: Any) -> None:
    """Refuse what is not known to work.

    Raises:
        CannotResizeError: Another class, or another version.
    """
    redis: Any = sys.modules.get("redis")
    version = str(getattr(redis, "__version__", ""))
    kind = type(pool)
    # The class of a watched pool is replaced by a subclass of the same name.
    if kind.__module__ not in (_NOW, _LATER) or kind.__name__ not in _CLASSES:
        raise CannotResizeError(f"{kind.__name__} cannot be resized: only redis-py's own {' and '.join(_CLASSES)} can.")
    if not version.startswith(_SERIES):
        raise CannotResizeError(f"Pools of redis-py {version} are not resized; versions 5 to 8 are tested.")
    if not isinstance(getattr(pool, "max_connections", None), int):
        raise CannotResizeError(
            f"This {kind.__name__} of redis-py {version} differs internally from the tested versions."
        )
    # Blocking pools of 5.0.0 keep their connections in a queue of asyncio's.
    if kind.__module__ == _LATER and not hasattr(pool, "_available_connections"):
        raise CannotResizeError(
            f"The asyncio {kind.__name__} of redis-py {version} cannot be resized; version 5.0.1 and later can."
        )
    if _queue(pool) is not None and type(_queue(pool)) is not queue.LifoQueue:
        raise CannotResizeError(f"This {kind.__name__} has a custom queue_class.")


def _queue(pool: Any) -> Any:
    """Return the queue of a synchronous blocking pool; None of others."""
    return getattr(pool, "pool", None) if type(pool).__module__ == _NOW else None


def _apply(pool: Any, size: int) -> None:
    places = _queue(pool)
    if places is not None:
        with places.mutex:
            further = size - places.maxsize
            if further > 0:
                # At the foot: connections that are open come first, as in a new pool.
                places.queue[:0] = [None] * further
                places.maxsize += further
                places.not_empty.notify(further)
    pool.max_connections = size
    _settle(pool)


def _settle(pool: Any) -> None:
    if _queue(pool) is not None:
        _give_up_places(pool)
    elif type(pool).__module__ == _LATER:
        _close_later(pool)
    else:
        _close_idle(pool)


def _give_up_places(pool: Any) -> None:
    """Take places out of the queue, empty ones first, then waiting for each in turn; half a second at most."""
    places = _queue(pool)
    until = time.monotonic() + _PATIENCE_S
    while places.maxsize > pool.max_connections and time.monotonic() < until:
        with places.mutex:
            if None in places.queue:
                places.queue.remove(None)
                places.maxsize -= 1
                continue
        try:
            connection = places.get(timeout=_TURN_S)
        except queue.Empty:
            continue
        with places.mutex:
            places.maxsize -= 1
        _disconnect(pool, connection)


def _close_idle(pool: Any) -> None:
    surplus = []
    with pool._lock:
        while pool._created_connections > pool.max_connections and pool._available_connections:
            surplus.append(pool._available_connections.pop(0))
            pool._created_connections -= 1
    for connection in surplus:
        _disconnect(pool, connection)


def _disconnect(pool: Any, connection: Any) -> None:
    if connection is not None:
        with contextlib.suppress(Exception):
            connection.disconnect()
        with contextlib.suppress(Exception):
            pool._connections.remove(connection)


def _close_later(pool: Any) -> None:
    """Close idle connections in the event loop that they belong to; while that does not run, they stay."""
    for connection in list(pool._available_connections)[:1]:
        loop = getattr(getattr(connection, "_reader", None), "_loop", None)
        if loop is not None and loop.is_running():
            asyncio.run_coroutine_threadsafe(_close_idle_later(pool), loop)


async def _close_idle_later(pool: Any) -> None:
    available, used = pool._available_connections, pool._in_use_connections
    while available and len(available) + len(used) > pool.max_connections:
        connection = available.pop(0)
        with contextlib.suppress(Exception):
            await connection.disconnect()
