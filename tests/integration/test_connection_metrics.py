"""`db.client.connection.*` of real pools: what they say, that nothing is said twice, and that everything is put back."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import threading
import time

import pytest
import redis
import redis.asyncio
import sqlalchemy as sa
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExponentialBucketHistogramAggregation, View
from opentelemetry.semconv._incubating.metrics import db_metrics
from sqlalchemy.ext.asyncio import create_async_engine

from otel_fe import semconv
from otel_fe.cache_connection_integration import CacheConnectionIntegration
from tests.integration.faulty.injection import tried
from tests.observed import instrumented

POOL, STATE = "db.client.connection.pool.name", "db.client.connection.state"
ONE = sa.text("select 1")


class Watched:
    """An integration with metrics in memory."""

    def __init__(self, views=(), **temporality):
        self.reader = InMemoryMetricReader(**temporality)
        self.provider = MeterProvider([self.reader], views=views)
        self.integration = CacheConnectionIntegration(meter_provider=self.provider)

    def metrics(self):
        data = self.reader.get_metrics_data()
        return {
            metric.name: metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def value(self, name, pool, state=None):
        metric = self.metrics().get(f"db.client.connection.{name}")
        for point in () if metric is None else metric.data.data_points:
            if point.attributes[POOL] == pool and point.attributes.get(STATE) == state:
                return getattr(point, "value", None) if not hasattr(point, "count") else point.count
        return None


@pytest.fixture
def watched():
    found = Watched()
    yield found
    found.integration.close()
    found.provider.shutdown()


def engine_at(tmp_path, **options):
    return sa.create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=sa.QueuePool, **options)


def test_sqlalchemy_s_pools(watched, tmp_path):
    """States, bounds, a caller that waits, one that gives up, and three histograms."""
    name = f"sqlite:///{tmp_path}/x.db"
    engine = engine_at(tmp_path, pool_size=1, max_overflow=1, pool_timeout=2)
    with engine.connect() as connection, engine.connect():
        connection.execute(ONE)
        waiting = threading.Thread(target=lambda: tried(engine.connect))
        waiting.start()
        deadline = time.monotonic() + 5
        while watched.value("pending_requests", name) != 1 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert watched.value("pending_requests", name) == 1
        assert watched.value("count", name, "used") == 2
        assert watched.value("count", name, "idle") == 0
        waiting.join()
    assert watched.value("pending_requests", name) == 0
    assert watched.value("count", name, "used") == 0
    assert watched.value("count", name, "idle") == 1
    assert (watched.value("max", name), watched.value("idle.max", name), watched.value("idle.min", name)) == (2, 1, 0)
    assert watched.value("timeouts", name) == 1
    assert watched.value("wait_time", name) == 2
    assert watched.value("use_time", name) == 2
    assert watched.value("create_time", name) == 2
    pool = watched.integration.get_unified_resource_stats().pools[name]
    assert (pool.requests, pool.timeouts, pool.created, pool.size) == (2, 1, 2, 2)
    engine.dispose()


def test_views_apply_as_to_the_sdk_s_instruments(tmp_path, caplog):
    """Specification, metrics/sdk.md#view: names, descriptions, attributes, dropped metrics and several streams of one."""
    watched = Watched(
        [
            View(
                instrument_name=semconv.CONNECTION_WAIT_TIME, name="pool.wait", description="waits", attribute_keys=()
            ),
            View(instrument_name=semconv.CONNECTION_WAIT_TIME, name="pool.wait.again"),
            View(instrument_name=semconv.CONNECTION_USE_TIME, aggregation=DropAggregation()),
            View(instrument_name=semconv.CONNECTION_TIMEOUTS, name="pool.timeouts"),
        ]
    )
    engine = engine_at(tmp_path, pool_size=1, max_overflow=0, pool_timeout=0.01)
    with engine.connect():
        tried(engine.connect)
    metrics = watched.metrics()
    engine.dispose()
    watched.integration.close()
    watched.provider.shutdown()
    (point,) = metrics["pool.wait"].data.data_points
    each = {one.attributes[POOL]: one.count for one in metrics["pool.wait.again"].data.data_points}
    timeouts = {one.attributes[POOL]: one.value for one in metrics["pool.timeouts"].data.data_points}
    name = f"sqlite:///{tmp_path}/x.db"  # pools of other tests may still be there
    assert (metrics["pool.wait"].description, dict(point.attributes), point.count) == ("waits", {}, sum(each.values()))
    assert (each[name], timeouts[name]) == (1, 1)
    assert not metrics.keys() & {semconv.CONNECTION_USE_TIME, semconv.CONNECTION_WAIT_TIME, semconv.CONNECTION_TIMEOUTS}
    assert semconv.CONNECTION_CREATE_TIME in metrics
    assert "is not applied" not in caplog.text


