"""The autopilot on real servers: a pool of PostgreSQL connections that finds its size, Redis pools, limits, and the way back."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import redis
import redis.asyncio
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

import otel_fe
from otel_fe.autopilot import redis_pools, server_limit, sqlalchemy_pools
from otel_fe.autopilot.redis_pools import RedisPool
from otel_fe.autopilot.resource import CannotResizeError
from otel_fe.autopilot.server_limit import room_of_database, share
from otel_fe.autopilot.sqlalchemy_pools import SqlalchemyPool
from otel_fe.config.settings import Settings
from otel_fe.instrument import runtime as in_force
from otel_fe.instrument.autopilot import Autopilot
from otel_fe.instrument.libraries.connections import WATCHING
from tests.observed import instrumented

USE = sa.text("SELECT pg_sleep(0.01)")
WINDOW_S = 2.0
CALLERS = 10


class Callers:
    """Threads that extract again and again, each resting between."""

    def __init__(self, engine, count=CALLERS):
        self.engine = engine
        self.took = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(count)]

    def run(self):
        while not self.stop.is_set():
            begun = time.monotonic()
            with otel_fe.extraction("user"), self.engine.connect() as connection:
                connection.execute(USE)
            self.took.append((time.monotonic(), time.monotonic() - begun))
            time.sleep(0.01)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(10)

    def p95(self, since):
        took = sorted(one for at, one in self.took if at >= since)
        return took[int(0.95 * len(took))]


def settings(mode="act", limits="pools=2..20"):
    return Settings(autopilot="pools", autopilot_limits=limits, autopilot_mode=mode, autopilot_window_s=WINDOW_S)


def ticked(autopilot, until, most_s=60.0):
    """Tick a window's worth faster than the background would, until something holds."""
    end = time.monotonic() + most_s
    while not until() and time.monotonic() < end:
        autopilot.tick()
        time.sleep(WINDOW_S / 40)


@pytest.fixture
def flown():
    """Return a function that makes an autopilot without its thread: the test ticks it."""
    with instrumented():
        made = []

        def make(**more):
            made.append(Autopilot(settings(**more), in_force.current, None))
            made[-1].attach()
            return made[-1]

        yield make
        for one in made:
            one.end()  # some have ended already: again, it does nothing
        assert not WATCHING._asked


def test_a_pool_of_two_finds_its_size(flown, postgres_url):
    """Ten callers want a connection half of the time. With two they queue; with eight or so they hardly do."""
    autopilot = flown()
    engine = sa.create_engine(postgres_url, pool_size=2, max_overflow=0)
    try:
        with Callers(engine) as callers:
            begun = time.monotonic()
            ticked(autopilot, lambda: any(step.outcome == "tried" for step in autopilot._steps))
            before = callers.p95(begun)
            ticked(autopilot, lambda: engine.pool.size() >= 6 and autopilot._steps[-1].outcome != "tried")
            after_at = time.monotonic()
            time.sleep(1)
            after = callers.p95(after_at)
        kept = [step for step in autopilot._steps if step.outcome == "kept"]
        tried = [step for step in autopilot._steps if step.outcome == "tried"]
        assert 4 <= engine.pool.size() <= 10, list(map(str, autopilot._steps))
        assert len(tried) <= 10
        assert after < 0.7 * before
        assert all(step.measured < 0 and step.predicted < 0 for step in kept)
        # The first step halves the queue: the model says so before, within a factor of two on a machine that does other things too.
        assert 0.5 < kept[0].measured / kept[0].predicted < 2
        autopilot.end()
        assert (engine.pool.size(), engine.pool._max_overflow) == (2, 0)
    finally:
        engine.dispose()


def test_never_above_the_server_s_own_limit(postgres_url, monkeypatch):
    """What others have open is not free."""
    monkeypatch.setattr(server_limit, "siblings", lambda: 1)
    engine, other = (sa.create_engine(postgres_url, pool_size=3, max_overflow=0) for _ in range(2))
    try:
        with engine.connect() as connection:
            most = int(connection.execute(sa.text("SHOW max_connections")).scalar())
            alone = SqlalchemyPool("db", engine.pool).most()
            assert 1 < alone < most
            with other.connect(), other.connect():
                assert SqlalchemyPool("db", engine.pool).most() == alone - 2
    finally:
        engine.dispose()
        other.dispose()


