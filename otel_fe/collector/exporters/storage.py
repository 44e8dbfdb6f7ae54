"""A queue on disk: one SQLite file per exporter and signal; threads that wait for a commit share one.

A payload is on disk once `append` has returned. Without `file_storage::fsync` (the Collector's default) it survives the end of this
process, also by `kill -9`; a loss of power may take the last moments, but never more. With it, it survives a loss of power, too.
A sent payload is removed in the next shared commit: a crash just before that makes a duplicate, not a loss.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import zlib
from typing import TYPE_CHECKING, Final

from otel_fe.collector.exporters.shared_commit import IndexEntry, SharedCommit, Write
from otel_fe.collector.exporters.storage_errors import DamagedError, StorageError, StorageFullError
from otel_fe.collector.exporters.storage_file import identity, move, open_file, remove_file, rescue, translated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger("otel_fe")
_SHRINK_BYTES: Final = 32 * 1024 * 1024
"""Sent bytes after which an empty file gives its space back."""


class Storage:
    """The payloads of one queue, on disk, by ascending key. Any number of threads may use it.

    Args:
        path: The file.
        fsync: Wait for the disk at each commit.
        lock_timeout_s: How long to wait for another process to release it.
        prepare: Ensures that the directory exists; raises `StorageError` otherwise.

    Raises:
        StorageError: Another process uses the file, or it cannot be opened.
    """

    def __init__(
        self, path: Path, *, fsync: bool, lock_timeout_s: float, prepare: Callable[[], None] = lambda: None
    ) -> None:
        self._path = path
        self._prepare = prepare
        self._identity: tuple[int, int] | None = None
        self._fsync = fsync
        self._lock_timeout_s = lock_timeout_s
        self._commits = SharedCommit(self._commit)
        # Guards all below: commits come one at a time, but `load` comes at any.
        self._disk = threading.Lock()
        self._undone: list[int] = []
        self._sent_bytes = 0
        self._closed = False
        self._connection: sqlite3.Connection | None = self._open()
        try:
            found = self._index()
        except sqlite3.DatabaseError as error:
            self._repair(error)
            found = self._index()
        self.found: Final = found
        """The payloads left by an earlier process, oldest first."""
        self._live = len(found)
        self._next_key = found[-1].key + 1 if found else 1

    def append(self, items: int, data: bytes) -> int:
        """Return the key of a payload that is on disk now.

        Raises:
            StorageFullError: The disk cannot take it. A later call may succeed.
        """
        write = Write(items, data)
        self._commits.write(write)
        if not write.key:
            raise write.failure or StorageFullError("it could not be written")
        return write.key

    def load(self, key: int) -> bytes | None:
        """Return the payload under a key, or None where it cannot be read as it was written."""
        with self._disk:
            try:
                row = self._connected().execute("SELECT checksum, data FROM waiting WHERE key = ?", (key,)).fetchone()
            except (sqlite3.Error, StorageError):
                row = None
        if row is None or not isinstance(row[1], bytes) or zlib.crc32(row[1]) != row[0]:
            return None
        return row[1]

    def remove(self, found: IndexEntry) -> None:
        """Remove a settled payload: now, or with the next commit if one is in progress."""
        self._commits.remove(found)

    def close(self) -> None:
        """Close the file. Later calls have no effect."""
        self._commits.finish()
        with self._disk:
            if self._live:
                with contextlib.suppress(StorageFullError):
                    self._stay_in_place()
            self._disconnect()
            self._closed = True

    def _commit(self, writes: list[Write], removed: list[IndexEntry]) -> None:
        """Write all waiting changes as one transaction."""
        with self._disk:
            self._account(removed)
            failure: StorageFullError | None = None
            keys = range(self._next_key, self._next_key + len(writes))
            try:
                with translated():
                    self._transact(writes, keys)
                self._stay_in_place()
            except DamagedError as error:
                failure = StorageFullError("its file was damaged")
                self._repair(error)
            except StorageFullError as error:
                failure = error
            if failure is not None and self._next_key > keys.start:
                self._undone += keys  # they are in a file that has been removed
                self._live -= len(writes)
            for key, write in zip(keys, writes, strict=True):
                if failure is None:
                    write.key = key
                write.failure = failure
            if not self._live and not self._closed:
                self._shrink()

    def _account(self, removed: list[IndexEntry]) -> None:
        self._live -= len(removed)
        self._sent_bytes += sum(found.size_bytes for found in removed)
        # A removal that did not fit on a full disk is tried again with each commit.
        self._undone += [found.key for found in removed]

    def _stay_in_place(self) -> None:
        """Continue in a new file, with all entries, if the open one has been removed.

        Raises:
            StorageFullError: A new file cannot be made; the open one can still be read, until this process ends.
        """
        if self._connection is None or identity(self._path) == self._identity:
            return
        try:
            self._prepare()
            move(self._connection, self._path, fsync=self._fsync)
            with contextlib.closing(self._connection):  # only now: until then it held the payloads
                self._connection = self._open()
        except (StorageError, sqlite3.Error, OSError) as error:
            raise StorageFullError(f"its file was removed: {error}") from error
        _log.warning("file_storage: %s was removed; the queue continues in a new file there", self._path)

    def _transact(self, writes: list[Write], keys: range) -> None:
        connection = self._connected()
        numbered = list(zip(keys, writes, strict=True))
        try:
            connection.execute("BEGIN")
            connection.executemany("DELETE FROM waiting WHERE key = ?", [(key,) for key in self._undone])
            connection.executemany(
                "INSERT INTO waiting VALUES (?, ?, ?, ?)",
                [(key, write.items, zlib.crc32(write.data), write.data) for key, write in numbered],
            )
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._undone = []
        self._next_key += len(writes)
        self._live += len(writes)

    def _shrink(self) -> None:
        """Shrink the file of an empty queue: periodically, and at once where removals do not fit on the disk."""
        connection = self._connection
        try:
            if self._undone:
                # All that is left in the file is settled, so that it can go as a whole, which needs no space.
                self._disconnect()
                remove_file(self._path)
                self._undone = []
            elif self._sent_bytes >= _SHRINK_BYTES and connection is not None:
                # Each step of it frees one page, and `execute` takes only the first: it has no rows to fetch.
                connection.executescript("PRAGMA incremental_vacuum")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            else:
                return
            self._sent_bytes = 0
        except (sqlite3.Error, OSError):
            # Space that is not released now is released the next time.
            return

    def _repair(self, error: Exception) -> None:
        _log.warning("file_storage: %s is damaged (%s); its readable part is kept", self._path, error)
        self._disconnect()
        rescue(self._path)

    def _index(self) -> tuple[IndexEntry, ...]:
        rows = self._connected().execute("SELECT key, items, length(data) FROM waiting ORDER BY key").fetchall()
        # A damaged row may hold anything; its checksum is verified when the row is loaded.
        return tuple(
            IndexEntry(key, *(int(value) if isinstance(value, int) else 0 for value in rest)) for key, *rest in rows
        )

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise StorageError(self._path, "it is closed")
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        self._prepare()
        connection = open_file(self._path, fsync=self._fsync, lock_timeout_s=self._lock_timeout_s)
        self._identity = identity(self._path)
        return connection
