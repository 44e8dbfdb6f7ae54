"""The free connections of a server: its limit less those in use, shared with sibling processes on this machine.

Queried over a separate connection, which is closed at once, with a time limit: the application's are not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.autopilot.resource import CannotResizeError
from otel_fe.daemons import start_daemon

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMEOUT_S: Final = 5.0
_POSTGRESQL: Final = ("psycopg", "psycopg2", "pg8000", "asyncpg", "postgresql")
_WITHOUT_LIMIT: Final = ("sqlite3", "aiosqlite", "pysqlite", "sqlite")
_ROOM: Final = """SELECT current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int - coalesce(current_setting('reserved_connections', true), '0')::int
    - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())"""
"""Connections that PostgreSQL would still accept from users without special rights."""


def share(free: int, open_now: int, processes: int) -> int:
    """Return the most that a pool may open: what it has open, and its part of what is free.

    Args:
        free: Connections that the server would still accept.
        open_now: Those that the pool has open.
        processes: That may take from the same, this one included.
    """
    return open_now + max(0, free) // max(1, processes)


def siblings(proc: Path = Path("/proc")) -> int:
    """Return how many processes here do the same as this one, it included: those of one parent with one command line."""
    try:
        own = (proc / "self" / "cmdline").read_bytes()
        parent = os.getppid()
        found = 0
        for entry in proc.iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    found += int(stat[1]) == parent and (entry / "cmdline").read_bytes() == own
    except OSError:
        return 1
    return max(1, found)


def room_of_database(pool: Any, name: str) -> int | None:
    """Return the largest size that a pool of SQLAlchemy's may have; None where its database has no limit.

    Raises:
        CannotResizeError: The limit is not known, or cannot be read.
    """
    free = _asked(name, lambda: _ask_database(pool))
    if free is None:
        return None
    # In use and idle ones: `_overflow` counts both, less the size of the pool.
    return share(free, max(0, int(pool._overflow) + int(pool._pool.maxsize)), siblings())


def room_of_redis(pool: Any, name: str) -> int | None:
    """Return the largest size that a pool of redis-py's may have.

    Raises:
        CannotResizeError: The limit cannot be read.
    """
    later = type(pool).__module__.startswith("redis.asyncio")
    most, connected = _asked(name, lambda: asyncio.run(_ask_redis_later(pool)) if later else _ask_redis(pool))
    held = getattr(pool, "_connections", None)
    open_now = len(held) if held is not None else len(pool._available_connections) + len(pool._in_use_connections)
    return share(most - connected, open_now, siblings())


def _asked(name: str, ask: Callable[[], Any]) -> Any:
    """Return an answer, queried in a separate thread: a server that does not answer delays the caller by the time limit at most."""
    found: list[Any] = []
    problem: list[str] = []

    def run() -> None:
        try:
            found.append(ask())
        except CannotResizeError as error:
            problem.append(str(error))
        except Exception as fault:  # noqa: BLE001 whatever a driver raises
            problem.append(f"its server's limit cannot be read ({type(fault).__name__})")

    thread = start_daemon("autopilot", "otel-fe-server-limit", run)
    if thread is None:
        raise CannotResizeError(f"{name}: its server's limit cannot be read, as no thread can be started")
    thread.join(_TIMEOUT_S)
    if found:
        return found[0]
    raise CannotResizeError(f"{name}: {problem[0] if problem else 'its server did not report its limit in time'}")


def _ask_database(pool: Any) -> int | None:
    if type(pool).__name__ != "AsyncAdaptedQueuePool":
        return _ask_over(pool)
    from sqlalchemy.util import greenlet_spawn  # noqa: PLC0415 the application has imported it

    async def ask() -> int | None:
        found: int | None = await greenlet_spawn(_ask_over, pool)
        return found

    return asyncio.run(ask())


def _ask_over(pool: Any) -> int | None:
    connection = pool._invoke_creator(None)
    try:
        modules = {part for kind in type(connection).__mro__ for part in kind.__module__.split(".")}
        if modules & set(_WITHOUT_LIMIT):
            return None
        if not modules & set(_POSTGRESQL):
            raise CannotResizeError("otel_fe cannot read the connection limit of this kind of database")
        cursor = connection.cursor()
        cursor.execute(_ROOM)
        (free,) = cursor.fetchone()
        cursor.close()
        return int(free)
    finally:
        connection.close()


def _ask_redis(pool: Any) -> tuple[int, int]:
    connection = pool.connection_class(**pool.connection_kwargs)
    try:
        connection.connect()
        connection.send_command("INFO", "clients")
        reply = connection.read_response()
        maximum = _limit_in(reply)
        if maximum is None:  # before Redis 7
            connection.send_command("CONFIG", "GET", "maxclients")
            maximum = _configured(connection.read_response())
        return maximum, _number_in(reply, "connected_clients") - 1
    finally:
        connection.disconnect()


async def _ask_redis_later(pool: Any) -> tuple[int, int]:
    connection = pool.connection_class(**pool.connection_kwargs)
    try:
        await connection.connect()
        await connection.send_command("INFO", "clients")
        reply = await connection.read_response()
        maximum = _limit_in(reply)
        if maximum is None:
            await connection.send_command("CONFIG", "GET", "maxclients")
            maximum = _configured(await connection.read_response())
        return maximum, _number_in(reply, "connected_clients") - 1
    finally:
        await connection.disconnect()


def _limit_in(reply: Any) -> int | None:
    return _number_in(reply, "maxclients") if "maxclients:" in _text(reply) else None


def _number_in(reply: Any, name: str) -> int:
    lines = dict(line.split(":", 1) for line in _text(reply).splitlines() if ":" in line)
    return int(lines[name])


def _configured(answer: Any) -> int:
    pairs = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
    return int(next(value for key, value in pairs.items() if _text(key) == "maxclients"))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
