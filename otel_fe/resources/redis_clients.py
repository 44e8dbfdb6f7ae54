"""The servers and pools of redis-py's clients, recognised by their attributes without importing redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from otel_fe.instrument.libraries import redis_keys, redis_pools
from otel_fe.instrument.libraries.pool_state import is_redis_pool
from otel_fe.resources.redis_server import Server, server_of

SINGLE: Final = "redis"
CLUSTER: Final = "redis cluster"


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """The servers behind a client."""

    name: str
    kind: str
    servers: tuple[Server, ...]
    """Servers; the primaries of a cluster."""
    addresses: tuple[redis_keys.Address, ...]
    """The same, as the label of key samples."""
    pools: tuple[Any, ...]


def redis_target(client: Any) -> RedisTarget | None:
    """Return what is behind a client or a pool, synchronous or asyncio, single or cluster; None where it is neither."""
    if hasattr(client, "nodes_manager"):
        return _cluster(client)
    pool = client if is_redis_pool(client) else getattr(client, "connection_pool", None)
    if pool is None or not is_redis_pool(pool):
        return None
    options = _options(pool)
    server = server_of(options, pool.connection_class)
    return RedisTarget(redis_pools.address(options), SINGLE, (server,), (redis_keys.address_of(options),), (pool,))


def _options(pool: Any) -> dict[str, Any]:
    """Return how to reach the pool's server; under Sentinel, the primary that was found last."""
    options = dict(pool.connection_kwargs)
    master = getattr(pool, "master_address", None) or getattr(getattr(pool, "proxy", None), "master_address", None)
    if master is not None:
        options["host"], options["port"] = master
    elif hasattr(pool, "sentinel_manager"):
        raise ValueError("this client of Sentinel's has not found its primary yet: look something up with it first")
    return options


def _cluster(client: Any) -> RedisTarget:
    primaries = [node for node in client.get_primaries() if node.host]
    if not primaries:
        raise ValueError("this cluster client knows no node yet; await its initialize() first")
    servers, addresses, pools = [], [], []
    for node in primaries:
        pool = getattr(getattr(node, "redis_connection", None), "connection_pool", None)
        options = dict(pool.connection_kwargs if pool is not None else getattr(node, "connection_kwargs", {}))
        options.update(host=node.host, port=node.port)
        kind = pool.connection_class if pool is not None else getattr(node, "connection_class", object)
        servers.append(server_of(options, kind))
        addresses.append(redis_keys.address_of(options))
        if pool is not None:
            pools.append(pool)
    first = min(server.address for server in servers)
    return RedisTarget(f"redis-cluster://{first}", CLUSTER, tuple(servers), tuple(addresses), tuple(pools))
