"""Finds metric series by name and labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

    from otel_fe.store.points import Labels, Shape
    from otel_fe.store.read_connections import ReadConnections


_MOST_MATCHED: Final = 4_096


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """The identity of a series."""

    number: int
    name: str
    unit: str
    kind: str
    service: str
    labels: Labels
    scale: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Which:
    """Series of one metric: those that satisfy all that is given."""

    name: str
    service: str | None = None
    labels: Mapping[str, str | bool | int | float] | None = None
    """Each must be present, with this value; an empty text selects series without that label."""

    def matches(self, key: SeriesKey, kind: str) -> bool:
        """Return whether a series matches."""
        if key.kind != kind or (self.service is not None and key.service != self.service):
            return False
        wanted = self.labels or {}
        return all(key.labels.get(label, "") == value for label, value in wanted.items())


class KnownSeries:
    """The series of a store. Any number of threads may use it: what is known is replaced as a whole."""

    def __init__(self, reading: ReadConnections) -> None:
        self._reading = reading
        self._known: tuple[object, dict[str, list[SeriesKey]]] = (None, {})
        self._matched: tuple[object, dict[object, list[SeriesKey]]] = (None, {})
        """Results of the last queries for the series known then: pages repeat the same ones hundreds of times."""

    def matching(self, connection: sqlite3.Connection, which: Which, kind: str) -> list[SeriesKey]:
        """Return those that are meant, of one kind."""
        keys = self.by_name(connection)
        matched = self._matched
        if matched[0] is not keys or len(matched[1]) > _MOST_MATCHED:
            self._matched = matched = (keys, {})
        # Types distinguish True from 1, which are different labels.
        asked = (which.name, which.service, kind, *((n, type(v), v) for n, v in sorted((which.labels or {}).items())))
        found = matched[1].get(asked)
        if found is None:
            found = matched[1][asked] = [key for key in keys.get(which.name, ()) if which.matches(key, kind)]
        return found

    def by_name(self, connection: sqlite3.Connection) -> dict[str, list[SeriesKey]]:
        """Return all of them by the name of their metric; read again only when there are new ones."""
        state = (self._reading.file, *connection.execute("SELECT max(id), count(*) FROM series").fetchone())
        known = self._known
        if state != known[0]:
            found: dict[str, list[SeriesKey]] = {}
            for key in _read(connection):
                found.setdefault(key.name, []).append(key)
            self._known = known = (state, found)
        return known[1]


def _read(connection: sqlite3.Connection) -> Iterator[SeriesKey]:
    rows = connection.execute("SELECT id, name, unit, kind, service, labels, scale, shape FROM series")
    for number, name, unit, kind, service, labels, scale, shape in rows:
        parsed: Any = None if shape is None else json.loads(shape)
        edges = tuple(parsed) if isinstance(parsed, list) else parsed
        yield SeriesKey(number, name, unit, kind, service, json.loads(labels), scale, edges)
