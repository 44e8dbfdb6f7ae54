"""Faults in SQLAlchemy's pools, on SQLite."""

from __future__ import annotations

import asyncio

import otel_fe
from tests.integration.faulty.injection import injected, tried

OURS = "otel_fe.instrument.libraries.sqlalchemy"


@injected("sqlalchemy.name", "instrument.libraries.sqlalchemy", f"{OURS}:_address")
@injected("sqlalchemy.pool", "instrument.libraries.sqlalchemy", f"{OURS}:_call")
@injected(
    "sqlalchemy.pool", "instrument.libraries.sqlalchemy", "otel_fe.instrument.live_measurements:LiveMeasurements.waited"
)
@injected("sqlalchemy.describe", "instrument.libraries.sqlalchemy", f"{OURS}:_bound")
def engines(app):
    import sqlalchemy as sa

    engine = sa.create_engine("sqlite://", poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05)
    with otel_fe.extraction("x"), engine.connect() as connection:
        found = connection.execute(sa.text("select 1")).fetchall(), tried(engine.connect)
    engine.dispose()
    return found, app.captured.traces.force_flush()


@injected("sqlalchemy.pool", "instrument.libraries.sqlalchemy", f"{OURS}:_call")
def an_asyncio_engine(_app):
    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import create_async_engine

    async def main():
        engine = create_async_engine("sqlite+aiosqlite://")
        async with otel_fe.extraction("x"), engine.connect() as connection:
            found = (await connection.execute(sa.text("select 1"))).fetchall()
        await engine.dispose()
        return found

    return asyncio.run(main())