def test_an_aggregation_that_cannot_be_applied_is_named_once(tmp_path, caplog):
    """A pool's waits are aggregated as they happen, in fixed buckets."""
    watched = Watched([View(instrument_name="db.client.*", aggregation=ExponentialBucketHistogramAggregation())])
    engine = engine_at(tmp_path)
    with engine.connect():
        pass
    assert watched.metrics()[semconv.CONNECTION_WAIT_TIME].data.data_points
    watched.metrics()
    engine.dispose()
    watched.integration.close()
    watched.provider.shutdown()
    assert caplog.text.count("of a view of db.client.* is not applied to") == 1


def test_redis_pools(watched, redis_port):
    """Plain and blocking pools are measured, synchronous and asyncio."""
    name = f"redis://localhost:{redis_port}/0"
    pool = redis.BlockingConnectionPool(host="localhost", port=redis_port, max_connections=2, timeout=0.1)
    first, second = pool.get_connection(), pool.get_connection()
    with pytest.raises(redis.ConnectionError):
        pool.get_connection()
    assert watched.value("count", name, "used") == 2
    pool.release(first)
    assert (watched.value("count", name, "used"), watched.value("count", name, "idle")) == (1, 1)
    assert (watched.value("max", name), watched.value("timeouts", name)) == (2, 1)
    assert (watched.value("wait_time", name), watched.value("use_time", name)) == (2, 1)
    assert watched.value("create_time", name) == 2
    pool.release(second)
    pool.disconnect()

    async def main():
        later = redis.asyncio.BlockingConnectionPool(host="localhost", port=redis_port, db=1, max_connections=1)
        async with redis.asyncio.Redis(connection_pool=later) as client:
            await asyncio.gather(*(client.ping() for _ in range(5)))
        await later.disconnect()

    asyncio.run(main())
    assert watched.value("wait_time", f"redis://localhost:{redis_port}/1") == 5
    assert watched.value("create_time", f"redis://localhost:{redis_port}/1") == 1


def test_a_watched_pool_behaves_as_one_that_is_not(watched, redis_port):
    """A measured pool's bound methods keep it alive, its copies draw from themselves, and it keeps its name."""
    pool = redis.ConnectionPool(port=redis_port)
    get, release = pool.get_connection, pool.release
    assert (type(pool).__name__, type(pool).__module__) == ("ConnectionPool", redis.ConnectionPool.__module__)
    assert isinstance(pool, redis.ConnectionPool)
    assert inspect.ismethod(get)
    assert inspect.signature(get) == inspect.signature(redis.ConnectionPool(port=redis_port).get_connection)
    assert "get_connection" not in vars(pool)
    again = copy.copy(pool)
    del pool
    gc.collect()
    release(get())
    again._available_connections, again._in_use_connections = [], set()
    connection = again.get_connection()
    assert connection in again._in_use_connections
    assert connection not in get.__self__._in_use_connections
    assert type(again) is redis.ConnectionPool
    again.release(connection)
    for one in (again, get.__self__):
        one.disconnect()


class Plain(redis.asyncio.ConnectionPool):
    """Has plain methods where redis-py's are coroutine functions."""

    def get_connection(self, *args, **kwargs):
        """Return a coroutine, as callers expect."""
        return super().get_connection(*args, **kwargs)

    def make_connection(self):
        """Return one."""
        return super().make_connection()

    def size(self):
        """Return how many are in use."""
        return len(self._in_use_connections)


class Immediate(redis.asyncio.ConnectionPool):
    """Releases at once, without a coroutine."""

    released = 0

    def release(self, connection):
        """Note it."""
        self.released += 1
        return connection


def test_plain_methods_of_an_asyncio_pool_stay_plain(watched, redis_port):
    """Synchronous methods of an asyncio pool stay synchronous; a coroutine's connection is counted when it is awaited."""

    async def main():
        pool = Plain(port=redis_port)
        asked = pool.get_connection()
        assert asyncio.iscoroutine(asked)
        connection = await asked
        assert pool.size() == 1
        await pool.release(connection)
        await pool.disconnect()
        immediate = Immediate(port=redis_port)
        connection = await immediate.get_connection()
        assert immediate.release(connection) is connection
        assert immediate.released == 1
        await immediate.disconnect()

    before = watched.value("wait_time", f"redis://localhost:{redis_port}/0") or 0
    asyncio.run(main())
    assert watched.value("wait_time", f"redis://localhost:{redis_port}/0") == before + 2


def test_asyncio_engines(watched, tmp_path):
    """Five tasks at one connection: what waited is in the sums."""

    async def main():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/x.db", pool_size=1, max_overflow=0)

        async def work():
            async with engine.connect() as connection:
                await connection.execute(ONE)
                await asyncio.sleep(0.02)

        await asyncio.gather(*(work() for _ in range(5)))
        stats = watched.integration.get_unified_resource_stats()
        await engine.dispose()
        return stats

    pool = asyncio.run(main()).pools[f"sqlite:///{tmp_path}/x.db"]
    assert (pool.requests, pool.size, pool.callers) == (5, 1, 5)
    assert pool.wait_total_ms > 4 * 20 * 2  # 20 + 40 + 60 + 80


