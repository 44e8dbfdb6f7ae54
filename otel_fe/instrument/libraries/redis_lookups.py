"""Look-ups and waits of redis-py's synchronous clients: single, pipelines, transactions, cluster.

A look-up is measured where its command is sent and its response read, after a connection has been obtained: the wait
for that belongs to the pool.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument import faults
from otel_fe.instrument.extraction import current_extraction
from otel_fe.instrument.libraries import redis_pools
from otel_fe.instrument.libraries.redis_responses import COUNTS, count
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.instrument.extraction import Extraction


_SINGLE: Final = 2
_CLUSTER: Final = 1
"""Which argument of the hooked method is the command's name."""


def patches() -> list[Patch]:
    """Return what to replace in redis-py, now that it is imported."""
    import redis  # noqa: PLC0415 only once the application has
    from redis import client, cluster, connection  # noqa: PLC0415

    found = [
        Patch(redis.Redis, "_send_command_parse_response", _command(_SINGLE)),
        Patch(client.Pipeline, "_execute_pipeline", _pipeline),
        Patch(client.Pipeline, "_execute_transaction", _pipeline),
        Patch(cluster.RedisCluster, "_execute_command", _command(_CLUSTER)),
        Patch(connection.ConnectionPool, "get_connection", redis_pools.waiting),
        Patch(connection.BlockingConnectionPool, "get_connection", redis_pools.waiting),
    ]
    # redis-py 6 moved the cluster's pipelines into strategies.
    strategy = getattr(cluster, "PipelineStrategy", cluster.ClusterPipeline)
    found.append(Patch(strategy, "send_cluster_commands", _cluster_pipeline))
    if hasattr(cluster, "TransactionStrategy"):
        found.append(Patch(cluster.TransactionStrategy, "_execute_transaction_with_retries", _cluster_pipeline))
    return found


def _command(first: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a hook for a method whose command begins with its argument number `first`."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
            counting = COUNTS.get(args[first]) if len(args) > first else None
            running = None if counting is None else current_extraction()
            if running is None or counting is None:
                return original(self, *args, **kwargs)
            waited = running.pool_wait_so_far_ns if first == _CLUSTER else 0
            start = perf_counter_ns()
            response = original(self, *args, **kwargs)
            end = perf_counter_ns()
            try:
                hits, misses = counting(response, args[first:])
                if first == _CLUSTER:
                    # Here the connection is obtained in between; that time is the pool's.
                    start += running.pool_wait_so_far_ns - waited
                running.looked_up(hits, misses, start, end)
            except Exception as fault:
                faults.record("redis.lookup", fault)
            return response

        return replacement

    return make


def _pipeline(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, connection: Any, commands: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return original(self, connection, commands, *args, **kwargs)
        start = perf_counter_ns()
        responses = original(self, connection, commands, *args, **kwargs)
        end = perf_counter_ns()
        record_pipeline(running, commands, responses, start, end)
        return responses

    return replacement


def _cluster_pipeline(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, stack: Any, *args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return original(self, stack, *args, **kwargs)
        waited = running.pool_wait_so_far_ns
        start = perf_counter_ns()
        responses = original(self, stack, *args, **kwargs)
        end = perf_counter_ns()
        record_pipeline(running, stack, responses, start + running.pool_wait_so_far_ns - waited, end)
        return responses

    return replacement


def record_pipeline(running: Extraction, stack: Any, responses: Any, start: int, end: int) -> None:
    """Count the look-ups of a pipeline or transaction that has been executed. Never raises."""
    try:
        commands: list[Sequence[Any]] = [getattr(c, "args", None) or c[0] for c in stack]
        hits, misses = count(commands, responses)
        if hits or misses:
            running.looked_up(hits, misses, start, end)
    except Exception as fault:
        faults.record("redis.pipeline", fault)
