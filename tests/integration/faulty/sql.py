"""Faults in SQLAlchemy's pools, on SQLite."""

from __future__ import annotations

import asyncio
import time

import otel_fe
from tests.integration.faulty.injection import injected, tried

OURS = "otel_fe.instrument.libraries.sqlalchemy"


@injected("sqlalchemy.name", "instrument.libraries.sqlalchemy", f"{OURS}:address")
@injected("sqlalchemy.pool", "instrument.libraries.sqlalchemy", f"{OURS}:call")
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


@injected("sqlalchemy.pool", "instrument.libraries.sqlalchemy", f"{OURS}:call")
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


EXPLAIN = {"explain": True, "explain_threshold_s": 1e-9}
PLANS = "otel_fe.instrument.plans"


@injected("sqlalchemy.plan", "instrument.libraries.sqlalchemy_plans", f"{PLANS}.asking:Plans.of", settings=EXPLAIN)
@injected("plans.ask", "instrument.plans.asking", f"{PLANS}.databases:_sqlite", settings=EXPLAIN)
def slow_statements(app):
    import sqlalchemy as sa
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    engine = sa.create_engine(f"sqlite:///{app.folder}/plans.db")
    instrumentor = SQLAlchemyInstrumentor()
    instrumentor.instrument(engine=engine, tracer_provider=app.captured.traces)
    try:
        with engine.connect() as connection:
            found = [connection.execute(sa.text(f"select {n}")).fetchall() for n in range(3)]
            found.append(tried(connection.execute, sa.text("select * from nothing"))[:2])
        deadline = time.monotonic() + 10
        while app.injection is not None and not app.injected and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        instrumentor.uninstrument()
        engine.dispose()
    return found
