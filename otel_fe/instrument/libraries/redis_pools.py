"""Waits for connections of redis-py's pools, plain and blocking, synchronous and asyncio.

Only a blocking pool lets its callers wait. The time to open a connection, which every pool does for its caller, is a call: an
unreachable server is no reason to let a pool grow.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.extraction import current_extraction

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.extraction import Extraction

_OPENING: Final = "_otel_fe_opening"
"""When the opening of a connection began; on the connection, or on the error that it ended in."""
_UNBOUNDED: Final = 2**31
"""The size that redis-py treats as unbounded."""


def waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of a synchronous blocking pool's `get_connection`."""

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return original(self, *args, **kwargs)
        start = perf_counter_ns()
        try:
            connection = original(self, *args, **kwargs)
        except BaseException as error:
            _record(running, self, start, error)
            raise
        _record(running, self, start, connection)
        return connection

    return replacement


def awaiting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of an asyncio blocking pool's `get_connection`."""

    async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return await original(self, *args, **kwargs)
        start = perf_counter_ns()
        try:
            connection = await original(self, *args, **kwargs)
        except BaseException as error:
            _record(running, self, start, error)
            raise
        _record(running, self, start, connection)
        return connection

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
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            _record_opening(running, error, start)
            raise
        _record_opening(running, self, start)
        return result

    return replacement


def opening_later(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of an asyncio connection's `connect`."""

    async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = None if getattr(self, "is_connected", False) else current_extraction()
        if running is None:
            return await original(self, *args, **kwargs)
        start = perf_counter_ns()
        try:
            result = await original(self, *args, **kwargs)
        except BaseException as error:
            _record_opening(running, error, start)
            raise
        _record_opening(running, self, start)
        return result

    return replacement


def _record_opening(running: Extraction, outcome: Any, start: int) -> None:
    """Count the time to open a connection as a call: the server's and the network's, whatever the size of the pool.

    Args:
        running: The extraction that opened it.
        outcome: The connection, or the error; the pool's hook finds the beginning of the call on it.
        start: When it began.
    """
    try:
        running.looked_up(0, 0, start, perf_counter_ns())
        outcome.__dict__.setdefault(_OPENING, start)
    except Exception as fault:
        faults.record("redis.opening", fault)


def _record(running: Extraction, pool: Any, start: int, outcome: Any) -> None:
    """Count a wait, also one that ended in an error: a pool that is exhausted is what it should show."""
    try:
        end = outcome.__dict__.pop(_OPENING, 0) or perf_counter_ns()
        running.waited(pool, describe, start, max(start, end), _in_use(pool))
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