def test_names_units_and_instruments_are_opentelemetry_s(watched, tmp_path):
    """Each of the conventions' names, with its unit; nothing else."""
    engine = engine_at(tmp_path)
    engine.connect().close()
    ours = {metric.name: metric for metric in semconv.METRICS if metric.name.startswith("db.")}
    theirs = {v for n, v in vars(db_metrics).items() if n.startswith("DB_CLIENT_CONNECTION_") and isinstance(v, str)}
    assert set(ours) == theirs
    found = watched.metrics()
    assert set(found) <= theirs
    assert len(found) == len(theirs)
    engine.dispose()
    meter = MeterProvider().get_meter("theirs")
    for name, metric in ours.items():
        made = getattr(db_metrics, f"create_{name.replace('.', '_')}")(meter)
        assert metric.unit == made.unit == found[name].unit
        assert metric.instrument == type(made).__name__.lstrip("_").lower()


def test_deltas_add_up(tmp_path):
    """A reader that wants differences is given each request once."""
    delta = dict.fromkeys((Histogram, Counter), AggregationTemporality.DELTA)
    watched = Watched(preferred_temporality=delta)
    name = f"sqlite:///{tmp_path}/x.db"
    engine = engine_at(tmp_path)
    for count in (3, 2):
        for _ in range(count):
            engine.connect().close()
        assert watched.value("wait_time", name) == count
    assert "db.client.connection.wait_time" not in watched.metrics()
    engine.dispose()
    watched.integration.close()
    watched.provider.shutdown()


def test_nothing_is_said_twice(watched, tmp_path, redis_port):
    """OpenTelemetry's SQLAlchemy instrumentation has another name; where redis-py tells itself, ours of its pools stay away."""
    SQLAlchemyInstrumentor().instrument(meter_provider=watched.provider)
    try:
        engine = engine_at(tmp_path)
        engine.connect().close()
        found = watched.metrics()
        assert "db.client.connections.usage" in found
        assert len(found["db.client.connection.count"].data.data_points) == 2
        engine.dispose()
    finally:
        SQLAlchemyInstrumentor().uninstrument()
    observability = pytest.importorskip("redis.observability")
    with redis.Redis(port=redis_port) as client:
        client.ping()
        name = f"redis://localhost:{redis_port}/0"
        assert watched.value("wait_time", name) == 1
        observability.get_observability_instance()._provider_manager = Enabled()
        try:
            assert watched.value("wait_time", name) is None
            assert watched.value("count", name, "idle") is None
            assert watched.value("use_time", name) == 1
        finally:
            observability.get_observability_instance()._provider_manager = None


class Enabled:
    """redis-py's own metrics, as far as we ask."""

    config = property(lambda self: self)

    def is_enabled(self):
        return True


def methods():
    from redis.asyncio import connection as later
    from sqlalchemy.pool import base

    owners = [
        (base._ConnectionRecord, ("checkout", "checkin", "_ConnectionRecord__connect")),
        (sa.engine.Connection, ("__init__",)),
        (sa.engine.Engine, ("raw_connection",)),
        (redis.ConnectionPool, ("__init__", "get_connection", "release")),
        (redis.connection.AbstractConnection, ("send_command", "pack_commands")),
        (later.AbstractConnection, ("send_command", "pack_commands")),
        (later.ConnectionPool, ("__init__",)),
    ]
    return [vars(owner).get(name) for owner, names in owners for name in names]


@pytest.mark.parametrize("first", ["integration", "otel_fe"])
def test_everything_is_put_back_in_either_order(first, redis_port):
    """Switching otel_fe off before the integration, or after it, leaves no method that was not there before."""
    before = methods()
    client = redis.Redis(port=redis_port)
    with instrumented() as observed:
        integration = CacheConnectionIntegration(meter_provider=observed.metrics)
        integration.sync_cache_metrics(client)
        assert methods() != before
        client.ping()
        if first == "integration":
            integration.close()
    integration.close()
    assert methods() == before
    assert not {"get_connection", "release", "make_connection"} & set(vars(client.connection_pool))
    client.ping()
    client.close()


def test_after_the_end_nothing_is_emitted(watched, tmp_path):
    """After the end nothing is emitted, and a second integration on the same provider starts like the first."""
    engine = engine_at(tmp_path)
    engine.connect().close()
    assert "db.client.connection.count" in watched.metrics()
    watched.integration.close()
    assert watched.metrics() == {}
    watched.integration = CacheConnectionIntegration(meter_provider=watched.provider)
    engine.connect().close()
    assert watched.value("wait_time", f"sqlite:///{tmp_path}/x.db") == 1
    engine.dispose()


@pytest.mark.parametrize("wanted", [True, False])
def test_the_launcher_emits_them_where_asked(wanted, tmp_path):
    """`OTEL_FE_CONNECTION_METRICS`, without a line of code; off by default."""
    with instrumented(connection_metrics=wanted) as observed:
        with engine_at(tmp_path).connect() as connection:
            connection.execute(ONE)
        assert bool(observed.points("db.client.connection.use_time")) is wanted
