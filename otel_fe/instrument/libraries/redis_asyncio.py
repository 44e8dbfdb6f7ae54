"""Look-ups and waits of redis-py's asyncio clients: single, pipelines, transactions, cluster."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from otel_fe.instrument.extraction import current_extraction
from otel_fe.instrument.libraries import redis_pools
from otel_fe.instrument.libraries.redis_responses import count_of, record_command, record_failed, record_pipeline
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable


def patches() -> list[Patch]:
    """Return what to replace in redis-py's asyncio half, now that it is imported."""
    import redis.asyncio as redis  # noqa: PLC0415 only once the application has
    from redis.asyncio import client, cluster, connection  # noqa: PLC0415

    found = [
        Patch(redis.Redis, "_send_command_parse_response", _command(2)),
        Patch(client.Pipeline, "_execute_pipeline", _pipeline),
        Patch(client.Pipeline, "_execute_transaction", _pipeline),
        Patch(cluster.ClusterNode, "execute_command", _command(0)),
        Patch(cluster.ClusterNode, "execute_pipeline", _cluster_pipeline(answers=False)),
        Patch(connection.AbstractConnection, "connect", redis_pools.opening_later),
        Patch(connection.ConnectionPool, "get_connection", redis_pools.exhausting_later),
        Patch(connection.BlockingConnectionPool, "get_connection", redis_pools.awaiting),
        Patch(connection.BlockingConnectionPool, "make_connection", redis_pools.making),
    ]
    # redis-py 6 brought transactions to the asyncio cluster.
    if hasattr(cluster, "TransactionStrategy"):
        transaction = cluster.TransactionStrategy
        found.append(Patch(transaction, "_execute_transaction_with_retries", _cluster_pipeline(answers=True)))
        found.append(Patch(transaction, "_send_command_parse_response", _command(3)))
    return found


def _command(first: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
            counting = count_of(args[first]) if len(args) > first else None
            running = None if counting is None else current_extraction()
            if running is None or counting is None:
                return await original(self, *args, **kwargs)
            start = perf_counter_ns()
            try:
                response = await original(self, *args, **kwargs)
            except BaseException:
                record_failed(running, start)
                raise
            record_command(running, counting, args[first:], response, start, perf_counter_ns())
            return response

        return replacement

    return make


def _pipeline(original: Callable[..., Any]) -> Callable[..., Any]:
    async def replacement(self: Any, connection: Any, commands: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return await original(self, connection, commands, *args, **kwargs)
        start = perf_counter_ns()
        try:
            responses = await original(self, connection, commands, *args, **kwargs)
        except BaseException:
            record_failed(running, start)
            raise
        end = perf_counter_ns()
        record_pipeline(running, commands, responses, start, end)
        return responses

    return replacement


def _cluster_pipeline(*, answers: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes the hook of a method that executes commands on a cluster.

    Args:
        answers: It returns the responses; otherwise each command holds its own.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        async def replacement(self: Any, commands: Any, *args: Any, **kwargs: Any) -> Any:
            running = current_extraction()
            if running is None:
                return await original(self, commands, *args, **kwargs)
            start = perf_counter_ns()
            returned = await original(self, commands, *args, **kwargs)
            end = perf_counter_ns()
            record_pipeline(running, commands, returned if answers else None, start, end)
            return returned

        return replacement

    return make
