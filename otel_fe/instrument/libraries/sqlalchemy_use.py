"""Requests, uses and new connections of SQLAlchemy's pools (1.4, 2.0, 2.1), also under its asyncio extension.

At the record of a connection, below the methods that waits inside an extraction are measured at: the two come and go in any order.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.libraries import sqlalchemy
from otel_fe.instrument.libraries.pool_state import SQLALCHEMY
from otel_fe.instrument.libraries.pool_use import POOLS, PoolCounters, use_of
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

_SINCE: Final = "_otel_fe_since"
_CREATED: Final = "_otel_fe_created"
_TIMEOUT: Final = "TimeoutError"
"""Of SQLAlchemy's: the pool's limit was reached."""


def patches() -> list[Patch]:
    """Return what to replace in SQLAlchemy, now that it is imported."""
    from sqlalchemy.engine.base import Connection  # noqa: PLC0415 only once the application has
    from sqlalchemy.pool import base  # noqa: PLC0415

    record = base._ConnectionRecord
    return [
        Patch(record, "checkout", _checkout),
        Patch(record, "checkin", _checkin),
        Patch(record, "_ConnectionRecord__connect", _connect),
        Patch(Connection, "__init__", _naming),
    ]


def _naming(original: Callable[..., Any]) -> Callable[..., Any]:
    """Store an engine's address on its pool before use: a pool does not know it, and `dispose` makes a new one."""

    def replacement(self: Any, engine: Any, *args: Any, **kwargs: Any) -> None:
        try:
            if sqlalchemy.NAME not in vars(engine.pool):
                vars(engine.pool)[sqlalchemy.NAME] = sqlalchemy.address(engine.url)
        except Exception as fault:
            faults.record("sqlalchemy.named", fault)
        original(self, engine, *args, **kwargs)

    return replacement


def _checkout(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(pool: Any) -> Any:
        use = _asked(pool)
        start = perf_counter_ns()
        try:
            fairy = original(pool)
        except BaseException as error:
            _failed(use, error)
            raise
        _got(use, fairy, start)
        return fairy

    return replacement


def _checkin(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            held = vars(self).pop(_SINCE, None)
            if held is not None:
                use, since = held
                use.returned(perf_counter_ns() - since)
        except Exception as fault:
            faults.record("sqlalchemy.returned", fault)
        return original(self, *args, **kwargs)

    return replacement


def _connect(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        start = perf_counter_ns()
        result = original(self, *args, **kwargs)
        try:
            _note_created(self, perf_counter_ns() - start)
        except Exception as fault:
            faults.record("sqlalchemy.created", fault)
        return result

    return replacement


def _note_created(record: Any, took_ns: int) -> None:
    vars(record)[_CREATED] = took_ns


def _asked(pool: Any) -> PoolCounters | None:
    try:
        use = use_of(pool) or POOLS.adopt(pool, SQLALCHEMY, sqlalchemy.describe)
        use.came()
    except Exception as fault:
        faults.record("sqlalchemy.asked", fault)
        return None
    return use


def _got(use: PoolCounters | None, fairy: Any, start: int) -> None:
    try:
        if use is not None:
            end = perf_counter_ns()
            record = fairy._connection_record
            held = vars(record)
            held[_SINCE] = use, end
            use.got(start, end, held.pop(_CREATED, 0))
    except Exception as fault:
        faults.record("sqlalchemy.got", fault)


def _failed(use: PoolCounters | None, error: BaseException) -> None:
    try:
        if use is not None:
            use.failed(timeout=type(error).__name__ == _TIMEOUT)
    except Exception as fault:
        faults.record("sqlalchemy.failed", fault)
