"""Look-ups and waits of redis-py's synchronous clients: single, pipelines, transactions, cluster.

A look-up is measured where its command is sent and its response read, after a connection has been obtained: the wait
for that belongs to the pool.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.extraction import current_extraction
from otel_fe.instrument.libraries import redis_pools
from otel_fe.instrument.libraries.redis_responses import count_of, record_command, record_failed, record_pipeline
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.extraction import Extraction


_SINGLE: Final = 2
_WATCHING: Final = 3
"""Which argument of the hooked method the command begins with: of a client, of a cluster's transaction after WATCH."""


def patches() -> list[Patch]:
    """Return what to replace in redis-py, now that it is imported."""
    import redis  # noqa: PLC0415 only once the application has
    from redis import client, cluster, connection  # noqa: PLC0415

    found = [
        Patch(redis.Redis, "_send_command_parse_response", _command(_SINGLE)),
        Patch(client.Pipeline, "_execute_pipeline", _pipeline),
        Patch(client.Pipeline, "_execute_transaction", _pipeline),
        Patch(cluster.RedisCluster, "_execute_command", _cluster_command(cluster.ClusterPipeline)),
        Patch(connection.AbstractConnection, "connect", redis_pools.opening),
        Patch(connection.ConnectionPool, "get_connection", redis_pools.exhausting),
        Patch(connection.BlockingConnectionPool, "get_connection", redis_pools.waiting),
        Patch(connection.BlockingConnectionPool, "make_connection", redis_pools.making),
    ]
    # redis-py 6 moved the cluster's pipelines into strategies.
    strategy = getattr(cluster, "PipelineStrategy", cluster.ClusterPipeline)
    found.append(Patch(strategy, "send_cluster_commands", _cluster_pipeline))
    if hasattr(cluster, "TransactionStrategy"):
        transaction = cluster.TransactionStrategy
        found.append(Patch(transaction, "_execute_transaction_with_retries", _cluster_pipeline))
        found.append(Patch(transaction, "_send_command_parse_response", _command(_WATCHING)))
    return found


def _command(first: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a hook for a method whose command begins with its argument number `first`."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
            counting = count_of(args[first]) if len(args) > first else None
            running = None if counting is None else current_extraction()
            if running is None or counting is None:
                return original(self, *args, **kwargs)
            start = perf_counter_ns()
            try:
                response = original(self, *args, **kwargs)
            except BaseException:
                record_failed(running, start)
                raise
            record_command(running, counting, args[first:], response, start, perf_counter_ns())
            return response

        return replacement

    return make


def _cluster_command(pipeline: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes the hook of a cluster's `_execute_command`.

    It obtains the connection in between: that time is the pool's. A pipeline repeats commands through it that a node has
    redirected; those are counted with their pipeline.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(self: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            counting = count_of(args[0]) if args else None
            running = None if counting is None or isinstance(self, pipeline) else current_extraction()
            if running is None or counting is None:
                return original(self, target, *args, **kwargs)
            waited = _waited_so_far(running)
            start = perf_counter_ns()
            try:
                response = original(self, target, *args, **kwargs)
            except BaseException:
                record_failed(running, start)
                raise
            end = perf_counter_ns()
            record_command(running, counting, args, response, start + _waited_so_far(running) - waited, end)
            return response

        return replacement

    return make


def _waited_so_far(running: Extraction) -> int:
    """Return how long the extraction has waited for pools. Never raises."""
    try:
        return running.pool_wait_so_far_ns
    except Exception as fault:
        faults.record("redis.waited", fault)
        return 0


def _pipeline(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, connection: Any, commands: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return original(self, connection, commands, *args, **kwargs)
        start = perf_counter_ns()
        try:
            responses = original(self, connection, commands, *args, **kwargs)
        except BaseException:
            record_failed(running, start)
            raise
        end = perf_counter_ns()
        record_pipeline(running, commands, responses, start, end)
        return responses

    return replacement


def _cluster_pipeline(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, stack: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return original(self, stack, *args, **kwargs)
        waited = _waited_so_far(running)
        start = perf_counter_ns()
        responses = original(self, stack, *args, **kwargs)
        end = perf_counter_ns()
        record_pipeline(running, stack, responses, start + _waited_so_far(running) - waited, end)
        return responses

    return replacement
