"""The free rows of a bounded table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_PATIENCE: Final = 10_000
"""Refusals by a full table before its rows are counted again."""


class RowQuota:
    """A bound on a table. Counting looks at every row, so that it is done once, and again now and then where there is no room.

    Args:
        connection: To the store.
        table: Its name.
        limit: The most rows.
    """

    def __init__(self, connection: sqlite3.Connection, table: str, limit: int) -> None:
        self._connection = connection
        self._query = f"SELECT count(*) FROM {table}"  # noqa: S608
        self._limit = limit
        self._left: int | None = None
        self._refused = 0

    @property
    def left(self) -> int:
        """A lower bound of the free rows: removed rows are noticed late."""
        if self._left is None:
            self._left = self._limit - int(self._connection.execute(self._query).fetchone()[0])
        return self._left

    def take(self) -> bool:
        """Take room for one row; return false where there is none."""
        if self.left > 0:
            self._left = self.left - 1
            return True
        self._refused += 1
        if self._refused % _PATIENCE == 0:
            self._left = None
        return False

    def recount(self) -> None:
        """Forget what is known: a transaction was rolled back, or rows were removed."""
        self._left = None
