"""The SQLite file of a queue on disk: opening it for one owner, and rescuing the readable part of a damaged one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from otel_fe.collector.exporters.storage_errors import DamagedError, StorageError, StorageFullError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS waiting (
    key INTEGER PRIMARY KEY,
    items INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    data BLOB NOT NULL
)
"""
_PRIVATE: Final = 0o600
_LOG_BYTES: Final = 16 * 1024 * 1024
"""Size to which SQLite's write-ahead log shrinks again after a burst."""


def open_file(path: Path, *, fsync: bool, lock_timeout_s: float) -> sqlite3.Connection:
    """Return an exclusive connection; a damaged file is replaced by its readable part.

    Raises:
        StorageError: Another process has it, or it cannot be opened.
    """
    try:
        try:
            return _connect(path, fsync=fsync, lock_timeout_s=lock_timeout_s)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            rescue(path)
            return _connect(path, fsync=fsync, lock_timeout_s=lock_timeout_s)
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise StorageError(path, "another process uses it; give each collector a directory of its own") from error
        raise StorageError(path, str(error)) from error


def _connect(path: Path, *, fsync: bool, lock_timeout_s: float) -> sqlite3.Connection:
    private(path)
    connection = sqlite3.connect(path, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        # One owner, until the process ends in any way; set first, it also avoids the memory-mapped index file.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        if (
            not path.stat().st_size
        ):  # a file stays as it was made, and saying so again takes room that a full disk has not
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_SCHEMA)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def private(path: Path) -> None:
    """Create a file if it is missing and make it readable by its owner only; SQLite gives its log the same permissions.

    Raises:
        StorageError: The file cannot be made.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, _PRIVATE))
        with contextlib.suppress(PermissionError):  # it is another user's
            path.chmod(_PRIVATE)
    except OSError as error:
        raise StorageError(path, error.strerror or str(error)) from error


def identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def move(connection: sqlite3.Connection, path: Path, *, fsync: bool) -> None:
    """Write what an open file holds that was removed from its directory into a new one there, and close it.

    Raises:
        StorageError, sqlite3.Error, OSError: That cannot be done; the connection is still open.
    """
    if path.exists():
        raise StorageError(path, "it was replaced by another file")
    fresh_path = path.with_name(path.name + ".new")
    remove_file(fresh_path)
    with contextlib.closing(_connect(fresh_path, fsync=fsync, lock_timeout_s=0)) as fresh:
        fresh.execute("BEGIN")
        rows = connection.execute("SELECT key, items, checksum, data FROM waiting")
        fresh.executemany("INSERT INTO waiting VALUES (?, ?, ?, ?)", rows)
        fresh.execute("COMMIT")
    connection.close()  # before the new one has the name: SQLite removes the log of that name
    fresh_path.replace(path)


def remove_file(path: Path) -> None:
    """Remove a file that is closed, with SQLite's log beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def rescue(path: Path) -> None:
    """Put what can be read of a damaged file into a new one in its place; the old one stays beside it as `….damaged`."""
    damaged = path.with_name(path.name + ".damaged")
    # Without room for a copy the new one stays empty; it is no reason to end.
    with contextlib.suppress(sqlite3.Error, OSError):
        _move(path, damaged)
        _copy(damaged, path)


def _move(path: Path, damaged: Path) -> None:
    remove_file(damaged)
    for suffix in ("", "-wal"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.replace(damaged.with_name(damaged.name + suffix))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)


def _copy(damaged: Path, path: Path) -> None:
    with (
        contextlib.closing(_connect(path, fsync=False, lock_timeout_s=0)) as fresh,
        contextlib.closing(sqlite3.connect(damaged, isolation_level=None)) as old,
    ):
        # Lets SQLite read a file that is shorter than it says.
        old.execute("PRAGMA writable_schema = ON")
        fresh.execute("BEGIN")
        fresh.executemany("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?)", _readable(old))
        fresh.execute("COMMIT")


def _readable(damaged: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    """Return the rows from both ends up to the first that cannot be read: damage is mostly in one place."""
    for order in ("ASC", "DESC"):
        # Each payload has its own checksum, so that what is read wrongly is found out when it is its turn.
        with contextlib.suppress(sqlite3.Error):
            yield from damaged.execute(f"SELECT key, items, checksum, data FROM waiting ORDER BY key {order}")  # noqa: S608
            return


@contextlib.contextmanager
def translated() -> Generator[None]:
    """Translate SQLite's errors: a disk that is full or fails, or a file that is damaged.

    Raises:
        StorageFullError: The former.
        DamagedError: The latter.
    """
    try:
        yield
    except (StorageError, sqlite3.OperationalError) as error:
        raise StorageFullError(str(error)) from error
    except sqlite3.DatabaseError as error:
        raise DamagedError(str(error)) from error
