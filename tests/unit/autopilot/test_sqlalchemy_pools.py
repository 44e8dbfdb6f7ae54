"""Resizing a real QueuePool of SQLAlchemy's while threads use it; connections are SQLite's."""

from __future__ import annotations

import random
import sqlite3
import threading
import time

import pytest
import sqlalchemy
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool, QueuePool, StaticPool

from otel_fe.autopilot import sqlalchemy_pools
from otel_fe.autopilot.resource import CannotResizeError
from otel_fe.autopilot.sqlalchemy_pools import SqlalchemyPool


class Counted(sqlite3.Connection):
    """A connection that is counted while it is open."""

    lock = threading.Lock()
    open_now = most = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, check_same_thread=False, **kwargs)
        with Counted.lock:
            Counted.open_now += 1
            Counted.most = max(Counted.most, Counted.open_now)

    def close(self):
        super().close()
        with Counted.lock:
            Counted.open_now -= 1


@pytest.fixture
def made(monkeypatch):
    """Return pools of counted connections, whose callers wait so shortly for tests' sake; all of them are closed afterwards."""
    monkeypatch.setattr(sqlalchemy_pools, "PATIENT_S", 0.0)
    Counted.open_now = Counted.most = 0
    pools = []

    def make(size=2, overflow=0, kind=QueuePool, **more):
        pools.append(kind(lambda: Counted(":memory:"), pool_size=size, max_overflow=overflow, timeout=0.05, **more))
        return pools[-1]

    yield make
    for pool in pools:
        pool.dispose()
    sqlalchemy_pools.restore_all()


def held(pool, most=50):
    """Return as many connections as a pool gives."""
    found = []
    for _ in range(most):
        try:
            found.append(pool.connect())
        except sqlalchemy.exc.TimeoutError:
            break
    return found


def test_it_opens_as_many_as_it_is_told_and_keeps_them_open(made):
    pool = made(2, 1)
    resource = SqlalchemyPool("db", pool)
    assert resource.size() == 3
    resource.resize(6)
    connections = held(pool)
    assert len(connections) == resource.size() == 6
    assert (pool.size(), pool.checkedout()) == (5, 6)
    for one in connections:
        one.close()
    assert (Counted.open_now, pool.checkedin(), pool.checkedout()) == (
        5,
        5,
        0,
    )  # the overflow is the application's: one


@pytest.mark.parametrize(("size", "expected"), [(10, (9, 1)), (3, (2, 1)), (2, (2, 0)), (1, (1, 0))])
def test_a_smaller_one_gives_up_its_overflow_first(made, size, expected):
    pool = made(2, 1)
    SqlalchemyPool("db", pool).resize(size)
    assert (pool.size(), pool._max_overflow) == expected
    assert len(held(pool)) == size


def test_idle_connections_that_are_too_many_are_closed_at_once(made):
    pool = made(5)
    for one in held(pool):
        one.close()
    assert Counted.open_now == 5
    SqlalchemyPool("db", pool).resize(2)
    assert (Counted.open_now, pool.checkedin(), pool.checkedout()) == (2, 2, 0)
    assert len(held(pool)) == 2


def test_connections_in_use_are_closed_once_they_come_back(made):
    pool = made(5)
    resource = SqlalchemyPool("db", pool)
    connections = held(pool)
    resource.resize(2)
    assert Counted.open_now == 5
    for one in connections:
        one.close()
    resource.settle()
    assert (Counted.open_now, pool.checkedin(), pool.checkedout()) == (2, 2, 0)
    again = held(pool)
    assert len(again) == 2


def test_the_application_gets_its_sizes_back(made):
    pool = made(2, 3)
    resource = SqlalchemyPool("db", pool)
    for size in (9, 4, 1, 7):
        resource.resize(size)
    resource.restore()
    assert (pool.size(), pool._max_overflow, pool._overflow) == (2, 3, -2)
    assert not [name for name in vars(pool) if "otel_fe" in name or name == "recreate"]
    assert len(held(pool)) == 5


def test_a_pool_that_dispose_made_goes_on_with_the_size_and_is_restored_too():
    """`dispose()` makes another pool of the sizes that there are: it would keep ours for ever."""
    engine = sqlalchemy.create_engine("sqlite://", poolclass=QueuePool, pool_size=2, max_overflow=0)
    old = engine.pool
    SqlalchemyPool("db", old).resize(6)
    engine.dispose()
    assert engine.pool is not old
    assert engine.pool.size() == 6
    engine.dispose()
    sqlalchemy_pools.restore_all()
    assert (engine.pool.size(), engine.pool._max_overflow) == (2, 0)
    engine.dispose()
    assert engine.pool.size() == 2


