"""Waits for SQLAlchemy's pools, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import threading
import time

import pytest
import sqlalchemy as sa
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from sqlalchemy.ext.asyncio import create_async_engine

import otel_fe
from tests.venvs import ROOT, Environment

SQLALCHEMY_2_1 = Environment(
    "sqlalchemy-2.1",
    ("--prerelease=allow", "sqlalchemy>=2.1.0b1", "opentelemetry-instrumentation-sqlalchemy"),
    installed=True,
)
PREFIX = "feature_extraction."
ONE = sa.text("select 1")


def contend(engine):
    """Let two threads, each an extraction, want the pool's only connection; the first holds it for a second after the other asks."""
    held, asked = threading.Event(), threading.Event()

    def hold():
        with otel_fe.extraction("first"), engine.connect() as connection:
            connection.execute(ONE)
            held.set()
            asked.wait(60)
            time.sleep(1)

    def wait():
        held.wait(60)
        with otel_fe.extraction("second"):
            asked.set()
            with engine.connect() as connection:
                connection.execute(ONE)

    threads = [threading.Thread(target=work) for work in (hold, wait)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_queue_pool_s_wait_lands_on_the_extraction_that_waited(observed, tmp_path):
    """The second of two at one connection waits, and its span names the pool, its size and its use."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=sa.QueuePool, pool_size=1, max_overflow=0)
    contend(engine)
    engine.dispose()
    first, second = (
        {s.name: s.attributes for s in observed.extractions()}[f"feature_extraction {n}"] for n in ("first", "second")
    )
    assert second[f"{PREFIX}pool.wait_time"] > 0.5
    assert first[f"{PREFIX}pool.wait_time"] < 0.5
    assert second[f"{PREFIX}pool.name"] == f"sqlite:///{tmp_path}/x.db"
    assert (second[f"{PREFIX}pool.size"], second[f"{PREFIX}pool.in_use"]) == (1, 1)
    assert second[f"{PREFIX}bottleneck"] == "pool_wait"


def test_postgresql_behind_a_pool(observed, postgres_url):
    """The same on a real server; no user and no password in the pool's name."""
    engine = sa.create_engine(postgres_url, pool_size=1, max_overflow=0)
    contend(engine)
    engine.dispose()
    second = {s.name: s.attributes for s in observed.extractions()}["feature_extraction second"]
    assert second[f"{PREFIX}pool.wait_time"] > 0.5
    assert second[f"{PREFIX}pool.name"].startswith("postgresql://127.0.0.1:")
    assert "shop" not in second[f"{PREFIX}pool.name"]


def test_a_null_pool_opens_a_connection_each_time(observed, tmp_path):
    """A null pool's wait is the time to open a connection; it has neither size nor use."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=sa.NullPool)
    with otel_fe.extraction("x"), engine.connect() as connection:
        connection.execute(ONE)
    (span,) = observed.extractions()
    assert span.attributes[f"{PREFIX}pool.wait_time"] > 0
    assert f"{PREFIX}pool.size" not in span.attributes


def test_an_exhausted_pool_counts_its_wait_and_fails_as_before(observed, tmp_path):
    """A timeout is SQLAlchemy's own error, and the time until it is on the span."""
    engine = sa.create_engine(
        f"sqlite:///{tmp_path}/x.db", poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.2
    )
    with engine.connect(), pytest.raises(sa.exc.TimeoutError), otel_fe.extraction("x"):
        engine.connect()
    engine.dispose()
    (span,) = observed.extractions()
    assert span.attributes[f"{PREFIX}pool.wait_time"] > 0.15
    assert span.attributes["error.type"] == "sqlalchemy.exc.TimeoutError"


def test_asyncio_engines_wait_in_greenlets(observed, tmp_path):
    """The extraction is seen through SQLAlchemy's greenlets; of three tasks at one connection two wait."""

    async def work(engine):
        async with otel_fe.extraction("task"), engine.connect() as connection:
            await connection.execute(ONE)
            await asyncio.sleep(0.5)

    async def main():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/x.db", pool_size=1, max_overflow=0)
        await asyncio.gather(*(work(engine) for _ in range(3)))
        await engine.dispose()

    asyncio.run(main())
    waits = sorted(span.attributes[f"{PREFIX}pool.wait_time"] for span in observed.extractions())
    assert waits[0] < 0.45 < waits[1] < waits[2]


def test_a_singleton_thread_pool_is_seen(observed):
    """SQLite in memory has one connection a thread, by a pool with a `connect` of its own."""
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.SingletonThreadPool)
    with otel_fe.extraction("x"), engine.connect() as connection:
        connection.execute(ONE)
    engine.dispose()
    (span,) = observed.extractions()
    assert span.attributes[f"{PREFIX}pool.wait_time"] > 0
    assert span.attributes[f"{PREFIX}pool.name"] == "sqlite:///"


