"""Silences on disk, beside the store: the dashboard writes them, and the processes that alert on the store read them.

A separate file, since only one process writes the store. Any number of processes may read and write this one; each
question opens it again, so that it can be removed at any time, which lifts them all.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from otel_fe.alerting.kept_silence import KeptSilence
from otel_fe.errors import ConfigurationError
from otel_fe.store.store_error import StoreError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

FILE_NAME: Final = "silences.sqlite3"
MOST: Final = 100
"""Silences in force at once."""
_APPLICATION_ID: Final = 0x6F746673
_VERSION: Final = 1
_BUSY_S: Final = 5.0
_TABLE: Final = """CREATE TABLE silence (
    id TEXT PRIMARY KEY, slo TEXT, service TEXT, feature_set TEXT, created_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,
    author TEXT NOT NULL, comment TEXT NOT NULL) WITHOUT ROWID"""


class SilenceFile:
    """The silences of a store. Safe to share between threads.

    Args:
        directory: The store's. It need not be there yet: then there are none.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / FILE_NAME

    def signature(self) -> tuple[int, ...]:
        """Return what changes when the file does; cheap, and never fails."""
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def in_force(self, now_ns: int) -> tuple[KeptSilence, ...]:
        """Return the silences that have not ended at a Unix time, the one that ends first first.

        Raises:
            StoreError: The file cannot be read, or is none of ours.
        """
        if not self._path.exists():
            return ()
        with self._opened("BEGIN") as connection:
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                return ()  # another process is about to write the first
            rows = connection.execute(
                "SELECT * FROM silence WHERE until_ns > ? ORDER BY until_ns, id LIMIT ?", (now_ns, MOST)
            ).fetchall()
        try:
            return tuple(KeptSilence(*row) for row in rows)
        except (ConfigurationError, TypeError, AttributeError) as error:
            raise StoreError(self._path, f"it holds what is no silence ({error}); remove the file") from error

    def add(self, silence: KeptSilence, now_ns: int) -> None:
        """Keep a silence, and forget those that have ended.

        Raises:
            ConfigurationError: There are too many silences.
            StoreError: The file cannot be written.
        """
        with self._written() as connection:
            connection.execute("DELETE FROM silence WHERE until_ns <= ?", (now_ns,))
            if connection.execute("SELECT count(*) FROM silence").fetchone()[0] >= MOST:
                raise ConfigurationError("silences", f"{MOST} in force", "lift one first")
            row = (
                silence.id, silence.slo, silence.service, silence.feature_set, silence.created_ns, silence.until_ns,
                silence.author, silence.comment,
            )  # fmt: skip
            connection.execute("INSERT INTO silence VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def lift(self, silence_id: str) -> bool:
        """End a silence; return whether there was one.

        Raises:
            StoreError: The file cannot be written.
        """
        if not self._path.exists():
            return False
        with self._written() as connection:
            return connection.execute("DELETE FROM silence WHERE id = ?", (silence_id,)).rowcount > 0

    @contextlib.contextmanager
    def _written(self) -> Generator[sqlite3.Connection]:
        try:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise StoreError(self._path, f"cannot be written ({error.strerror})") from error
        with self._opened("BEGIN IMMEDIATE") as connection:
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                connection.execute(_TABLE)
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            yield connection
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _opened(self, begin: str) -> Generator[sqlite3.Connection]:
        """Lend a connection in a transaction; what is not committed is undone."""
        try:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None
            )
            with contextlib.closing(connection):
                connection.execute(begin)
                self._check(connection)
                yield connection
        except sqlite3.Error as error:
            raise StoreError(self._path, f"cannot be used ({error}); where it is damaged, remove it") from error

    def _check(self, connection: sqlite3.Connection) -> None:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != _APPLICATION_ID and (application or tables):
            raise StoreError(self._path, "it is the database of another program; move it away")
        if version > _VERSION:
            raise StoreError(self._path, f"it is of version {version}; this otel_fe knows {_VERSION}")
