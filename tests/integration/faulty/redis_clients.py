"""Faults in every kind of Redis client and pool, on real servers."""

from __future__ import annotations

import asyncio

import otel_fe
from tests.integration.faulty.injection import injected, tried

LOOKED_UP = "otel_fe.instrument.live_measurements:LiveMeasurements.looked_up"
WAITED = "otel_fe.instrument.live_measurements:LiveMeasurements.waited"
WAITED_SO_FAR = "otel_fe.instrument.live_measurements:LiveMeasurements.pool_wait_so_far_ns"
COUNT = "otel_fe.instrument.libraries.redis_responses:count"
SERVER, CLUSTER = ("redis_port",), ("cluster_port",)
KEYS = ("{of faults}there", "{of faults}missing")


@injected("redis.lookup", "instrument.libraries.redis_responses", LOOKED_UP, needs=SERVER)
@injected("redis.opening", "instrument.libraries.redis_pools", LOOKED_UP, needs=SERVER)
@injected("redis.failed", "instrument.libraries.redis_responses", LOOKED_UP, needs=SERVER)
def a_client(app):
    import redis

    there, missing = KEYS
    with redis.Redis(port=app.parts["redis_port"]) as client, otel_fe.extraction("x"):
        client.set(there, "1")
        client.get(missing)
        found = client.get(there), client.mget(there, missing), tried(client.hget, there, "a")
    return found, app.captured.traces.force_flush()


@injected("redis.pipeline", "instrument.libraries.redis_responses", COUNT, needs=SERVER)
def pipelines_and_transactions(app):
    import redis

    there, missing = KEYS
    found = []
    with redis.Redis(port=app.parts["redis_port"]) as client, otel_fe.extraction("x"):
        for transaction in (True, False):
            pipe = client.pipeline(transaction=transaction).set(there, "1").get(there).get(missing)
            found += [pipe.execute(), tried(client.pipeline(transaction=transaction).hget(there, "a").execute)]
    return found


@injected("redis.pool", "instrument.libraries.redis_pools", WAITED, needs=SERVER)
@injected(
    "redis.describe",
    "instrument.libraries.redis_pools",
    "otel_fe.instrument.libraries.redis_pools:address",
    needs=SERVER,
)
def blocking_pools(app):
    import redis.asyncio

    async def main():
        pool = redis.asyncio.BlockingConnectionPool(port=app.parts["redis_port"])
        async with redis.asyncio.Redis(connection_pool=pool) as client, otel_fe.extraction("x"):
            return await client.ping(), await pool.disconnect()

    pool = redis.BlockingConnectionPool(port=app.parts["redis_port"])
    with redis.Redis(connection_pool=pool) as client, otel_fe.extraction("x"):
        return client.ping(), pool.disconnect(), asyncio.run(main()), app.captured.traces.force_flush()


@injected("redis.pool", "instrument.libraries.redis_pools", WAITED, needs=SERVER)
def an_exhausted_pool(app):
    import redis

    pool = redis.ConnectionPool(port=app.parts["redis_port"], max_connections=1)
    with redis.Redis(connection_pool=pool) as client, otel_fe.extraction("x"):
        with client.pipeline() as pipe:
            pipe.watch(KEYS[0])
            found = tried(client.get, KEYS[0])
        return found, client.ping(), pool.disconnect()


@injected("redis.lookup", "instrument.libraries.redis_responses", LOOKED_UP, needs=SERVER)
@injected("redis.pipeline", "instrument.libraries.redis_responses", COUNT, needs=SERVER)
@injected("redis.opening", "instrument.libraries.redis_pools", LOOKED_UP, needs=SERVER)
def an_asyncio_client(app):
    import redis.asyncio

    there, missing = KEYS

    async def main():
        async with redis.asyncio.Redis(port=app.parts["redis_port"]) as client, otel_fe.extraction("x"):
            await client.set(there, "1")
            found = [await client.get(there), await client.mget(there, missing)]
            for transaction in (True, False):
                found.append(await client.pipeline(transaction=transaction).get(there).get(missing).execute())
            try:
                await client.hget(there, "a")
            except redis.ResponseError as error:
                found.append(error.args)
            return found

    return asyncio.run(main())


@injected("redis.lookup", "instrument.libraries.redis_responses", LOOKED_UP, needs=CLUSTER)
@injected("redis.waited", "instrument.libraries.redis_lookups", WAITED_SO_FAR, needs=CLUSTER)
@injected("redis.pipeline", "instrument.libraries.redis_responses", COUNT, needs=CLUSTER)
def a_cluster(app):
    import redis.cluster

    there, missing = KEYS
    with redis.cluster.RedisCluster(host="127.0.0.1", port=app.parts["cluster_port"]) as client:
        with otel_fe.extraction("x"):
            client.set(there, "1")
            found = [client.get(there), client.get(missing), tried(client.hget, there, "a")]
            pipe = client.pipeline()
            pipe.get(there).get(missing)
            found.append(pipe.execute())
            with client.pipeline(transaction=True) as pipe:
                pipe.watch(there)
                found.append(pipe.get(there))
                pipe.multi()
                pipe.get(there).get(missing)
                found.append(pipe.execute())
    return found


@injected("redis.lookup", "instrument.libraries.redis_responses", LOOKED_UP, needs=CLUSTER)
@injected("redis.pipeline", "instrument.libraries.redis_responses", COUNT, needs=CLUSTER)
def an_asyncio_cluster(app):
    import redis.asyncio

    there, missing = KEYS

    async def main():
        async with redis.asyncio.RedisCluster(host="127.0.0.1", port=app.parts["cluster_port"]) as client:
            async with otel_fe.extraction("x"):
                await client.set(there, "1")
                found = [await client.get(there), await client.get(missing)]
                async with client.pipeline() as pipe:
                    found.append(await pipe.get(there).get(missing).execute())
                async with client.pipeline(transaction=True) as pipe:
                    found.append(await pipe.get(there).get(missing).execute())
                try:
                    await client.hget(there, "a")
                except redis.ResponseError as error:
                    found.append(error.args)
                return found

    return asyncio.run(main())
