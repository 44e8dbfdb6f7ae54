"""Faults in what watches pools and keys, on SQLite and on real Redis servers."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

from otel_fe.cache_connection_integration import CacheConnectionIntegration
from otel_fe.instrument.exported_load import ExportedLoad
from tests.integration.faulty.injection import injected, tried

USE = "otel_fe.instrument.libraries.pool_use:PoolCounters"
SQL = "otel_fe.instrument.libraries.sqlalchemy_use"
REDIS = "otel_fe.instrument.libraries.redis_use"
METRICS = "otel_fe.instrument.libraries.connection_metrics"
SERVER = ("redis_port",)
SQL_HOOK, REDIS_HOOK = "instrument.libraries.sqlalchemy_use", "instrument.libraries.redis_use"


@contextmanager
def watched(app, *, arm=True):
    """Watch pools, and then put the fault in; without us, neither."""
    if app.injection is None:
        yield None
        return
    integration = CacheConnectionIntegration(meter_provider=app.captured.metrics)
    try:
        if arm:
            app.arm()
        yield integration
    finally:
        integration.close()


@injected("sqlalchemy.asked", SQL_HOOK, f"{USE}.came", when="by itself")
@injected("sqlalchemy.got", SQL_HOOK, f"{USE}.got", when="by itself")
@injected("sqlalchemy.returned", SQL_HOOK, f"{USE}.returned", when="by itself")
@injected("sqlalchemy.failed", SQL_HOOK, f"{USE}.failed", when="by itself")
def engines_watched(app):
    import sqlalchemy as sa

    with watched(app):
        engine = sa.create_engine(
            "sqlite://", poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05
        )
        with engine.connect() as connection:
            found = connection.execute(sa.text("select 1")).fetchall(), tried(engine.connect)
        with engine.connect() as connection:
            found += (connection.execute(sa.text("select 2")).fetchall(),)
        engine.dispose()
    return found


@injected("sqlalchemy.named", SQL_HOOK, "otel_fe.instrument.libraries.sqlalchemy:address", when="by itself")
@injected("sqlalchemy.created", SQL_HOOK, f"{SQL}:_note_created", when="by itself")
def an_engine_that_connects(app):
    import sqlalchemy as sa

    with watched(app):
        engine = sa.create_engine("sqlite://")
        with engine.connect() as connection:
            found = connection.execute(sa.text("select 1")).fetchall()
        engine.dispose()
    return found


@injected("redis.watch", REDIS_HOOK, f"{REDIS}:watch", needs=SERVER, when="by itself")
@injected("redis.made", REDIS_HOOK, f"{REDIS}:_note_made", needs=SERVER, when="by itself")
@injected("redis.asked", REDIS_HOOK, f"{USE}.came", needs=SERVER, when="by itself")
@injected("redis.got", REDIS_HOOK, f"{USE}.got", needs=SERVER, when="by itself")
@injected("redis.returned", REDIS_HOOK, f"{USE}.returned", needs=SERVER, when="by itself")
@injected("redis.failed", REDIS_HOOK, f"{USE}.failed", needs=SERVER, when="by itself")
def clients_watched(app):
    import redis

    with watched(app):
        pool = redis.BlockingConnectionPool(port=app.parts["redis_port"], max_connections=1, timeout=0.05)
        with redis.Redis(connection_pool=pool) as client:
            client.set("{of faults}", "1")
            with client.pipeline() as pipe:
                pipe.watch("{of faults}")
                found = tried(client.get, "{of faults}"), pipe.get("{of faults}")
            return *found, client.get("{of faults}"), pool.disconnect()


@injected("redis.asked", REDIS_HOOK, f"{USE}.came", needs=SERVER, when="by itself")
@injected("redis.got", REDIS_HOOK, f"{USE}.got", needs=SERVER, when="by itself")
@injected("redis.returned", REDIS_HOOK, f"{USE}.returned", needs=SERVER, when="by itself")
def an_asyncio_client_watched(app):
    import redis.asyncio

    async def main():
        async with redis.asyncio.Redis(port=app.parts["redis_port"]) as client:
            await client.set("{of faults}", "1")
            return await client.get("{of faults}")

    with watched(app):
        return asyncio.run(main())


@injected("resources.state", "resources.pools", "otel_fe.resources.pools:state_of", when="by itself")
def pools_read(app):
    import sqlalchemy as sa

    with watched(app) as integration:
        engine = sa.create_engine("sqlite://", poolclass=sa.pool.QueuePool)
        with engine.connect() as connection:
            found = connection.execute(sa.text("select 1")).fetchall()
        if integration is not None:
            integration.get_unified_resource_stats()
        engine.dispose()
    return found


@injected(
    "background.resources.read", "instrument.background", "otel_fe.resources.caches:Caches.read", when="by itself"
)
def caches_read_in_the_background(app):
    with watched(app) as integration:
        if integration is not None:
            app.patch.setattr("otel_fe.instrument.background.PERIOD_S", 0.005)
            app.patch.setattr(integration, "_interval_ns", 0)
            integration.start()
            app.await_fault()
            integration.stop()
    return "went on"


@injected(
    "redis.keys",
    "instrument.libraries.redis_keys",
    "otel_fe.instrument.libraries.redis_keys:KeySample.looked_up",
    needs=SERVER,
    when="by itself",
)
def keys_sampled(app):
    import redis

    with watched(app, arm=False) as integration, redis.Redis(port=app.parts["redis_port"]) as client:
        if integration is not None:
            integration.sync_cache_metrics(client)
            app.arm()
        client.set("{of faults}", "1")
        pipe = client.pipeline().get("{of faults}").get("{of faults}missing")
        return client.get("{of faults}"), client.mget("{of faults}", "{of faults}missing"), pipe.execute()


@injected("load.observe", "instrument.exported_load", "otel_fe.instrument.exported_load:Observation", when="by itself")
def load_exported(app):
    app.captured.metrics.get_meter("mine").create_counter("mine").add(3)
    load = None if app.injection is None else ExportedLoad.begin(app.captured.metrics, lambda: 1)
    app.arm()
    found = app.captured.total("mine")
    if load is not None:
        load.end()
    return found


@injected(
    "connections.observe", "instrument.libraries.connection_metrics", f"{METRICS}:_observations", when="by itself"
)
@injected("connections.state", "instrument.libraries.connection_metrics", f"{METRICS}:state_of", when="by itself")
@injected("connections.collect", "instrument.libraries.connection_metrics", f"{METRICS}:metrics_of", when="by itself")
def metrics_collected(app):
    import sqlalchemy as sa

    app.captured.metrics.get_meter("mine").create_counter("mine").add(3)
    with watched(app):
        engine = sa.create_engine("sqlite://", poolclass=sa.pool.QueuePool)
        with engine.connect() as connection:
            connection.execute(sa.text("select 1"))
        found = app.captured.total("mine")
        engine.dispose()
    return found
