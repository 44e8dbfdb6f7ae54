"""Requests and uses of redis-py's pools, plain and blocking, synchronous and asyncio.

A watched pool has a subclass of its class in its place: other pools cost nothing, hooks on the class come and go underneath, and
its methods are methods, which keep it alive while they are held. A copy of a pool is a pool of its own, and not watched.
"""

from __future__ import annotations

import functools
import inspect
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.libraries import redis_pools
from otel_fe.instrument.libraries.pool_state import REDIS
from otel_fe.instrument.libraries.pool_use import KEY, POOLS, PoolCounters, use_of
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

_SINCE: Final = "_otel_fe_since"
_MADE: Final = "_otel_fe_made"
_GAVE_UP: Final = ("Empty", "TimeoutError")
"""The exceptions of a queue, and of asyncio, on a time-out."""

_classes: Final[dict[type, type]] = {}
"""Of watched pools, by those of pools: a handful, which applications define."""


def patches() -> list[Patch]:
    """Return what to replace in redis-py, now that it is imported: pools that are made from now on are watched."""
    import redis.asyncio.connection as later  # noqa: PLC0415 only once the application has
    import redis.connection as now  # noqa: PLC0415

    return [Patch(module.ConnectionPool, "__init__", _made) for module in (now, later)]


def watch(pool: Any) -> PoolCounters:
    """Watch a pool from now on."""
    use = use_of(pool)
    if use is not None:
        return use
    use = POOLS.adopt(pool, REDIS, redis_pools.describe)
    pool.__class__ = _watched(type(pool))
    return use


def leave(pool: Any) -> None:
    """Restore a pool's own class."""
    if type(pool) in _classes.values():
        pool.__class__ = type(pool).__mro__[1]


def _watched(kind: type) -> type:
    """Return the subclass of a class of pools whose instances are watched. It has the same name."""
    found = _classes.get(kind)
    if found is None:
        held = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
        made = {"get_connection": _get, "release": _release, "make_connection": _make}
        methods = {name: functools.wraps(getattr(kind, name))(make(kind)) for name, make in made.items()}
        found = _classes[kind] = type(kind.__name__, (kind,), {**held, **methods, "__reduce_ex__": _reduce(kind)})
    return found


def _reduce(kind: Any) -> Callable[..., Any]:
    def __reduce_ex__(self: Any, protocol: Any) -> Any:  # noqa: N807
        """Let copies be of the pool's own class, not watched."""
        reduced = kind.__reduce_ex__(self, protocol)
        if not isinstance(reduced, tuple) or [type(state) for state in reduced[2:3]] != [dict]:
            return reduced
        function, (_, *more), state, *rest = reduced
        return function, (kind, *more), {name: value for name, value in state.items() if name != KEY}, *rest

    return __reduce_ex__


def _made(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            watch(self)
        except Exception as fault:
            faults.record("redis.watch", fault)

    return replacement


def _get(kind: Any) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(kind.get_connection):

        async def get_later(self: Any, *args: Any, **kwargs: Any) -> Any:
            return await _answer(use_of(self), kind.get_connection(self, *args, **kwargs))

        return get_later

    def get_connection(self: Any, *args: Any, **kwargs: Any) -> Any:
        use = use_of(self)
        if use is None:
            return kind.get_connection(self, *args, **kwargs)
        _asked(use)
        start = perf_counter_ns()
        try:
            connection = kind.get_connection(self, *args, **kwargs)
        except BaseException as error:
            _failed(use, error)
            raise
        if inspect.iscoroutine(connection):  # of an asyncio pool with a plain method of its own
            return _answer(use, connection, asked=True)
        _got(use, connection, start)
        return connection

    return get_connection


async def _answer(use: PoolCounters | None, connection: Any, *, asked: bool = False) -> Any:
    if use is None:
        return await connection
    if not asked:
        _asked(use)
    start = perf_counter_ns()
    try:
        found = await connection
    except BaseException as error:
        _failed(use, error)
        raise
    _got(use, found, start)
    return found


def _release(kind: Any) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(kind.release):

        async def release_later(self: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
            _returned(connection)
            return await kind.release(self, connection, *args, **kwargs)

        return release_later

    def release(self: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        _returned(connection)
        return kind.release(self, connection, *args, **kwargs)

    return release


def _make(kind: Any) -> Callable[..., Any]:
    def make_connection(self: Any, *args: Any, **kwargs: Any) -> Any:
        start = perf_counter_ns()
        connection = kind.make_connection(self, *args, **kwargs)
        try:
            _note_made(connection, start)
        except Exception as fault:
            faults.record("redis.made", fault)
        return connection

    return make_connection


def _note_made(connection: Any, start_ns: int) -> None:
    vars(connection)[_MADE] = start_ns


def _asked(use: PoolCounters) -> None:
    try:
        use.came()
    except Exception as fault:
        faults.record("redis.asked", fault)


def _failed(use: PoolCounters, error: BaseException) -> None:
    try:
        use.failed(timeout=_timed_out(error))
    except Exception as fault:
        faults.record("redis.failed", fault)


def _got(use: PoolCounters, connection: Any, start: int) -> None:
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
    """Return whether a blocking pool gave up: its error is that of a refused connection, except for its context."""
    return type(error).__name__ == "ConnectionError" and type(error.__context__).__name__ in _GAVE_UP
