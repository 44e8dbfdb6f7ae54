"""Requests and uses of redis-py's pools, plain and blocking, synchronous and asyncio.

Put on each pool rather than on its class: other pools cost nothing, and hooks on the class come and go underneath.
"""

from __future__ import annotations

import inspect
import weakref
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument import faults
from otel_fe.instrument.libraries import redis_pools
from otel_fe.instrument.libraries.pool_state import REDIS
from otel_fe.instrument.libraries.pool_use import POOLS, PoolUse, use_of
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

_SINCE: Final = "_otel_fe_since"
_MADE: Final = "_otel_fe_made"
_GAVE_UP: Final = ("Empty", "TimeoutError")
"""What a queue, and asyncio, raise when the time is up."""


def patches() -> list[Patch]:
    """Return what to replace in redis-py, now that it is imported: pools that are made from now on are watched."""
    import redis.asyncio.connection as later  # noqa: PLC0415 only once the application has
    import redis.connection as now  # noqa: PLC0415

    return [Patch(module.ConnectionPool, "__init__", _made) for module in (now, later)]


def watch(pool: Any) -> PoolUse:
    """Watch a pool from now on."""
    use = use_of(pool)
    if use is not None:
        return use
    use = POOLS.adopt(pool, REDIS, redis_pools._describe)
    asyncio = inspect.iscoroutinefunction(type(pool).release)
    get, release = (_get_later, _release_later) if asyncio else (_get, _release)
    own = vars(pool)
    reference = weakref.ref(pool)  # a pool that held itself would stay open until the next collection
    own["get_connection"], own["release"], own["make_connection"] = (
        get(reference, use),
        release(reference),
        _make(reference),
    )
    return use


def leave(pool: Any) -> None:
    """Put a pool's own methods back."""
    for name in ("get_connection", "release", "make_connection"):
        vars(pool).pop(name, None)


def _made(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            watch(self)
        except Exception as fault:
            faults.record("redis.watch", fault)

    return replacement


def _get(reference: Callable[[], Any], use: PoolUse) -> Callable[..., Any]:
    def get_connection(*args: Any, **kwargs: Any) -> Any:
        pool = reference()
        _asked(use)
        start = perf_counter_ns()
        try:
            connection = type(pool).get_connection(pool, *args, **kwargs)
        except BaseException as error:
            _failed(use, error)
            raise
        _got(use, connection, start)
        return connection

    return get_connection


def _get_later(reference: Callable[[], Any], use: PoolUse) -> Callable[..., Any]:
    async def get_connection(*args: Any, **kwargs: Any) -> Any:
        pool = reference()
        _asked(use)
        start = perf_counter_ns()
        try:
            connection = await type(pool).get_connection(pool, *args, **kwargs)
        except BaseException as error:
            _failed(use, error)
            raise
        _got(use, connection, start)
        return connection

    return get_connection


def _release(reference: Callable[[], Any]) -> Callable[..., Any]:
    def release(connection: Any, *args: Any, **kwargs: Any) -> Any:
        pool = reference()
        _returned(connection)
        return type(pool).release(pool, connection, *args, **kwargs)

    return release


def _release_later(reference: Callable[[], Any]) -> Callable[..., Any]:
    async def release(connection: Any, *args: Any, **kwargs: Any) -> Any:
        pool = reference()
        _returned(connection)
        return await type(pool).release(pool, connection, *args, **kwargs)

    return release


def _make(reference: Callable[[], Any]) -> Callable[..., Any]:
    def make_connection(*args: Any, **kwargs: Any) -> Any:
        pool = reference()
        start = perf_counter_ns()
        connection = type(pool).make_connection(pool, *args, **kwargs)
        try:
            _note_made(connection, start)
        except Exception as fault:
            faults.record("redis.made", fault)
        return connection

    return make_connection


def _note_made(connection: Any, start_ns: int) -> None:
    vars(connection)[_MADE] = start_ns


def _asked(use: PoolUse) -> None:
    try:
        use.came()
    except Exception as fault:
        faults.record("redis.asked", fault)


def _failed(use: PoolUse, error: BaseException) -> None:
    try:
        use.failed(timeout=_timed_out(error))
    except Exception as fault:
        faults.record("redis.failed", fault)


def _got(use: PoolUse, connection: Any, start: int) -> None:
    try:
        end = perf_counter_ns()
        held = vars(connection)
        made = held.pop(_MADE, None)
        held[_SINCE] = use, end
        use.got(start, end, 0 if made is None else end - max(start, made))
    except Exception as fault:
        faults.record("redis.got", fault)


def _returned(connection: Any) -> None:
    try:
        held = vars(connection).pop(_SINCE, None)
        if held is not None:
            use, since = held
            use.returned(perf_counter_ns() - since)
    except Exception as fault:
        faults.record("redis.returned", fault)


def _timed_out(error: BaseException) -> bool:
    """Whether a blocking pool gave up: its error is that of a refused connection, and only its context tells."""
    return type(error).__name__ == "ConnectionError" and type(error.__context__).__name__ in _GAVE_UP
