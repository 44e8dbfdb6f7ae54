"""Writes points of metrics into their tables: each increment into every tier, in one transaction."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.store.counted_time import CountedTimeRows
from otel_fe.store.counts import Counts
from otel_fe.store.cumulative_to_delta import FORGET_S, CumulativeToDelta
from otel_fe.store.gap_spreading import spread_over_gap
from otel_fe.store.points import MetricPoint, canonical, shape_text
from otel_fe.store.row_quota import RowQuota
from otel_fe.store.row_sums import RowSums
from otel_fe.units import HOUR_S, NS_PER_S

if TYPE_CHECKING:
    import sqlite3
    from collections import Counter

    from otel_fe.store.limits import StoreLimits
    from otel_fe.store.points import Shape
    from otel_fe.store.tiers import Floors

_SKEW_NS: Final = 60 * NS_PER_S
"""The most that another clock may be ahead; points from further ahead are dated now."""
_REFRESH_S: Final = HOUR_S
_MOST_HASHED: Final = 8_192
_STREAMS: Final = 10
"""Streams for each series: processes, and their restarts of a day."""
_AT: Final = "ON CONFLICT (series, width_s, time_s) DO UPDATE SET"
_GAUGE: Final = f"""INSERT INTO gauge VALUES (?, ?, ?, ?, ?, ?, ?) {_AT}
    last = CASE WHEN excluded.at_ns >= at_ns THEN excluded.last ELSE last END, at_ns = max(at_ns, excluded.at_ns),
    least = min(least, excluded.least), most = max(most, excluded.most)"""  # noqa: S608
_SERIES: Final = "INSERT INTO series VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class SeriesRows:
    """Writes points. Belongs to the thread that writes, and to one connection.

    Args:
        connection: To the store.
        limits: Tiers, and the most series.
        floors: From when each tier holds anything.
        tally: Counts what is out of the ordinary, by name.
    """

    def __init__(
        self, connection: sqlite3.Connection, limits: StoreLimits, floors: Floors, tally: Counter[str]
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._floors = floors
        self._tally = tally
        self._streams = CumulativeToDelta(connection, tally, limits.max_series * _STREAMS)
        self._counted = CountedTimeRows(connection)
        self._room = RowQuota(connection, "series", limits.max_series)
        self._known: dict[bytes, tuple[int, int]] = {}
        """Number of a series, and when it was last marked as used."""
        self._sums = RowSums(connection)
        self._floors_before: dict[int, int] = {}
        """Those that `_sums` was filled under: rows below a floor are removed."""

    def forget(self) -> None:
        """Forget what is known: the transaction that wrote it was rolled back."""
        self._known.clear()
        self._room.recount()
        self._streams.forget()
        self._sums.forget()
        self._counted.forget()

    def flush(self) -> None:
        """Write what points have changed, in the caller's transaction: at the end of each item."""
        self._streams.flush()
        self._sums.flush()

    def add(self, point: MetricPoint, now_ns: int) -> None:
        """Count a point; `flush` writes it."""
        value = point.value
        if isinstance(value, Counts):
            if point.name == semconv.SLO_EVENTS:
                self._note_time(point, now_ns)
            found = self._streams.increment(point, value, now_ns)
            if found is not None:
                of_shape = point if found.shape == point.shape else replace(point, shape=found.shape)
                series = self._series(of_shape, now_ns // NS_PER_S)
                since, until = _credible(found.since_ns, now_ns), _credible(found.until_ns, now_ns)
                for time_s, part in spread_over_gap(since, until, found.counts):
                    self._add(series, point.kind, time_s, part, (found.least, found.most))
        else:
            time_ns = _credible(point.time_ns, now_ns)
            series = self._series(point, now_ns // NS_PER_S)
            self._connection.executemany(
                _GAUGE, [(*at, time_ns, value, value, value) for at in self._places(series, time_ns // NS_PER_S)]
            )

    def _note_time(self, point: MetricPoint, now_ns: int) -> None:
        """Note the time that a point is about: also one that adds nothing, since its service was there to count."""
        until = _credible(point.time_ns, now_ns)
        since: int | None = point.start_ns
        if not (0 < point.start_ns <= until and point.start_ns >= now_ns - FORGET_S * NS_PER_S):
            # What began longer ago than streams are remembered is counted from its point before: see `CumulativeToDelta`.
            since = self._streams.last_ns(point, now_ns)
        self._counted.extend(point.service, until if since is None else since, until)

    def _add(
        self, series: int, kind: str, time_s: int, part: Counts, extremes: tuple[float | None, float | None]
    ) -> None:
        floors = self._floors.by_width
        if floors != self._floors_before:
            self._floors_before = dict(floors)
            self._sums.flush()
            self._sums.forget()
        self._sums.add(kind, self._places(series, time_s), part, *extremes)

    def _places(self, series: int, time_s: int) -> list[tuple[int, int, int]]:
        """Return the keys of the rows, one in each tier that still holds such a time."""
        floors = self._floors.by_width
        found = [
            (series, tier.width_s, time_s // tier.width_s * tier.width_s)
            for tier in self._limits.tiers
            if time_s >= floors[tier.width_s]
        ]
        if not found:
            self._tally["too_old"] += 1
        return found

    def _series(self, point: MetricPoint, now_s: int) -> int:
        key = _key(point)
        known = self._known.get(key)
        if known is not None and abs(now_s - known[1]) < _REFRESH_S:
            return known[0]
        if len(self._known) > self._limits.max_series:
            self._known.clear()
        found = self._found(key, point, now_s)
        self._known[key] = (found, now_s)
        return found

    def _found(self, key: bytes, point: MetricPoint, now_s: int) -> int:
        row = self._connection.execute("SELECT id FROM series WHERE key = ?", (key,)).fetchone()
        if row is not None:
            self._connection.execute("UPDATE series SET seen_s = ? WHERE id = ?", (now_s, row[0]))
            return int(row[0])
        if semconv.OVERFLOW not in point.labels and not self._room.take():
            self._tally["folded"] += 1
            return self._series(replace(point, labels={semconv.OVERFLOW: True}), now_s)
        shape = None if point.shape is None else shape_text(point.shape)
        described = (
            key,
            point.name,
            point.unit,
            point.kind,
            point.scale,
            point.service,
            canonical(point.labels),
            shape,
        )
        return int(self._connection.execute(_SERIES, (*described, now_s)).lastrowid or 0)


def _key(point: MetricPoint) -> bytes:
    labels = point.labels
    # Types distinguish True from 1, which are different labels.
    typed = tuple(labels.items()), tuple(map(type, labels.values()))
    return _hashed(point.name, point.unit, point.kind, point.scale, point.service, typed, point.shape)


@lru_cache(maxsize=_MOST_HASHED)
def _hashed(
    name: str,
    unit: str,
    kind: str,
    scale: int,
    service: str,
    typed: tuple[tuple[tuple[str, Any], ...], Any],
    shape: Shape,
) -> bytes:
    identity = [name, unit, kind, scale, service, dict(typed[0]), shape_text(shape)]
    return blake2b(canonical(identity).encode(), digest_size=16).digest()


def _credible(time_ns: int, now_ns: int) -> int:
    return now_ns if not time_ns or time_ns > now_ns + _SKEW_NS else time_ns
