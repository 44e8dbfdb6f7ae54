"""Converts cumulative points of processes to increments since their previous points.

A stream is one series of one process since one start. Its last state is written to the store in the transaction that counts the
increment, so that a crash of otel_fe neither loses nor repeats anything.

Source: OpenTelemetry specification, metrics/data-model.md, "Resets and Gaps".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.store.counts import Counts, add_packed, pack_buckets
from otel_fe.store.points import MetricPoint, canonical, shape_text
from otel_fe.store.row_quota import RowQuota
from otel_fe.units import DAY_S, HOUR_S, MINUTE_S, NS_PER_S

if TYPE_CHECKING:
    import sqlite3
    from collections import Counter

FORGET_S: Final = DAY_S
"""A stream without points for this long is forgotten."""
_TRUSTED_S: Final = HOUR_S
"""A stream that was dated longer ago than this may have been removed since, and is read again."""
_DATED_S: Final = MINUTE_S
"""Interval at which a stream is dated: dating changes an index as well, which costs as much as writing its state."""
_MOST_KNOWN: Final = 8_192
_SELECT: Final = "SELECT start_ns, time_ns, scale, count, total, zeros, buckets FROM stream WHERE key = ?"
_STATE: Final = ("start_ns", "time_ns", "scale", "count", "total", "zeros", "buckets")
# Inserts where retention has removed it.
_UPDATE: Final = f"""INSERT INTO stream VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
    {", ".join(f"{column} = excluded.{column}" for column in _STATE)}"""  # noqa: S608
_REPLACE: Final = "INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(slots=True)
class Increment:
    """The difference between two states of a stream.

    Not to be changed once it is returned; declared frozen, it would take three times as long to make.
    """

    since_ns: int
    until_ns: int
    counts: Counts
    shape: tuple[float, ...] | int | None
    least: float | None = None
    """A lower bound of the values; None if unknown."""
    most: float | None = None
    """An upper bound of the values; None if unknown."""


class _Seen(NamedTuple):
    start_ns: int
    time_ns: int
    scale: int
    counts: Counts


class CumulativeToDelta:
    """The last state of each stream. Belongs to the thread that writes, and to one connection.

    Args:
        connection: To the store.
        tally: Counts resets and points that are out of date, by name.
        limit: The most streams. Further ones are not counted: without their state they would be counted again each time.
    """

    def __init__(self, connection: sqlite3.Connection, tally: Counter[str], limit: int) -> None:
        self._connection = connection
        self._tally = tally
        self._room = RowQuota(connection, "stream", limit)
        self._known: dict[bytes, tuple[int, _Seen]] = {}
        """By stream, when it was dated last (Unix time in s), and its last state."""
        self._changed: dict[bytes, tuple[str, tuple[Any, ...]]] = {}
        """By stream, the statement and the row that are still to be written."""

    def forget(self) -> None:
        """Forget the cached states: the transaction that wrote them was rolled back."""
        self._room.recount()
        self._known.clear()
        self._changed.clear()

    def flush(self) -> None:
        """Write the states that have changed, in the caller's transaction."""
        for statement in (_UPDATE, _REPLACE):
            rows = [row for wanted, row in self._changed.values() if wanted is statement]
            if rows:
                self._connection.executemany(statement, rows)
        self._changed.clear()

    def last_ns(self, point: MetricPoint, now_ns: int) -> int | None:
        """Return the time of the point before in a point's stream; None for the first since a start, or in a day."""
        seen = self._seen(_key(point), now_ns)
        return seen.time_ns if seen is not None and seen.start_ns == point.start_ns else None

    def increment(self, point: MetricPoint, counts: Counts, now_ns: int) -> Increment | None:
        """Return the increment of a point over its stream's last state; None where it adds nothing."""
        found = self._increment(point, counts, now_ns)
        if found is not None:
            _bound(found, point)
        return found

    def _increment(self, point: MetricPoint, counts: Counts, now_ns: int) -> Increment | None:
        key = _key(point)
        seen = self._seen(key, now_ns)
        if seen is None and not self._room.take():
            self._tally["refused"] += 1
            return None
        if point.delta:
            return self._difference(key, point, counts, seen, now_ns)
        if seen is None:
            self._save(key, point, counts, now_ns)
            # A stream that began longer ago, or at an unknown time, may have been counted already, and forgotten since.
            if point.start_ns < now_ns - FORGET_S * NS_PER_S:
                self._tally["baseline"] += 1
                return None
            return Increment(min(point.start_ns, point.time_ns), point.time_ns, counts, point.shape)
        return self._continued(key, point, counts, seen, now_ns)

    def _difference(
        self, key: bytes, point: MetricPoint, counts: Counts, seen: _Seen | None, now_ns: int
    ) -> Increment | None:
        """Count a delta, unless it repeats the last one: a sender repeats a request that was not answered."""
        if seen is not None and (seen.start_ns, seen.time_ns) == (point.start_ns, point.time_ns):
            self._tally["repeated"] += 1
            return None
        self._save(key, point, Counts(0), now_ns)
        return Increment(min(point.start_ns or point.time_ns, point.time_ns), point.time_ns, counts, point.shape)

    def _continued(self, key: bytes, point: MetricPoint, counts: Counts, seen: _Seen, now_ns: int) -> Increment | None:
        shape, before = point.shape, seen.counts
        if isinstance(shape, int):
            common = min(shape, seen.scale)
            before, counts, shape = before.coarser(seen.scale - common), counts.coarser(shape - common), common
        difference = counts.since(before)
        if difference is None and point.time_ns <= seen.time_ns:
            # The point was overtaken on its way: later points include it already.
            self._tally["stale"] += 1
            return None
        if difference is None:
            self._tally["reset"] += 1
            difference = counts
        if difference or point.time_ns > seen.time_ns:
            self._save(key, point, counts, now_ns, shape)
        # A clock that was put back has no interval to spread anything over.
        return Increment(min(seen.time_ns, point.time_ns), point.time_ns, difference, shape) if difference else None

    def _seen(self, key: bytes, now_ns: int) -> _Seen | None:
        known = self._known.get(key)
        if known is not None and abs(now_ns // NS_PER_S - known[0]) < _TRUSTED_S:
            return known[1]
        if key in self._changed:
            self.flush()
        row = self._connection.execute(_SELECT, (key,)).fetchone()
        if row is None:
            return None
        start_ns, time_ns, scale, count, total, zeros, packed = row
        buckets: dict[int, int] = {}
        add_packed(packed or b"", buckets)
        return _Seen(start_ns, time_ns, scale, Counts(count, total, zeros, buckets))

    def _save(
        self, key: bytes, point: MetricPoint, counts: Counts, now_ns: int, shape: tuple[float, ...] | int | None = None
    ) -> None:
        shape = point.shape if shape is None else shape
        scale = shape if isinstance(shape, int) else 0
        packed = pack_buckets(counts.buckets) or None
        now_s = now_ns // NS_PER_S
        state = (point.start_ns, point.time_ns, scale, counts.count, counts.total, counts.zeros, packed)
        known = self._known.get(key)
        dated = known is not None and 0 <= now_s - known[0] < _DATED_S
        # A stream that was to be dated before, and is not written yet, is dated still.
        statement = _UPDATE if dated and self._changed.get(key, (_UPDATE,))[0] is _UPDATE else _REPLACE
        self._changed[key] = statement, (key, now_s, *state)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        dated_s = known[0] if known is not None and dated else now_s
        self._known[key] = dated_s, _Seen(point.start_ns, point.time_ns, scale, counts)


def _bound(found: Increment, point: MetricPoint) -> None:
    """Set the bounds of an increment's values.

    A cumulative point has the extremes since its start, which bound those of each increment; so do the edges of the increment's
    first and last bucket, and the narrower one counts.
    """
    shape, buckets = found.shape, found.counts.buckets
    if shape is None:
        return
    found.least, found.most = point.least, point.most
    if not isinstance(shape, tuple) or not shape or not buckets:
        return
    first, last = min(buckets), max(buckets)
    low = shape[first - 1] if first else min(0.0, shape[0])
    found.least = low if point.least is None else max(low, point.least)
    if last < len(shape):
        found.most = shape[last] if point.most is None else min(shape[last], point.most)


def _key(point: MetricPoint) -> bytes:
    labels = point.labels
    # Types distinguish True from 1, which are different labels.
    typed = tuple(labels.items()), tuple(map(type, labels.values()))
    began = "delta" if point.delta else point.start_ns
    shape = "exponential" if isinstance(point.shape, int) else point.shape
    return _hashed(point.name, point.unit, point.kind, point.scale, typed, point.source, began, shape)


@lru_cache(maxsize=_MOST_KNOWN)
def _hashed(
    name: str,
    unit: str,
    kind: str,
    scale: int,
    typed: tuple[tuple[tuple[str, Any], ...], Any],
    source: str,
    began: str | int,
    shape: tuple[float, ...] | str | None,
) -> bytes:
    text = shape if isinstance(shape, str) else shape_text(shape)
    identity = [name, unit, kind, scale, dict(typed[0]), source, began, text]
    return blake2b(canonical(identity).encode(), digest_size=16).digest()
