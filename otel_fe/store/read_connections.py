"""Read-only connections, whose queries see a snapshot of the store and block no writer."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections import deque
from typing import TYPE_CHECKING, Final

from otel_fe.errors import os_error_reason
from otel_fe.store.database import FILE_NAME
from otel_fe.store.schema import APPLICATION_ID, MIGRATIONS, add_missing_columns
from otel_fe.store.store_error import StoreError, StoreMissingError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_BUSY_S: Final = 5.0


class ReadConnections:
    """Hands out connections to a store's file. Any number of threads may use it.

    Args:
        directory: The store's. It need not be there yet.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._idle: deque[tuple[tuple[int, int], sqlite3.Connection]] = deque()
        self._closed = False
        self.file: tuple[int, int] = (0, 0)
        """Device and number of the file that was read last: another one has nothing of what is known about it."""

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Lend a connection, with what was committed when it first reads.

        Raises:
            StoreMissingError: Nothing has been written to the store yet.
            StoreError: The store cannot be read.
        """
        identity = self._identity()
        connection = self._taken(identity)
        try:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
        except (sqlite3.Error, zlib.error) as error:
            connection.close()
            raise StoreError(self._path, f"cannot be read ({error})") from error
        except BaseException:
            connection.close()
            raise
        self._idle.append((identity, connection))
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close the idle connections, and those in use once they are returned."""
        self._closed = True
        while self._idle:
            with contextlib.suppress(IndexError):
                self._idle.pop()[1].close()

    def _taken(self, identity: tuple[int, int]) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(self._path, "its reader is closed")
        while self._idle:
            with contextlib.suppress(IndexError):
                known, connection = self._idle.pop()
                if known == identity:
                    return connection
                # The file was damaged, and another has taken its place.
                connection.close()
        return self._opened()

    def _opened(self) -> sqlite3.Connection:
        # Not `mode=ro`: after a `kill -9`, the next connection has to recover the file, and that may be a reader.
        for mode in ("rw", "ro"):
            try:
                connection = sqlite3.connect(
                    f"{self._path.absolute().as_uri()}?mode={mode}",
                    uri=True,
                    timeout=_BUSY_S,
                    isolation_level=None,
                    check_same_thread=False,
                )
            except sqlite3.Error:
                continue
            try:
                self._check(connection)
            except sqlite3.Error as error:
                connection.close()
                if mode == "ro":
                    raise StoreError(self._path, f"cannot be read ({error})") from error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise StoreError(self._path, "cannot be opened")

    def _check(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA cache_size = -32000")
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if not version and application in (0, APPLICATION_ID):
            raise StoreMissingError(self._path, "it is empty: nothing has been stored yet")
        if application != APPLICATION_ID:
            raise StoreError(self._path, "it is the database of another program")
        # Earlier versions are read as they are: a reader changes nothing, and another process may be writing.
        if version > len(MIGRATIONS):
            raise StoreError(self._path, f"it is of version {version}; this otel_fe reads up to {len(MIGRATIONS)}")
        add_missing_columns(connection)
        connection.execute("PRAGMA query_only = ON")

    def _identity(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            raise StoreMissingError(self._path, "it is not there: nothing has been stored yet") from None
        except OSError as error:
            raise StoreError(self._path, os_error_reason(error)) from error
        self.file = (status.st_dev, status.st_ino)
        return self.file
