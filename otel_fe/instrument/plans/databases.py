"""EXPLAIN, on a connection that is opened for it and closed afterwards: neither the pool nor a transaction of the host is touched.

PostgreSQL's plan is the generic one, which does not depend on parameters (`plan_cache_mode`, from version 12 on): values that
the host used are not sent. The transaction is read-only, waits neither for locks nor for long, and is rolled back.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_fe.instrument.plans.explainable import numbered, parameters_in, shortened, without_values

if TYPE_CHECKING:
    from collections.abc import Callable

_BEFORE: Final = (
    "SET TRANSACTION READ ONLY",
    "SET LOCAL statement_timeout = 2000",
    "SET LOCAL lock_timeout = 100",
    "SET LOCAL plan_cache_mode = force_generic_plan",
)
_MEMORY: Final = (None, "", ":memory:")


def explainer(engine: Any) -> Callable[[Any, str], str] | None:
    """Return what explains a statement, given an engine of SQLAlchemy; None where its database is not known."""
    if engine.dialect.name == "postgresql":
        return _postgresql
    if engine.dialect.name == "sqlite" and engine.url.database not in _MEMORY and "memory" not in str(engine.url.query):
        return _sqlite
    return None


def plan_of(engine: Any, pool: Any, statement: str) -> str:
    """Return a statement's plan; empty where the engine has been disposed of, or its database is not known.

    Args:
        engine: Of SQLAlchemy.
        pool: The engine's, when the statement was executed.
        statement: As it was given to the driver, with its placeholders.

    Raises:
        Exception: Whatever the driver raises.
    """
    explain = explainer(engine)
    if engine.pool is not pool or explain is None:
        return ""

    def ask() -> str:
        with closing(pool._invoke_creator(None)) as connection:
            return explain(connection, statement)

    with suppress_instrumentation():
        return asyncio.run(_in_own_loop(ask)) if engine.dialect.is_async else ask()


async def _in_own_loop(ask: Callable[[], str]) -> str:
    from sqlalchemy.util import greenlet_spawn  # noqa: PLC0415 only where the application has an asyncio engine

    found: str = await greenlet_spawn(ask)
    return found


def _postgresql(connection: Any, statement: str) -> str:
    text, count = numbered(statement)
    nothing = f"({', '.join(['NULL'] * count)})" if count else ""
    with closing(connection.cursor()) as cursor:
        try:
            for step in (*_BEFORE, f"PREPARE otel_fe_plan AS {text}", f"EXPLAIN EXECUTE otel_fe_plan{nothing}"):
                cursor.execute(step)
            rows = cursor.fetchall()
        finally:
            connection.rollback()
    return without_values("\n".join(str(row[0]) for row in rows))


def _sqlite(connection: Any, statement: str) -> str:
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA query_only = 1")
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * parameters_in(statement))
        rows = cursor.fetchall()
    depths: dict[int, int] = {0: -1}
    lines = []
    for number, parent, _, detail in rows:
        depths[number] = depths.get(parent, -1) + 1
        lines.append(f"{'  ' * depths[number]}{detail}")
    return shortened("\n".join(lines))