@pytest.mark.thorough
def test_threads_that_use_it_meanwhile_see_a_pool_all_the_time(made):
    """Never more than its largest size, none lost, and in the end the counts are those of an idle pool."""
    pool = made(3)
    pool._timeout = 20
    resource = SqlalchemyPool("db", pool)
    stop, problems = threading.Event(), []

    def use():
        while not stop.is_set():
            try:
                connection = pool.connect()
                connection.cursor().execute("SELECT 1")
                connection.close()
                time.sleep(0.0005)  # lets others have their turn: eight threads that never rest starve the ninth
            except Exception as problem:
                problems.append(problem)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    chance = random.Random(1)
    for _ in range(15):
        resource.resize(chance.randint(1, 6))
    resource.resize(4)
    stop.set()
    for thread in threads:
        thread.join()
    resource.settle()
    assert problems == []
    assert Counted.most <= 6 + 1  # one is closed while another is opened
    assert pool.checkedout() == 0
    assert Counted.open_now == pool.checkedin() <= 4
    assert pool._overflow == pool.checkedin() - pool.size()
    assert len(held(pool)) == 4


@pytest.mark.parametrize(
    ("pool", "sentence"),
    [
        (
            NullPool(lambda: None),
            "NullPool cannot be resized: only SQLAlchemy's own QueuePool and AsyncAdaptedQueuePool can",
        ),
        (StaticPool(lambda: None), "StaticPool cannot be resized"),
        (type("Own", (QueuePool,), {})(lambda: None), "Own cannot be resized"),
        (QueuePool(lambda: None, pool_size=2, max_overflow=-1), "This pool is unbounded"),
        (QueuePool(lambda: None, pool_size=0), "This pool is unbounded"),
    ],
)
def test_others_are_refused_in_a_sentence(pool, sentence):
    with pytest.raises(CannotResizeError, match=sentence):
        SqlalchemyPool("db", pool).size()


def test_other_versions_are_refused(made, monkeypatch):
    monkeypatch.setattr(sqlalchemy, "__version__", "3.0.1")
    with pytest.raises(CannotResizeError, match=r"3\.0\.1 are not resized; versions 1\.4"):
        SqlalchemyPool("db", made()).resize(3)


def test_a_pool_of_asyncio(made):
    """An asyncio pool's queue belongs to its event loop, so other threads change only its numbers."""
    pool = made(2, 0, AsyncAdaptedQueuePool)
    resource = SqlalchemyPool("db", pool)
    first, second = pool._do_get(), pool._do_get()
    resource.resize(3)
    third = pool._do_get()
    assert (resource.size(), pool.checkedout()) == (3, 3)
    resource.resize(1)
    for one in (first, second, third):
        pool._do_return_conn(one)
    assert (pool.checkedin(), pool.checkedout(), Counted.open_now) == (1, 0, 1)
    resource.restore()
    assert (pool.size(), pool._pool._queue._maxsize, pool._overflow) == (2, 2, -1)


def test_a_pool_whose_callers_soon_fail_is_not_made_smaller(made, monkeypatch):
    """A pool that raises after 50 ms when full is not made smaller than the application made it; added connections are removed
    again."""
    pool = made(4)
    monkeypatch.setattr(sqlalchemy_pools, "PATIENT_S", 1.0)
    resource = SqlalchemyPool("db", pool)
    with pytest.raises(CannotResizeError, match=r"callers wait 0.05 s and then fail.*at least 1 s"):
        resource.resize(3)
    assert resource.size() == 4
    resource.resize(6)
    resource.resize(4)
    assert resource.size() == 4


def test_sizes_that_the_application_sets_meanwhile_stay(made):
    pool = made(2, 1)
    resource = SqlalchemyPool("db", pool)
    resource.resize(6)
    pool._max_overflow = 4
    resource.restore()
    assert (pool.size(), pool._max_overflow) == (2, 4)
    assert not [name for name in vars(pool) if "otel_fe" in name or name == "recreate"]


def test_a_pool_of_its_own_that_is_beyond_its_size_is_left_alone(made):
    """Whatever the reason: only a resized pool is settled."""
    pool = made(3)
    connections = held(pool)
    pool._max_overflow = -1
    SqlalchemyPool("db", pool).settle()
    assert Counted.open_now == 3
    assert len(connections) == 3


def test_resizing_gives_up_on_a_lock_that_is_never_released(made, monkeypatch):
    """Resizing gives up on a lock that another thread of the parent held when the child was forked: it stays locked."""
    pool = made(2)
    monkeypatch.setattr(sqlalchemy_pools, "_LOCKED_S", 0.01)
    resource = SqlalchemyPool("db", pool)
    resource.resize(3)
    with pool._overflow_lock:
        with pytest.raises(CannotResizeError, match="not released"):
            resource.resize(4)
        resource.restore()
    assert not [name for name in vars(pool) if "otel_fe" in name or name == "recreate"]
