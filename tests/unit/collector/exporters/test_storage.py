"""The queue on disk: what it keeps, how it fails, and what is left of a damaged one."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from otel_fe.collector.exporters.shared_commit import IndexEntry
from otel_fe.collector.exporters.storage import Storage
from otel_fe.collector.exporters.storage_errors import StorageError, StorageFullError


def opened(path, **changed):
    return Storage(path, **{"fsync": False, "lock_timeout_s": 0.05, **changed})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queue.db"


@pytest.mark.parametrize("fsync", [False, True])
def test_what_was_appended_is_found_in_order(path, fsync):
    storage = opened(path, fsync=fsync)
    keys = [storage.append(number, b"x" * number) for number in range(1, 5)]
    storage.remove(IndexEntry(keys[1], 2, 2))
    assert storage.load(keys[1]) is None
    storage.close()
    again = opened(path)
    assert [(found.items, found.size_bytes) for found in again.found] == [(1, 1), (3, 3), (4, 4)]
    assert [again.load(found.key) for found in again.found] == [b"x", b"xxx", b"xxxx"]
    assert again.append(9, b"later") > again.found[-1].key
    again.close()


def test_threads_share_commits(path):
    """Every append is on disk when it returns, though many are written by one commit."""
    storage = opened(path)
    commits = []
    storage._connection.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        return [storage.append(1, b"%d-%d" % (number, i)) for i in range(50)]

    with ThreadPoolExecutor(8) as pool:
        keys = [key for found in pool.map(work, range(8)) for key in found]
    assert len(set(keys)) == 400
    assert len(commits) < 400
    storage.close()


def test_a_second_owner_is_told_so(path):
    first = opened(path)
    with pytest.raises(StorageError, match="another process uses it"):
        opened(path)
    first.close()
    opened(path).close()


def test_a_payload_that_changed_on_disk_is_not_given_back(path):
    storage = opened(path)
    keys = [storage.append(1, data) for data in (b"a" * 100, b"b" * 100)]
    storage.close()
    other = sqlite3.connect(path)
    other.execute("UPDATE waiting SET data = ? WHERE key = ?", (b"a" * 99 + b"!", keys[0]))
    other.commit()
    other.close()
    again = opened(path)
    assert again.load(keys[0]) is None
    assert again.load(keys[1]) == b"b" * 100
    again.close()


def filled(path, count=200):
    storage = opened(path)
    for number in range(count):
        storage.append(1, b"%04d" % number * 256)
    storage.close()


@pytest.mark.parametrize("damage", ["header", "middle", "truncated", "empty", "garbage"])
def test_a_damaged_file_is_no_end(path, damage):
    """A damaged file is opened, its readable entries are reported, and it is kept beside the new one."""
    filled(path)
    data = bytearray(path.read_bytes())
    if damage == "header":
        data[:100] = os.urandom(100)
    elif damage == "middle":
        data[len(data) // 2 : len(data) // 2 + 8_192] = b"\xff" * 8_192
    elif damage == "truncated":
        del data[len(data) * 2 // 3 :]
    elif damage == "empty":
        data.clear()
    else:
        data[:] = os.urandom(10_000)
    path.write_bytes(data)
    storage = opened(path)
    whole = [storage.load(found.key) for found in storage.found]
    readable = [data for data in whole if data is not None]
    assert readable == sorted(readable)
    if damage in ("middle", "truncated"):
        assert len(readable) > 60
    key = storage.append(1, b"new")
    assert storage.load(key) == b"new"
    storage.close()


def test_a_truncated_log_loses_only_its_end(path):
    """A write-ahead log without its last bytes, as after a crash of the machine, loses only its last entry."""
    storage = opened(path)
    for number in range(50):
        storage.append(1, b"%04d" % number * 256)
    log = path.with_name(path.name + "-wal").read_bytes()
    data = path.read_bytes()
    storage.close()
    path.write_bytes(data)
    path.with_name(path.name + "-wal").write_bytes(log[:-1_500])
    again = opened(path)
    assert len(again.found) == 49
    again.close()


def test_space_comes_back_when_it_is_empty(path, monkeypatch):
    monkeypatch.setattr("otel_fe.collector.exporters.storage._SHRINK_BYTES", 1_000_000)
    storage = opened(path)
    keys = [storage.append(1, b"x" * 100_000) for _ in range(40)]
    for key in keys:
        storage.remove(IndexEntry(key, 1, 100_000))
    assert path.stat().st_size + path.with_name(path.name + "-wal").stat().st_size < 200_000
    storage.close()


def test_after_it_was_closed_it_refuses(path):
    storage = opened(path)
    storage.close()
    storage.close()
    storage.remove(IndexEntry(1, 1, 1))
    with pytest.raises(StorageFullError):
        storage.append(1, b"x")
    assert storage.load(1) is None


def test_a_file_that_is_gone_bad_while_open_is_replaced(path):
    """The log is overwritten under its owner: what cannot be written is refused, and the next one is taken again."""
    filled(path)
    storage = opened(path)
    data = bytearray(path.read_bytes())
    data[4_096:] = b"\xff" * (len(data) - 4_096)
    path.write_bytes(data)
    storage._connection.execute("PRAGMA cache_size = 0")
    storage._connection.execute("PRAGMA shrink_memory")
    with contextlib.suppress(StorageFullError):
        storage.append(1, b"first")
    key = storage.append(1, b"second")
    assert storage.load(key) == b"second"
    storage.close()


def test_nobody_else_can_read_the_queue(path):
    """The queue's file and SQLite's log are readable by their owner only, even if an earlier version made the file readable for all."""
    path.touch(0o644)
    storage = opened(path)
    storage.append(1, b"data")
    files = sorted(path.parent.iterdir())
    assert len(files) == 2
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    storage.close()


@pytest.mark.filterwarnings("ignore:unclosed database")  # it is left so on purpose, and Python 3.13 says so
@pytest.mark.parametrize("emptied", ["directory", "file"])
def test_a_queue_that_is_removed_while_it_runs_goes_on_in_a_new_file(path, emptied, caplog):
    """The new file gets all waiting entries, and acknowledged ones are there at the next start."""
    folder = path.parent / "queue"
    folder.mkdir()
    file = folder / "queue.db"
    storage = opened(file, prepare=lambda: folder.mkdir(exist_ok=True))
    first = storage.append(1, b"before")
    gone = storage.append(1, b"sent")
    if emptied == "directory":
        shutil.rmtree(folder)
    else:
        for one in folder.iterdir():
            one.unlink()
    storage.remove(IndexEntry(gone, 1, 4))
    second = storage.append(2, b"after")
    assert [storage.load(key) for key in (first, gone, second)] == [b"before", None, b"after"]
    assert "was removed" in caplog.text
    storage._connection = None  # as `kill -9` leaves it
    gc.collect()
    again = opened(file)
    assert [(found.items, again.load(found.key)) for found in again.found] == [(1, b"before"), (2, b"after")]
    again.close()


def test_a_queue_that_is_removed_and_cannot_be_made_again_refuses(path):
    """A queue without its directory refuses new entries and still sends old ones; it accepts again once the directory is back."""
    folder = path.parent / "queue"
    folder.mkdir()
    file = folder / "queue.db"
    storage = opened(file)
    first = storage.append(1, b"before")
    shutil.rmtree(folder)
    for _ in range(2):
        with pytest.raises(StorageFullError, match="its file was removed"):
            storage.append(1, b"refused")
    assert storage.load(first) == b"before"
    folder.mkdir()
    later = storage.append(1, b"later")
    storage.close()
    again = opened(file)
    assert [found.key for found in again.found] == [first, later]
    again.close()


def test_another_file_in_its_place_is_left_alone(path):
    storage = opened(path)
    storage.append(1, b"before")
    path.unlink()
    path.write_text("another's")
    with pytest.raises(StorageFullError, match="it was replaced by another file"):
        storage.append(1, b"refused")
    storage.close()
    assert path.read_text() == "another's"
