"""The file of the store: opening it to write, and moving aside a file that is no store, or a damaged one."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from otel_fe.errors import os_error_reason
from otel_fe.store.limits import LOG_BYTES
from otel_fe.store.schema import APPLICATION_ID, MIGRATIONS, migrate
from otel_fe.store.store_error import StoreBusyError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("otel_fe")
FILE_NAME: Final = "store.sqlite3"
_LOCK_NAME: Final = "writer.lock"
_BUSY_S: Final = 5.0
"""Seconds to wait for a lock: of a `sqlite3` shell, or of a reader that recovers after a killed writer."""


def make_directory(directory: Path) -> None:
    """Make the store's directory, for its owner alone. An existing one keeps its mode: it may serve another purpose.

    Raises:
        StoreError: The directory cannot be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(directory, os_error_reason(error)) from error


def own(directory: Path) -> sqlite3.Connection:
    """Return the lock file that grants the right to write, until it is closed or the process ends.

    It is a lock of SQLite's on a separate file: the store's file cannot be locked without locking its readers out.

    Raises:
        StoreBusyError: Another process has it.
        StoreError: The file cannot be made.
    """
    path = directory / _LOCK_NAME
    try:
        try:
            return _locked(path)
        except sqlite3.DatabaseError as error:
            if not damaged(error):
                raise
            path.unlink()
            return _locked(path)
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error):
            raise StoreBusyError(directory, "another process writes to it; one at a time can") from error
        raise StoreError(path, str(error)) from error


def _locked(path: Path) -> sqlite3.Connection:
    _create(path)
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        # Nothing is ever written to it, and so it can be had on a full disk, too.
        connection.execute("PRAGMA journal_mode = MEMORY").fetchone()
        connection.execute("BEGIN EXCLUSIVE")
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_writing(directory: Path, *, fsync: bool) -> sqlite3.Connection:
    """Return a connection to the store's file, upgraded to the newest version; a file that is no store is moved aside.

    Raises:
        sqlite3.Error: The disk is full, or fails.
        OSError: Likewise.
    """
    path = directory / FILE_NAME
    with contextlib.suppress(FileExistsError):
        # Never opened otherwise: closing a file takes the locks that SQLite has on it, in all of the process, with it.
        _create(path, exclusive=True)
    try:
        why = _unfit(path)
        if why:
            set_aside(path, why)
            _create(path, exclusive=True)
        return _connect(path, fsync=fsync)
    except sqlite3.DatabaseError as error:
        if not damaged(error):
            raise
        set_aside(path, f"damaged ({error})")
        _create(path, exclusive=True)
        return _connect(path, fsync=fsync)


def damaged(error: sqlite3.Error) -> bool:
    """Return whether an error means that the file is no (intact) database. Disks and statements have error classes of their own."""
    return type(error) is sqlite3.DatabaseError


def set_aside(path: Path, why: str) -> None:
    """Rename a file that is no store, and log it. Of damaged ones the last is kept, others are never overwritten."""
    kind = why.partition(" ")[0]
    aside = path.with_name(f"{path.name}.{kind}")
    number = 1
    while kind != "damaged" and aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.{kind}-{number}")
    for suffix in ("", "-wal"):
        target = aside.with_name(aside.name + suffix)
        target.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(target)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    _log.warning("store: %s is %s; it was moved to %s, and a new file was created", path, why, aside.name)


def _unfit(path: Path) -> str:
    """Return why a file cannot be used as the store; empty where it can. It is only read."""
    with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as connection:
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if application != APPLICATION_ID:
            empty = not version and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            return "" if empty else "foreign (the database of another program)"
        return (
            f"newer (version {version}; this otel_fe knows up to {len(MIGRATIONS)})"
            if version > len(MIGRATIONS)
            else ""
        )


def _connect(path: Path, *, fsync: bool) -> sqlite3.Connection:
    path.chmod(0o600)
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        # What is removed is overwritten where that costs no further page.
        connection.execute("PRAGMA secure_delete = FAST").fetchone()
        connection.execute("PRAGMA cache_size = -16000")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path, *, exclusive: bool = False) -> None:
    """Make an empty file that only its owner can read; SQLite gives the files that it puts beside it the same mode."""
    if exclusive or not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | (os.O_EXCL if exclusive else 0), 0o600))
