"""Look-ups in a Redis cluster beyond single commands: transactions, and pipelines that a node redirects."""

from __future__ import annotations

import asyncio

import pytest
import redis
import redis.asyncio
import redis.cluster

import otel_fe

PREFIX = "feature_extraction.cache."
THERE, MISSING = "{cluster}there", "{cluster}missing"
TRANSACTIONS = pytest.mark.skipif(
    not hasattr(redis.cluster, "TransactionStrategy"), reason="redis-py has had transactions in clusters since 6.0"
)


def cache_of(observed):
    """Return look-ups and hits of the last extraction."""
    attributes = observed.extractions()[-1].attributes
    return attributes[f"{PREFIX}lookups"], attributes[f"{PREFIX}hits"]


@pytest.fixture
def cluster(cluster_port):
    """Return a client of a cluster that holds one value."""
    with redis.cluster.RedisCluster(port=cluster_port, host="127.0.0.1") as found:
        found.set(THERE, "1")
        yield found


@TRANSACTIONS
def test_transactions_count(observed, cluster):
    """Look-ups between WATCH and MULTI are counted, and so are those that EXEC returns."""
    with otel_fe.extraction("x"), cluster.pipeline(transaction=True) as pipe:
        pipe.watch(THERE)
        assert pipe.get(THERE) == b"1"
        pipe.multi()
        pipe.get(THERE)
        pipe.get(MISSING)
        assert pipe.execute() == [b"1", None]
    assert cache_of(observed) == (3, 2)


@TRANSACTIONS
def test_asyncio_transactions_count(observed, cluster, cluster_port):
    """The asyncio client's likewise."""

    async def main():
        async with redis.asyncio.RedisCluster(host="127.0.0.1", port=cluster_port) as ours:
            async with otel_fe.extraction("x"), ours.pipeline(transaction=True) as pipe:
                pipe.get(THERE).get(MISSING)
                assert await pipe.execute() == [b"1", None]

    asyncio.run(main())
    assert cache_of(observed) == (2, 1)


def test_a_pipeline_that_a_node_redirects_counts_each_command_once(observed, cluster):
    """A command that was sent to the wrong node is sent again by itself; it is still one look-up."""
    slots = cluster.nodes_manager.slots_cache
    slot = cluster.keyslot(THERE)
    right = slots[slot][0]
    wrong = next(nodes[0] for nodes in slots.values() if nodes[0].name != right.name)
    slots[slot] = [wrong]
    with otel_fe.extraction("x"):
        pipe = cluster.pipeline()
        pipe.get(THERE)
        pipe.get(MISSING)
        assert pipe.execute() == [b"1", None]
    assert cache_of(observed) == (2, 1)
