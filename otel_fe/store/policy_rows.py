"""The policies that decided, stored once per configuration: what explains packed decisions when they are read.

Which decisions a row is needed for is inside compressed chunks, so that rows are not removed with them: there is one per
configuration, and of more than a bound the longest unused go.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from otel_fe.pipeline.packed_decisions import MARK, POLICIES_UNKNOWN, explained_record, fingerprint_of
from otel_fe.store.schema import POLICIES_SINCE, version_of
from otel_fe.units import HOUR_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_MOST: Final = 1_000
_REFRESH_S: Final = HOUR_S


class PolicyRows:
    """Writes policies. Belongs to the thread that writes, and to one connection.

    Args:
        connection: To the store.
        limit: The most rows.
    """

    def __init__(self, connection: sqlite3.Connection, limit: int = _MOST) -> None:
        self._connection = connection
        self._limit = limit
        self._seen_s: dict[bytes, int] = {}
        """When a fingerprint was last marked as used."""

    def add(self, policies: Mapping[bytes, bytes], now_s: int) -> None:
        """Write policies that are not there yet, given their descriptions by fingerprint."""
        for fingerprint, description in policies.items():
            if abs(now_s - self._seen_s.get(fingerprint, -_REFRESH_S)) >= _REFRESH_S:
                self._write(fingerprint, description, now_s)

    def forget(self) -> None:
        """Forget what is known: the transaction that wrote it was rolled back."""
        self._seen_s.clear()

    def _write(self, fingerprint: bytes, description: bytes, now_s: int) -> None:
        upsert = "INSERT INTO policies VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seen_s = excluded.seen_s"
        self._connection.execute(upsert, (fingerprint, now_s, description))
        oldest = "SELECT fingerprint FROM policies ORDER BY seen_s DESC, fingerprint LIMIT -1 OFFSET ?"
        self._connection.execute(f"DELETE FROM policies WHERE fingerprint IN ({oldest})", (self._limit,))  # noqa: S608
        if len(self._seen_s) > self._limit:
            self._seen_s.clear()
        self._seen_s[fingerprint] = now_s


def record_of(
    stored: Mapping[str, Any] | bytes, connection: sqlite3.Connection, kept_by: tuple[str, float | None] | None = None
) -> dict[str, Any]:
    """Return a decision, as `DecisionRecord.as_dict` has it.

    Args:
        stored: As `DecisionRecords.stored` has it, or already in this form.
        connection: To the store, in a transaction of the caller's.
        kept_by: Of a kept trace, policy and weight, as far as its policies are not known.
    """
    if not isinstance(stored, bytes):
        return dict(stored)
    if not stored.startswith(MARK):
        found: dict[str, Any] = json.loads(stored)
        return found
    row = None
    if version_of(connection) >= POLICIES_SINCE:
        query = "SELECT description FROM policies WHERE fingerprint = ?"
        row = connection.execute(query, (fingerprint_of(stored),)).fetchone()
    record = explained_record(stored, None if row is None else row[0])
    if kept_by is not None and record["outcome"] == POLICIES_UNKNOWN:
        record |= {"sampled": True, "policy": kept_by[0], "weight": kept_by[1]}
    return record