def test_an_async_engine_leaves_no_span_of_its_instrumentation_open(observed, tmp_path):
    """One span a statement is started and ended; the trace is decided when its extraction has ended."""
    theirs = SQLAlchemyInstrumentor()
    theirs.instrument(tracer_provider=observed.traces)

    async def main():
        from sqlalchemy.ext.asyncio import create_async_engine as create

        engine = create(f"sqlite+aiosqlite:///{tmp_path}/x.db")
        async with otel_fe.extraction("x"), engine.connect() as connection:
            await connection.execute(ONE)
        await engine.dispose()

    try:
        asyncio.run(main())
        assert [span.name.split(" ")[0] for span in observed.spans].count("select") == 1
        assert observed.total("otel_fe.pipeline.traces.open") == 0
        assert len(observed.extractions()) == 1
    finally:
        theirs.uninstrument()


@pytest.mark.parametrize("order", list(itertools.permutations(("ours", "theirs"))), ids="-".join)
@pytest.mark.parametrize("undone", list(itertools.permutations(("ours", "theirs"))), ids="-".join)
def test_beside_the_sqlalchemy_instrumentation_in_every_order(tmp_path, order, undone):
    """Spans of SQLAlchemy's instrumentation are children of the extraction, in either order; afterwards SQLAlchemy is unchanged."""
    from otel_fe.config.settings import Settings
    from tests.observed import Observed

    before = {cls: dict(vars(cls)) for cls in (sa.pool.Pool, sa.Engine)}
    observed = Observed()
    ours, theirs = otel_fe.FeatureExtractionInstrumentor(), SQLAlchemyInstrumentor()
    for who in order:
        if who == "ours":
            ours.instrument(
                tracer_provider=observed.traces, meter_provider=observed.metrics, settings=Settings(baseline_ratio=1.0)
            )
        else:
            theirs.instrument(tracer_provider=observed.traces)
    engine = sa.create_engine(f"sqlite:///{tmp_path}/x.db")
    try:
        with otel_fe.extraction("x"), engine.connect() as connection:
            connection.execute(ONE)
        (extraction,) = observed.extractions()
        names = {span.name.split(" ")[0]: span for span in observed.spans}
        assert names["select"].parent.span_id == extraction.context.span_id
        assert "connect" in names
        assert f"{PREFIX}pool.wait_time" in extraction.attributes
    finally:
        engine.dispose()
        for who in undone:
            (ours if who == "ours" else theirs).uninstrument()
        observed.traces.shutdown()
        observed.metrics.shutdown()
    for cls, attributes in before.items():
        assert {k: v for k, v in vars(cls).items() if callable(v)} == {
            k: v for k, v in attributes.items() if callable(v)
        }


def test_sqlalchemy_2_1_has_pool_attributes_and_says_why_spans_are_missing(tmp_path):
    """The SQLAlchemy instrumentation supports only 2.0, which one warning reports; pools are measured nevertheless."""
    python = SQLALCHEMY_2_1.python()
    source = """
import otel_fe, sys
sys.path.insert(0, sys.argv[1])
from tests.observed import instrumented
with instrumented() as observed:
    import sqlalchemy as sa
    assert sa.__version__.startswith("2.1"), sa.__version__
    engine = sa.create_engine("sqlite:///x.db")
    with otel_fe.extraction("x"), engine.connect() as connection:
        connection.execute(sa.text("select 1"))
    (span,) = observed.extractions()
    print(dict(span.attributes))
"""
    done = subprocess.run(
        [python, "-c", source, ROOT], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "feature_extraction.pool.wait_time" in done.stdout
    assert done.stderr.count("SQL child spans are missing") == 1
    assert "2.1" in done.stderr
