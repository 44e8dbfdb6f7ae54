"""Queries of metric series: counts in a window, distributions, and both over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from otel_fe.store.distribution import Distribution
from otel_fe.store.points import COUNTER, GAUGE, HISTOGRAM
from otel_fe.store.schema import EXTREMES_SINCE
from otel_fe.store.series_keys import KnownSeries, SeriesKey, Which
from otel_fe.store.tiers import Floors
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from otel_fe.store.read_connections import ReadConnections

_T = TypeVar("_T", bound="Hashable")


@dataclass(frozen=True, slots=True)
class Gauge:
    """The values of a gauge in a step of time."""

    time_ns: int
    """Unix time at which the step begins."""
    last: float
    least: float
    most: float


class StoredSeries:
    """Reads metric series. A window holds its beginning and not its end."""

    def __init__(self, reading: ReadConnections) -> None:
        self._reading = reading
        self._known = KnownSeries(reading)

    def keys(self, name: str | None = None) -> list[SeriesKey]:
        """Return the series that there are, of one metric or of all."""
        with self._reading.transaction() as connection:
            known = self._known.by_name(connection)
            return list(known.get(name, ())) if name else [key for keys in known.values() for key in keys]

    def count(self, which: Which, since_ns: int, until_ns: int) -> float:
        """Return by how much counters have risen in a window, all together: an int where they count in whole numbers."""
        with self._reading.transaction() as connection:
            return self.count_in(connection, which, since_ns, until_ns)

    def count_in(self, connection: sqlite3.Connection, which: Which, since_ns: int, until_ns: int) -> float:
        """Return the same within a transaction of the caller's."""
        found: float = 0
        windows = Floors.of(connection).cover(since_ns, until_ns)
        for scale, numbers in self._by_scale(connection, which, COUNTER).items():
            query = f"SELECT sum(value) FROM counter WHERE {_in(numbers)}"  # noqa: S608
            # Whole numbers up to here, so that the number of rows does not matter.
            total = sum(row[0] or 0 for row in _over(connection, query, windows))
            found = found + total if scale == 1 else found + total / scale
        return found

    def counts(self, which: Which, since_ns: int, until_ns: int) -> list[tuple[SeriesKey, float]]:
        """Return by how much each counter has risen in a window; without those that have not."""
        with self._reading.transaction() as connection:
            keys = {key.number: key for key in self._known.matching(connection, which, COUNTER)}
            query = f"SELECT series, sum(value) FROM counter WHERE {_in(keys)} GROUP BY series"  # noqa: S608
            found: dict[int, int] = {}
            for number, value in _over(connection, query, Floors.of(connection).cover(since_ns, until_ns)):
                found[number] = found.get(number, 0) + value
        return [
            (keys[number], value if keys[number].scale == 1 else value / keys[number].scale)
            for number, value in found.items()
            if value
        ]

    def histogram(self, which: Which, since_ns: int, until_ns: int) -> Distribution:
        """Return what histograms have counted in a window, all together."""
        found = Distribution()
        for spread in self.histograms(which, since_ns, until_ns, lambda _: None).values():
            found.merge(spread)
        return found

    def histograms(
        self, which: Which, since_ns: int, until_ns: int, by: Callable[[SeriesKey], _T]
    ) -> dict[_T, Distribution]:
        """Return what histograms have counted in a window, all of those together that are the same by `by`."""
        found: dict[_T, Distribution] = {}
        with self._reading.transaction() as connection:
            keys = {key.number: key for key in self._known.matching(connection, which, HISTOGRAM)}
            into = {number: found.setdefault(by(key), Distribution()) for number, key in keys.items()}
            query = f"SELECT 0, {_histogram(connection)} WHERE {_in(keys)}"  # noqa: S608
            windows = Floors.of(connection).cover(since_ns, until_ns) if keys else []
            for row in _over(connection, query, windows):
                _add(into[row[1]], keys, row)
        return found

    def count_by_step(self, which: Which, since_ns: int, until_ns: int, step_ns: int) -> list[tuple[int, float]]:
        """Return by how much counters have risen in each step, by the Unix time (ns) at which it begins; nothing where by nothing.

        Steps begin at multiples of their width, which is raised to that of the rows that are left of the window's beginning.
        """
        found: dict[int, float] = {}
        with self._reading.transaction() as connection:
            step, at = _step(connection, since_ns, until_ns, step_ns)
            for scale, numbers in self._by_scale(connection, which, COUNTER).items():
                query = f"SELECT time_s / {step}, sum(value) FROM counter WHERE {_in(numbers)} GROUP BY 1"  # noqa: S608
                for place, value in connection.execute(query, at):
                    found[place] = found.get(place, 0) + (value if scale == 1 else value / scale)
        return [(place * step * NS_PER_S, value) for place, value in sorted(found.items())]

    def histogram_by_step(
        self, which: Which, since_ns: int, until_ns: int, step_ns: int
    ) -> list[tuple[int, Distribution]]:
        """Return what histograms have counted in each step, likewise."""
        found: dict[int, Distribution] = {}
        with self._reading.transaction() as connection:
            step, at = _step(connection, since_ns, until_ns, step_ns)
            keys = {key.number: key for key in self._known.matching(connection, which, HISTOGRAM)}
            if keys:
                query = f"SELECT time_s / {step}, {_histogram(connection)} WHERE {_in(keys)}"  # noqa: S608
                for row in connection.execute(query, at):
                    _add(found.setdefault(row[0], Distribution()), keys, row)
        return [(place * step * NS_PER_S, distribution) for place, distribution in sorted(found.items())]

    def gauge_by_step(self, which: Which, since_ns: int, until_ns: int, step_ns: int) -> list[Gauge]:
        """Return what gauges have shown in each step; of several the one that spoke last, and the extremes of all."""
        with self._reading.transaction() as connection:
            step, at = _step(connection, since_ns, until_ns, step_ns)
            numbers = [key.number for key in self._known.matching(connection, which, GAUGE)]
            query = f"""SELECT time_s / {step}, last, least, most FROM gauge WHERE {_in(numbers)}
                ORDER BY time_s, at_ns"""  # noqa: S608
            shown: dict[int, Gauge] = {}
            for place, last, least, most in connection.execute(query, at):
                old = shown.get(place)
                extremes = (least, most) if old is None else (min(old.least, least), max(old.most, most))
                shown[place] = Gauge(place * step * NS_PER_S, last, *extremes)
        return [shown[place] for place in sorted(shown)]

    def first_s(self, connection: sqlite3.Connection, which: Which) -> int | None:
        """Return the Unix time of the first row of a counter, as exactly as it is still known."""
        numbers = ", ".join(str(key.number) for key in self._known.matching(connection, which, COUNTER))
        first = "SELECT min(time_s) FROM counter c WHERE c.series = s.id AND c.width_s = t.width_s"
        query = f"SELECT width_s, min(({first})) FROM tier t, series s WHERE s.id IN ({numbers}) GROUP BY width_s"  # noqa: S608
        lowest: dict[int, int] = {width: time for width, time in connection.execute(query) if time is not None}
        if not lowest:
            return None
        earliest = min(lowest.values())
        coarsest = max(lowest)
        return max(time for time in lowest.values() if time < earliest + coarsest)

    def _by_scale(self, connection: sqlite3.Connection, which: Which, kind: str) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for key in self._known.matching(connection, which, kind):
            found.setdefault(key.scale, []).append(key.number)
        return found


