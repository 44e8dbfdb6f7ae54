"""Waits for connections of redis-py's pools, plain and blocking, synchronous and asyncio.

Only a blocking pool lets its callers wait, until it has a connection for them or room for another one. To make that one is no
wait. To open it, which every pool does for its caller, is a call: an unreachable server is no reason to let a pool grow.
"""

from __future__ import annotations

from contextvars import ContextVar
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.extraction import current_extraction

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.extraction import Extraction

_served: ContextVar[list[int] | None] = ContextVar("otel_fe_served", default=None)
"""The first entry is when a blocking pool had something for its caller, and the wait was over. None while no pool is asked.

Not kept on the connection: one that is opened again by a command would carry it into the next caller's wait.
"""
_OPENING: Final = "_otel_fe_opening"
"""Marks the error that the opening of a connection ended in."""
_UNBOUNDED: Final = 2**31
"""The size that redis-py treats as unbounded."""


def waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of a synchronous blocking pool's `get_connection`."""

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return original(self, *args, **kwargs)
        served: list[int] = []
        start, before = perf_counter_ns(), _served.get()
        _served.set(served)
        try:
            return original(self, *args, **kwargs)
        finally:
            _served.set(before)  # by `reset` it would raise where a coroutine is driven from several contexts
            _record(running, self, start, served)

    return replacement


def awaiting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of an asyncio blocking pool's `get_connection`."""

    async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return await original(self, *args, **kwargs)
        served: list[int] = []
        start, before = perf_counter_ns(), _served.get()
        _served.set(served)
        try:
            return await original(self, *args, **kwargs)
        finally:
            _served.set(before)
            _record(running, self, start, served)

    return replacement


def making(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of a blocking pool's `make_connection`, of both kinds: there the caller's wait is over."""

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        _serve(perf_counter_ns())
        return original(self, *args, **kwargs)

    return replacement


def exhausting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of a synchronous plain pool's `get_connection`, which never waits: it opens one or refuses."""

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            _record_exhausted(self, error)
            raise

    return replacement


def exhausting_later(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of an asyncio plain pool's `get_connection`."""

    async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(self, *args, **kwargs)
        except BaseException as error:
            _record_exhausted(self, error)
            raise

    return replacement


def opening(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of a synchronous connection's `connect`, which pools also call on what is open."""

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = None if getattr(self, "_sock", None) else current_extraction()
        if running is None:
            return original(self, *args, **kwargs)
        start = perf_counter_ns()
        _serve(start)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            _record_opening(running, start, error)
            raise
        _record_opening(running, start)
        return result

    return replacement


def opening_later(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of an asyncio connection's `connect`."""

    async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = None if getattr(self, "is_connected", False) else current_extraction()
        if running is None:
            return await original(self, *args, **kwargs)
        start = perf_counter_ns()
        _serve(start)
        try:
            result = await original(self, *args, **kwargs)
        except BaseException as error:
            _record_opening(running, start, error)
            raise
        _record_opening(running, start)
        return result

    return replacement


def _serve(now: int) -> None:
    served = _served.get()
    if served is not None:
        served.append(now)


def _record_opening(running: Extraction, start: int, error: BaseException | None = None) -> None:
    """Count the time to open a connection as a call: the server's and the network's, whatever the size of the pool."""
    try:
        if error is not None:
            error.__dict__[_OPENING] = True
        running.looked_up(0, 0, start, perf_counter_ns())
    except Exception as fault:
        faults.record("redis.opening", fault)


def _record(running: Extraction, pool: Any, start: int, served: list[int]) -> None:
    """Count a wait, also one that ended in an error: a pool that is exhausted is what it should show."""
    try:
        end = served[0] if served else perf_counter_ns()
        running.waited(pool, describe, start, end, _in_use(pool))
    except Exception as fault:
        faults.record("redis.pool", fault)


def _record_exhausted(pool: Any, error: BaseException) -> None:
    """Count the refusal of a pool that has reached its bound, as a wait of no time, in the extraction that met it."""
    try:
        running = current_extraction()
        if running is None:
            return
        limit = _bound(pool)
        if _OPENING not in error.__dict__ and limit is not None and (_in_use(pool) or 0) >= limit:
            now = perf_counter_ns()
            running.waited(pool, describe, now, now, _in_use(pool))
    except Exception as fault:
        faults.record("redis.pool", fault)


def _in_use(pool: Any) -> int | None:
    in_use = getattr(pool, "_in_use_connections", None)
    if in_use:
        return len(in_use)
    queue = getattr(pool, "pool", None)
    if queue is not None and hasattr(queue, "qsize"):
        return int(pool.max_connections) - int(queue.qsize())
    return None if in_use is None else 0


def describe(pool: Any) -> tuple[str, int | None]:
    """Return the address of a pool's server, never a user or a password, and its bound. Never raises."""
    try:
        return address(pool.connection_kwargs), _bound(pool)
    except Exception as fault:
        faults.record("redis.describe", fault)
        return type(pool).__name__, None


def address(options: Any) -> str:
    """Return the address of the server that a pool connects to, as a URL without secrets."""
    path = options.get("path")
    host = f"redis://{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    return f"{f'unix://{path}' if path else host}/{options.get('db') or 0}"


def _bound(pool: Any) -> int | None:
    size: int | None = pool.max_connections
    return size if size is not None and size < _UNBOUNDED else None
