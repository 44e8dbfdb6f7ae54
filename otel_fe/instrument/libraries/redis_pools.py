"""Waits for connections of redis-py's pools, plain and blocking, synchronous and asyncio."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument import faults
from otel_fe.instrument.extraction import current_extraction

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.extraction import Extraction

_UNBOUNDED: Final = 2**31
"""What redis-py takes for "no bound"."""


def waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of a synchronous pool's `get_connection`."""

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return original(self, *args, **kwargs)
        start = perf_counter_ns()
        try:
            connection = original(self, *args, **kwargs)
        except BaseException:
            _record(running, self, start)
            raise
        end = perf_counter_ns()
        try:  # flat, on the path of every command
            in_use = getattr(self, "_in_use_connections", None)
            running.waited(self, _describe, start, end, len(in_use) if in_use else _in_use(self))
        except Exception as fault:
            faults.record("redis.pool", fault)
        return connection

    return replacement


def awaiting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the hook of an asyncio pool's `get_connection`."""

    async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return await original(self, *args, **kwargs)
        start = perf_counter_ns()
        try:
            return await original(self, *args, **kwargs)
        finally:
            _record(running, self, start)

    return replacement


def _record(running: Extraction, pool: Any, start: int) -> None:
    """Count a wait, also one that ended in an error: a pool that is exhausted is what it should show."""
    try:
        running.waited(pool, _describe, start, perf_counter_ns(), _in_use(pool))
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


def _describe(pool: Any) -> tuple[str, int | None]:
    """Return the address of a pool's server, never a user or a password, and its bound. Never raises."""
    try:
        return _address(pool.connection_kwargs), _bound(pool)
    except Exception as fault:
        faults.record("redis.describe", fault)
        return type(pool).__name__, None


def _address(options: Any) -> str:
    path = options.get("path")
    host = f"redis://{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    return f"{f'unix://{path}' if path else host}/{options.get('db') or 0}"


def _bound(pool: Any) -> int | None:
    size: int | None = pool.max_connections
    return size if size is not None and size < _UNBOUNDED else None