def _histogram(connection: sqlite3.Connection) -> str:
    """Return what is read of histograms: a file that is not brought up yet knows no extremes."""
    extremes = int(connection.execute("PRAGMA user_version").fetchone()[0]) >= EXTREMES_SINCE
    return f"series, count, total, zeros, buckets, {'least, most' if extremes else 'NULL, NULL'} FROM histogram"


def _add(found: Distribution, keys: Mapping[int, SeriesKey], row: Any) -> None:
    _, series, count, total, zeros, packed, least, most = row
    key = keys[series]
    found.add(key.shape, packed, count, total, zeros, scale=key.scale, extremes=(least, most))


def _in(numbers: Iterable[int]) -> str:
    return f"series IN ({', '.join(map(str, numbers))}) AND width_s = ? AND time_s >= ? AND time_s < ?"


def _over(connection: sqlite3.Connection, query: str, windows: Sequence[tuple[int, int, int]]) -> Iterable[Any]:
    """Return the rows of a query on rows of several widths, at once."""
    if not windows:
        return ()
    return connection.execute(" UNION ALL ".join([query] * len(windows)), [one for rows in windows for one in rows])


def _step(
    connection: sqlite3.Connection, since_ns: int, until_ns: int, step_ns: int
) -> tuple[int, tuple[int, int, int]]:
    """Return the width of a step, in s, and the rows to read: their width, and from when to when."""
    floors = Floors.of(connection)
    since, until = since_ns // NS_PER_S, -(-until_ns // NS_PER_S)
    finest = floors.width_at(since)
    step = max(1, -(-step_ns // (finest * NS_PER_S))) * finest
    width = max((width for width in floors.by_width if step % width == 0 and width >= finest), default=finest)
    return step, (width, since // step * step, until)
