"""The file: whose it is, and what happens to one that is no store, or not any more."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import stat

import pytest

from otel_fe.errors import ConfigurationError
from otel_fe.store import Selection, Store, StoreLimits, StoreReader, Tier
from otel_fe.store.database import FILE_NAME, open_for_writing
from otel_fe.store.schema import APPLICATION_ID, MIGRATIONS, migrate
from otel_fe.store.series_keys import Which
from otel_fe.store.store_error import StoreBusyError, StoreError, StoreMissingError
from otel_fe.store.string_table import OTHER, StringTable
from tests.unit.store.parts import HOUR, MINUTE, T0, bed, counter, trace

ALL = Selection(0, 1 << 62)
QUICK = StoreLimits(linger_s=0.0, retry_s=0.05)


def test_only_its_owner_can_read_it(tmp_path):
    """Directory, file, SQLite's own files and the lock."""
    with Store(tmp_path / "deep" / "store", QUICK) as store:
        store.add_trace(trace(1))
        assert store.flush()
        assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.directory.iterdir()}
        assert set(modes) >= {FILE_NAME, f"{FILE_NAME}-wal", "writer.lock"}
        assert set(modes.values()) == {0o600}


def test_one_at_a_time_can_write(tmp_path):
    """A second writer is refused; after the first has closed the store, the next one is accepted."""
    with Store(tmp_path, QUICK):
        with pytest.raises(StoreBusyError, match="another process writes"):
            Store(tmp_path, QUICK)
    Store(tmp_path, QUICK).close()
    (tmp_path / "writer.lock").write_bytes(b"whatever this is, it is no lock of ours" * 50)
    Store(tmp_path, QUICK).close()


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path):
    """The error names the directory that cannot be made."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="file"):
        Store(tmp_path / "file" / "store")


def test_a_store_that_is_not_there_yet_says_so(tmp_path):
    """A reader of a missing store raises an error, and answers once the store was written."""
    with StoreReader(tmp_path / "store") as reader:
        with pytest.raises(StoreMissingError, match="nothing has been stored yet"):
            reader.traces.by_id(1)
        with Store(tmp_path / "store", QUICK) as store:
            store.add_trace(trace(1))
            assert store.flush()
            assert reader.traces.by_id(1) is not None
        assert reader.traces.by_id(1) is not None
    with pytest.raises(StoreError, match="closed"):
        reader.traces.by_id(1)


def foreign(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (value)")


def newer(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, (*MIGRATIONS, ("CREATE TABLE later (value)",)))


def damaged(path):
    path.write_bytes(b"this is no database at all, and it is long enough to see that" * 100)


@pytest.mark.parametrize(("make", "kind"), [(foreign, "foreign"), (newer, "newer"), (damaged, "damaged")])
def test_what_is_no_store_is_moved_aside(tmp_path, caplog, make, kind):
    """A file that is no store is moved aside unchanged, with a message, and a new store begins."""
    path = tmp_path / FILE_NAME
    make(path)
    before = path.read_bytes()
    with StoreReader(tmp_path) as reader:
        with pytest.raises(StoreError):
            reader.traces.find(ALL)
        with caplog.at_level(logging.WARNING, "otel_fe"), Store(tmp_path, QUICK) as store:
            store.add_trace(trace(1))
            assert store.flush()
            assert len(reader.traces.find(ALL)) == 1
    assert (tmp_path / f"{FILE_NAME}.{kind}").read_bytes() == before
    (record,) = caplog.records
    assert kind in record.message
    assert f"{FILE_NAME}.{kind}" in record.message


def test_other_people_s_files_are_never_overwritten(tmp_path):
    """The second one gets another name."""
    for _ in range(2):
        path = tmp_path / FILE_NAME
        path.unlink(missing_ok=True)
        foreign(path)
        open_for_writing(tmp_path, fsync=False).close()
    assert (tmp_path / f"{FILE_NAME}.foreign").exists()
    assert (tmp_path / f"{FILE_NAME}.foreign-2").exists()


def test_a_file_that_is_damaged_while_it_is_used_is_replaced(tmp_path, caplog):
    """A damaged file is replaced: its traces are lost and counted, new ones are stored, and an open reader finds them."""
    with Store(tmp_path, QUICK) as store, StoreReader(tmp_path) as reader:
        store.add_trace(trace(1))
        assert store.flush()
        assert reader.traces.by_id(1) is not None
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    # The header is left as it is, so that it is found out late.
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "otel_fe"), Store(tmp_path, QUICK) as store, StoreReader(tmp_path) as reader:
        for i in range(2, 4):
            store.add_trace(trace(i))
            assert store.flush()
        assert reader.traces.by_id(3) is not None
        assert reader.traces.by_id(1) is None
    assert (tmp_path / f"{FILE_NAME}.damaged").exists()
    assert any("damaged" in record.message for record in caplog.records)


def test_a_migration_happens_whole_or_not_at_all(tmp_path):
    """An earlier file keeps what it holds; one that fails half-way is of the earlier version still."""
    with bed(tmp_path) as store:
        store.write("trace", trace(1))
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as connection:
        version = "PRAGMA user_version"
        broken = (*MIGRATIONS, ("CREATE TABLE more (value)", "CREATE TABLE more (value)"))
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, broken)
        assert connection.execute(version).fetchone()[0] == len(MIGRATIONS)
        assert not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone()[0]
        migrate(connection, (*MIGRATIONS, ("CREATE TABLE more (value)",)))
        assert connection.execute(version).fetchone()[0] == len(MIGRATIONS) + 1
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        assert connection.execute("SELECT count(*) FROM trace").fetchone()[0] == 1


def test_names_are_bounded(tmp_path):
    """Past the bound all are called the same; what nothing uses makes room when the store is opened."""
    connection = open_for_writing(tmp_path, fsync=False)
    with contextlib.closing(connection):
        names = StringTable(connection, limit=3)
        assert len({names.number(f"set {i}") for i in range(10)}) == 4
        assert names.number("set 0") != names.number("set 9") == names.number(OTHER)
        names.sweep()
        assert connection.execute("SELECT count(*) FROM name").fetchone()[0] == 0
        assert names.number("\ud800") == names.number("?")


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_bytes": 1},
        {"max_age_s": 0},
        {"linger_s": -1},
        {"tiers": ()},
        {"tiers": (Tier(90, 9000),)},
        {"tiers": (Tier(60, 60), Tier(3600, 86400))},
        {"tiers": (Tier(600, 86400), Tier(3600, 3600))},
        {"tiers": (Tier(120, 86400), Tier(180, 86400))},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    """The error names the invalid setting."""
    with pytest.raises(ConfigurationError, match=f"store.{next(iter(wrong))}"):
        StoreLimits(**wrong)


def test_other_tiers_hold_what_comes_from_then_on(tmp_path):
    """Unchanged tiers keep their rows, new ones begin empty, and windows use whichever exist."""
    with bed(tmp_path, StoreLimits(tiers=(Tier(60, 86400), Tier(3600, 86400)))) as store:
        store.points(counter(5, T0, T0 - MINUTE))
    with bed(tmp_path, StoreLimits(tiers=(Tier(600, 86400), Tier(3600, 86400)))) as store:
        store.clock.advance(2 * 3600)
        store.points(counter(3, T0 + 2 * HOUR, T0 + 2 * HOUR - MINUTE, process="b"))
        assert store.reader.series.count(Which("things"), 0, 1 << 62) == 8
        assert store.reader.series.count(Which("things"), T0 + HOUR, T0 + 3 * HOUR) == 3
