"""Waits for connections of SQLAlchemy's pools (1.4, 2.0, 2.1), also under its asyncio extension.

The wait is the time to obtain an open connection, opening one included, as in OpenTelemetry's
`db.client.connection.wait_time`. Every pool hands out its connections through `Pool.connect`.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.extraction import current_extraction
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.extraction import Extraction

NAME: Final = "_otel_fe_name"


def patches() -> list[Patch]:
    """Return what to replace in SQLAlchemy, now that it is imported."""
    from sqlalchemy.engine.base import Engine  # noqa: PLC0415 only once the application has
    from sqlalchemy.pool.base import Pool  # noqa: PLC0415

    pools = [Pool, *(pool for pool in _below(Pool) if "connect" in vars(pool))]
    return [*(Patch(pool, "connect", _waiting) for pool in pools), Patch(Engine, "raw_connection", _naming)]


def _below(pool: type) -> list[type]:
    """Return the classes below one. SQLAlchemy's `SingletonThreadPool` has a `connect` of its own."""
    below: list[type] = type.__subclasses__(pool)
    return [*below, *(deeper for cls in below for deeper in _below(cls))]


def _waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return original(self, *args, **kwargs)
        start = perf_counter_ns()
        try:
            return original(self, *args, **kwargs)
        finally:
            _record(running, self, start)

    return replacement


def _naming(original: Callable[..., Any]) -> Callable[..., Any]:
    """Store an engine's address on its pool: a pool does not know it, and `dispose` makes a new one."""

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if NAME not in self.pool.__dict__:
                setattr(self.pool, NAME, address(self.url))
        except Exception as fault:
            faults.record("sqlalchemy.name", fault)
        return original(self, *args, **kwargs)

    return replacement


def _record(running: Extraction, pool: Any, start: int) -> None:
    """Count a wait, also one that ended in a timeout: an exhausted pool is what it should show."""
    try:
        running.waited(pool, describe, start, perf_counter_ns(), call(pool, "checkedout"))
    except Exception as fault:
        faults.record("sqlalchemy.pool", fault)


def describe(pool: Any) -> tuple[str, int | None]:
    """Return what a pool is called, and its bound. Never raises."""
    try:
        name = getattr(pool, "logging_name", None) or getattr(pool, NAME, None) or type(pool).__name__
        return name, _bound(pool)
    except Exception as fault:
        faults.record("sqlalchemy.describe", fault)
        return type(pool).__name__, None


def call(pool: Any, method: str) -> int | None:
    """Return the number that a method of a pool returns; None where the pool has no such method."""
    found: Any = getattr(pool, method, None)
    value: Any = found() if callable(found) else None
    return None if value is None else int(value)


def _bound(pool: Any) -> int | None:
    """Return the most connections a pool can have open; None where it has no bound."""
    overflow = getattr(pool, "_max_overflow", None)
    size = call(pool, "size")
    return None if size is None or overflow is None or overflow < 0 else size + overflow


def address(url: Any) -> str:
    """Return what an engine connects to, without user or password."""
    host = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
    return f"{url.get_backend_name()}://{host}/{url.database or ''}"
