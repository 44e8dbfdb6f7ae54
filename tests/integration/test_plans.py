"""Plans of slow statements, from a real PostgreSQL and from SQLite."""

from __future__ import annotations

import asyncio
import time

import pytest
import sqlalchemy as sa
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from sqlalchemy.ext.asyncio import create_async_engine

from otel_fe import faults, plan_event
from otel_fe.instrument.libraries import sqlalchemy_plans
from otel_fe.instrument.plans import asking
from tests.observed import instrumented

EVERYTHING = {"explain": True, "explain_threshold_s": 1e-9, "baseline_ratio": 1.0, "explain_per_minute": 1_000}


@pytest.fixture
def logs(monkeypatch):
    """Return where the first plan of a statement goes."""
    provider, exporter = LoggerProvider(), InMemoryLogRecordExporter()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    monkeypatch.setattr(sqlalchemy_plans, "get_logger_provider", lambda: provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
def explaining(logs, monkeypatch):
    """Instrument this process so that every statement is slow, and its plan is there when the call returns."""
    monkeypatch.setattr(asking, "_in_thread", lambda work: work())
    faults.reset()
    with instrumented(**EVERYTHING) as captured:
        yield captured
        SQLAlchemyInstrumentor().uninstrument()


def spanned(engine, captured):
    SQLAlchemyInstrumentor().instrument(engine=engine, tracer_provider=captured.traces)
    return engine


def plans_in(captured):
    """Return the plans on spans, in order."""
    captured.traces.force_flush()
    return [
        event.attributes[plan_event.TEXT]
        for span in captured.spans
        for event in span.events
        if event.name == plan_event.EVENT
    ]


@pytest.fixture
def table(postgres_url):
    """Return the name of a table of 5 000 rows, as an application has made it."""
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE planned (id INT PRIMARY KEY, name TEXT)"))
        connection.execute(sa.text("INSERT INTO planned SELECT n, 'name ' || n FROM generate_series(1, 5000) n"))
        connection.execute(sa.text("ANALYZE planned"))
    yield sa.Table("planned", sa.MetaData(), autoload_with=engine)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE planned"))
    engine.dispose()


def test_postgresql_s_generic_plan_has_no_values(explaining, logs, postgres_url, table):
    """The plan is in a log record of the first statement's span, and on the spans of later ones."""
    engine = spanned(sa.create_engine(postgres_url), explaining)
    with engine.connect() as connection:
        for name in ("sesame", "other"):
            connection.execute(
                sa.select(table.c.id).where(table.c.name == name, table.c.id > sa.literal_column("4711"))
            ).fetchall()
            connection.execute(sa.text("SELECT name FROM planned WHERE id = :id"), {"id": 7}).fetchall()
        assert engine.pool.checkedout() == 1
        assert engine.pool.checkedin() == 0, "the plan's connection is not the pool's"
    by_name, by_id = plans_in(explaining)
    assert by_name.startswith(("Seq Scan on planned  (cost=", "Index Scan using planned_pkey on planned  (cost="))
    assert "Filter: (" in by_name
    assert "$1" in by_name
    assert by_id.startswith("Index Scan using planned_pkey on planned  (cost=")
    assert "Index Cond: (id = $1)" in by_id
    records = [one.log_record for one in logs.get_finished_logs()]
    assert [one.body for one in records] == [by_name, by_id]
    spans = {span.context.span_id for span in explaining.spans}
    assert {one.span_id for one in records} < spans
    assert all(secret not in plan for plan in (by_name, by_id) for secret in ("sesame", "4711"))
    assert faults.counts() == {}
    engine.dispose()


def test_an_open_transaction_goes_on(explaining, postgres_url, table):
    """Neither a plan nor a failure to get one aborts the transaction, which would refuse its next statement."""
    engine = spanned(sa.create_engine(postgres_url), explaining)
    with engine.begin() as connection:
        connection.execute(sa.insert(table).values(id=9_001, name="mine"))
        connection.execute(sa.text("CREATE TEMP TABLE own AS SELECT 1 AS a"))
        # No other connection sees this table: there is no plan for it.
        assert connection.execute(sa.text("SELECT a FROM own")).scalar() == 1
        assert connection.execute(sa.select(table.c.name).where(table.c.id == 9_001)).scalar() == "mine"
    assert faults.counts() == {"plans.ask": 1}
    faults.reset()
    engine.dispose()


def test_writes_and_locks_are_never_explained(explaining, logs, postgres_url, table):
    engine = spanned(sa.create_engine(postgres_url), explaining)
    with engine.begin() as connection:
        for _ in range(2):
            connection.execute(sa.update(table).values(name="x").where(table.c.id == 1))
            connection.execute(sa.select(table.c.id).where(table.c.id == 1).with_for_update())
            connection.execute(sa.text("WITH g AS (DELETE FROM planned WHERE id = 2 RETURNING id) SELECT * FROM g"))
    assert plans_in(explaining) == []
    assert logs.get_finished_logs() == ()
    engine.dispose()


def test_a_table_that_is_locked_keeps_nobody_waiting(explaining, postgres_url, table):
    """Planning needs a lock on the table too, and gives up after a tenth of a second."""
    engine = spanned(sa.create_engine(postgres_url), explaining)
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE planned IN ACCESS EXCLUSIVE MODE"))
        connection.execute(sa.text("SELECT count(*) FROM planned")).scalar()
    assert faults.counts() == {"plans.ask": 1}
    faults.reset()
    engine.dispose()


def test_an_asyncio_engine_has_plans_as_well(explaining, postgres_url, table):
    async def main():
        engine = create_async_engine(postgres_url)
        spanned(engine.sync_engine, explaining)
        async with engine.connect() as connection:
            for _ in range(2):
                await connection.execute(sa.select(table.c.name).where(table.c.id == 7))
                # Here, in the background's place, there is a loop already.
                await asyncio.to_thread(lambda: [work() for work in started])
                started.clear()
        await engine.dispose()

    started = []
    asking.current._start = started.append
    asyncio.run(main())
    (plan,) = plans_in(explaining)
    assert "Index Cond: (id = $1)" in plan
    assert faults.counts() == {}


def test_sqlite_s_plan_of_a_file(explaining, tmp_path):
    engine = spanned(sa.create_engine(f"sqlite:///{tmp_path}/x.db"), explaining)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE item (id INTEGER PRIMARY KEY, price REAL)"))
    with engine.connect() as connection:
        for number in range(2):
            connection.execute(
                sa.text("SELECT price FROM item WHERE id = :id OR price > 4711"), {"id": number}
            ).fetchall()
            connection.execute(sa.text("SELECT price FROM item WHERE id = :id"), {"id": number}).fetchall()
    assert plans_in(explaining) == ["SCAN item", "SEARCH item USING INTEGER PRIMARY KEY (rowid=?)"]
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_sqlite_in_memory_is_left_alone(explaining, logs, url):
    """A second connection to SQLite in memory would see another database, so no plan is requested."""
    engine = spanned(sa.create_engine(url), explaining)
    with engine.connect() as connection:
        for _ in range(2):
            connection.execute(sa.text("SELECT 1"))
    assert plans_in(explaining) == []
    assert (logs.get_finished_logs(), faults.counts()) == ((), {})
    engine.dispose()


def test_after_dispose_nothing_is_asked(explaining, logs, tmp_path):
    started = []
    asking.current._start = started.append
    engine = spanned(sa.create_engine(f"sqlite:///{tmp_path}/x.db"), explaining)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    engine.dispose()
    (work,) = started
    work()
    assert (logs.get_finished_logs(), faults.counts()) == ((), {})


def test_without_the_setting_nothing_is_explained(logs, tmp_path):
    with instrumented(baseline_ratio=1.0) as captured:
        engine = spanned(sa.create_engine(f"sqlite:///{tmp_path}/x.db"), captured)
        with engine.connect() as connection:
            for _ in range(2):
                connection.execute(sa.text("SELECT 1"))
        assert asking.current is None
        assert plans_in(captured) == []
        SQLAlchemyInstrumentor().uninstrument()
        engine.dispose()


def test_in_the_background_by_a_thread_that_ends(logs, tmp_path):
    """Plans are requested by a background thread that ends, by default."""
    with instrumented(**EVERYTHING) as captured:
        engine = spanned(sa.create_engine(f"sqlite:///{tmp_path}/x.db"), captured)
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
            deadline = time.monotonic() + 20
            while asking.current._running and time.monotonic() < deadline:
                time.sleep(0.005)
            connection.execute(sa.text("SELECT 1"))
        assert plans_in(captured) == ["SCAN CONSTANT ROW"]
        SQLAlchemyInstrumentor().uninstrument()
        engine.dispose()
