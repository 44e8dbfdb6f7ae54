"""Texts that repeat, as numbers: services, feature sets, policies, causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.store.row_quota import RowQuota

if TYPE_CHECKING:
    import sqlite3

MAX_NAMES: Final = 20_000
"""A bound against a sender that makes up a feature set for each request."""
OTHER: Final = "(other)"
"""The name that replaces further ones."""
_LONGEST: Final = 200

_UNUSED: Final = """
DELETE FROM name WHERE id NOT IN (
    SELECT service FROM trace WHERE service IS NOT NULL UNION SELECT policy FROM trace WHERE policy IS NOT NULL
    UNION SELECT service FROM extraction UNION SELECT policy FROM extraction
    UNION SELECT feature_set FROM extraction WHERE feature_set IS NOT NULL
    UNION SELECT cause FROM extraction WHERE cause IS NOT NULL
    UNION SELECT library FROM extraction WHERE library IS NOT NULL
    UNION SELECT error_type FROM extraction WHERE error_type IS NOT NULL)
"""


class StringTable:
    """The writer's table of names. Belongs to the thread that writes, and to one connection."""

    def __init__(self, connection: sqlite3.Connection, limit: int = MAX_NAMES) -> None:
        self._connection = connection
        self._limit = limit
        self._room = RowQuota(connection, "name", limit)
        self.known: Final[dict[str, int]] = {}
        """The numbers of the texts that were asked for last."""

    def number(self, text: str) -> int:
        """Return the number of a text; past the limit, that of `(other)`."""
        found = self.known.get(text)
        if found is not None:
            return found
        text = text[:_LONGEST].encode("utf-8", "replace").decode()
        found = self.known.get(text)
        if found is None:
            found = self.known[text] = self._number(text)
        return found

    def forget(self) -> None:
        """Forget what is known: the transaction that numbered them was rolled back."""
        self.known.clear()
        self._room.recount()

    def sweep(self) -> None:
        """Remove the names that nothing has any more, once half of the room is taken."""
        if self._room.left < self._limit // 2:
            self._connection.execute(_UNUSED)
            self.forget()

    def _number(self, text: str) -> int:
        row = self._connection.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()
        if row is not None:
            return int(row[0])
        if text != OTHER and not self._room.take():
            # Not remembered under its own text: that would be the growth that the limit is there for.
            self.known.clear()
            return self.number(OTHER)
        return int(self._connection.execute("INSERT INTO name (text) VALUES (?)", (text,)).lastrowid or 0)
