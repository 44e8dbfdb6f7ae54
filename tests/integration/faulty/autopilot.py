"""Faults in the autopilot: while it measures, looks at pools and caches, decides, and gives sizes back."""

from __future__ import annotations

import importlib
import sys

import redis
import sqlalchemy as sa

import otel_fe
from otel_fe.autopilot.redis_pools import RedisPool
from otel_fe.autopilot.sqlalchemy_pools import SqlalchemyPool
from tests.integration.faulty.injection import injected, tried
from tests.integration.faulty.pipeline import names, traced

ON = {"autopilot": "pools", "autopilot_limits": "pools=2..4", "autopilot_mode": "act"}
CACHED = """
import cachetools

@cachetools.cached(cachetools.LRUCache(4))
def age(user):
    return 10 // user
"""
NAME = "cached_shop_of_faults"


@injected(
    "background.autopilot", "instrument.background", "otel_fe.autopilot.controller:Controller.tick",
    when="before", settings=ON,
)  # fmt: skip
@injected(
    "autopilot.measure",
    "instrument.autopilot",
    "otel_fe.instrument.autopilot:EndedExtraction",
    when="before",
    settings=ON,
)
def work_while_the_autopilot_fails(app):
    found = [traced(app), traced(app)]
    app.await_fault()
    return [*found, traced(app)], names(app)


@injected("autopilot.close", "instrument.autopilot", "otel_fe.autopilot.controller:Controller.close", settings=ON)
def work_until_the_autopilot_ends(app):
    return traced(app), names(app)


@injected(
    "autopilot.state", "instrument.autopilot", "otel_fe.instrument.autopilot:state_of", when="before", settings=ON
)
def use_a_pool_that_cannot_be_described(app):
    engine = sa.create_engine("sqlite://", poolclass=sa.QueuePool, pool_size=1)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT 1")).scalar()
        app.await_fault()
    engine.dispose()
    return found


@injected("autopilot.restore", "autopilot.resource", "otel_fe.autopilot.sqlalchemy_pools:restore", settings=ON)
@injected("autopilot.restore", "autopilot.resource", "otel_fe.autopilot.redis_pools:restore", settings=ON)
def work_with_pools_that_cannot_be_restored(app):
    """Resize two pools; each injection makes restoring one of them fail."""
    engine, pool = sa.create_engine("sqlite://", poolclass=sa.QueuePool), redis.ConnectionPool(max_connections=2)
    if app.injection is not None:
        SqlalchemyPool("one", engine.pool).resize(20)
        RedisPool("another", pool).resize(4)
    app.parts["pools"] = engine, pool  # alive at the end
    return traced(app), names(app)


@injected(
    "cached.sample", "instrument.sampled_caches", "otel_fe.instrument.libraries.redis_keys:KeySample.noted",
    settings={"caches": f"{NAME}:age", "autopilot": "caches", "autopilot_limits": "caches=2..4"},
)  # fmt: skip
def a_cache_whose_keys_cannot_be_sampled(app):
    (app.folder / f"{NAME}.py").write_text(CACHED)
    sys.path.insert(0, str(app.folder))
    try:
        shop = importlib.import_module(NAME)
    finally:
        sys.path.remove(str(app.folder))
        del sys.modules[NAME]
        importlib.invalidate_caches()
    with otel_fe.extraction("x"):
        return [tried(shop.age, user) for user in (5, 5, 0, 0)], len(shop.age.cache)