def test_the_limit_of_an_asyncio_engine(postgres_url):
    async def read():
        engine = create_async_engine(postgres_url.replace("+psycopg2", "+psycopg"), pool_size=2, max_overflow=0)
        try:
            async with engine.connect() as connection:
                await connection.execute(sa.text("SELECT 1"))
                return await asyncio.to_thread(SqlalchemyPool("db", engine.pool).most)
        finally:
            await engine.dispose()

    assert asyncio.run(read()) > 1


def test_sqlite_has_no_limit_and_a_dead_server_is_a_sentence(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=sa.QueuePool)
    assert room_of_database(engine.pool, "x") is None
    dead = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/x", poolclass=sa.QueuePool)
    with pytest.raises(CannotResizeError, match=r"db: its server's limit cannot be read \(OperationalError\)"):
        room_of_database(dead.pool, "db")


def test_shares():
    assert [share(10, 3, 1), share(10, 3, 4), share(-5, 3, 2), share(10, 0, 0)] == [13, 5, 3, 10]


def test_the_plain_pool_of_redis(redis_port):
    pool = redis.ConnectionPool(port=redis_port, max_connections=2)
    resource = RedisPool("redis", pool)
    resource.resize(4)
    connections = [pool.get_connection() for _ in range(4)]
    with pytest.raises(redis.ConnectionError):
        pool.get_connection()
    resource.resize(3)
    for one in connections:
        pool.release(one)
    resource.settle()
    assert (len(pool._available_connections), pool._created_connections) == (3, 3)
    assert resource.most() > 100
    resource.restore()
    assert (pool.max_connections, pool._created_connections) == (2, 2)
    assert not [name for name in vars(pool) if "host_size" in name]
    pool.disconnect()


def test_the_blocking_pool_of_redis(redis_port):
    """A caller that waits gets one of the further places at once."""
    pool = redis.BlockingConnectionPool(port=redis_port, max_connections=1, timeout=10)
    resource = RedisPool("redis", pool)
    first = pool.get_connection()
    found = []
    waiting = threading.Thread(target=lambda: found.append(pool.get_connection()))
    waiting.start()
    resource.resize(3)
    waiting.join(5)
    assert len(found) == 1
    resource.resize(1)
    for one in (first, *found):
        pool.release(one)
    resource.settle()
    assert (pool.pool.maxsize, pool.pool.qsize()) == (1, 1)
    assert redis.Redis(connection_pool=pool).ping()
    redis_pools.restore_all()
    assert (pool.max_connections, pool.pool.maxsize) == (1, 1)
    pool.disconnect()


@pytest.mark.parametrize("kind", [redis.asyncio.ConnectionPool, redis.asyncio.BlockingConnectionPool])
def test_the_pools_of_redis_asyncio(redis_port, kind):
    async def run():
        pool = kind(port=redis_port, max_connections=2)
        resource = RedisPool("redis", pool)
        resource.resize(4)
        connections = [await pool.get_connection() for _ in range(4)]
        for one in connections:
            await pool.release(one)
        await asyncio.to_thread(resource.resize, 2)
        for _ in range(500):
            if len(pool._available_connections) <= 2:
                break
            await asyncio.sleep(0.01)
        assert len(pool._available_connections) == 2
        assert await asyncio.to_thread(resource.most) > 100
        resource.restore()
        assert pool.max_connections == 2
        await pool.disconnect()

    asyncio.run(run())


def test_uninstrumenting_gives_everything_back(postgres_url):
    """The thread, the hook, the sizes."""
    engine = sa.create_engine(postgres_url, pool_size=2, max_overflow=1)
    with instrumented(autopilot="pools", autopilot_limits="pools=2..20", autopilot_mode="act"):
        assert "derive" in vars(in_force.current)
        held = vars(in_force.current)
        with engine.connect():
            SqlalchemyPool("db", engine.pool).resize(7)
        assert [thread.name for thread in threading.enumerate()].count("otel-fe-background") == 2
    assert "derive" not in held
    assert (engine.pool.size(), engine.pool._max_overflow) == (2, 1)
    assert not list(sqlalchemy_pools._resized)
    engine.dispose()


def test_off_it_touches_nothing():
    with instrumented():
        assert "derive" not in vars(in_force.current)
