"""Exact sums over any window, from which SLOs and alerts are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from otel_fe import semconv
from otel_fe.pipeline.counted_events import CounterSums
from otel_fe.store.counted_time import counted_intervals
from otel_fe.store.series_keys import Which
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from otel_fe.store.counted_time import Interval
    from otel_fe.store.distribution import Distribution
    from otel_fe.store.read_connections import ReadConnections
    from otel_fe.store.series import StoredSeries
    from otel_fe.store.series_keys import SeriesKey

_Label = str | bool | int | float


class Sums(CounterSums, Protocol):
    """Sums of what was counted.

    Windows are in Unix time, in ns, and hold their beginning and not their end. The sums of two adjacent windows are those of both
    together. Windows are exact to the minute, further back to ten minutes and to the hour. `service` and `feature_set` leave out
    the others where given; an empty feature set selects extractions without one.
    """

    def first_ns(self) -> int | None:
        """Return when counting began, so that a window that begins before is known to be short; None before any event."""
        ...

    def distribution(
        self, metric: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> Distribution:
        """Return what a histogram has counted, in its own unit."""
        ...


class StoredSums:
    """Sums read from the store. Any number of threads may use it."""

    def __init__(self, reading: ReadConnections, series: StoredSeries) -> None:
        self._reading = reading
        self._series = series

    def good_and_total(
        self, slo: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> tuple[int, int]:
        """Return how many events of an SLO were good, and how many there were."""
        counts = self.good_and_totals(slo, since_ns, until_ns, service, feature_set).values()
        return sum(good for good, _ in counts), sum(total for _, total in counts)

    def good_and_totals(
        self, slo: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> dict[tuple[str, str], tuple[int, int]]:
        """Return the same for each service and feature set; without those that have no events."""
        labels: dict[str, _Label] = {semconv.SLO: slo}
        if feature_set is not None:
            labels[semconv.FEATURE_SET] = feature_set
        found: dict[tuple[str, str], tuple[int, int]] = {}
        # One question, so that an event that is counted in between is in both numbers or in neither.
        for key, value in self._series.counts(Which(semconv.SLO_EVENTS, service, labels), since_ns, until_ns):
            good_label = key.labels.get(semconv.GOOD, "")
            if isinstance(good_label, bool):
                group = group_of(key)
                good, total = found.get(group, (0, 0))
                found[group] = (good + int(value) * good_label, total + int(value))
        return found

    def groups(self, slo: str) -> list[tuple[str, str]]:
        """Return the services and feature sets that have counted events of an SLO, in order."""
        return sorted(
            {group_of(key) for key in self._series.keys(semconv.SLO_EVENTS) if key.labels.get(semconv.SLO) == slo}
        )

    def first_ns(self) -> int | None:
        """Return when counting began; None before any event."""
        with self._reading.transaction() as connection:
            first = self._series.first_s(connection, Which(semconv.SLO_EVENTS))
        return None if first is None else first * NS_PER_S

    def counted(self, since_ns: int, until_ns: int, service: str | None = None) -> list[Interval]:
        """Return the parts of a window in which a service counted, or any: what rates are over."""
        with self._reading.transaction() as connection:
            found = counted_intervals(connection, (since_ns, until_ns), service)
            if found is not None:
                return found
            first = self._series.first_s(connection, Which(semconv.SLO_EVENTS, service))
        begin = until_ns if first is None else max(since_ns, first * NS_PER_S)
        return [(begin, until_ns)] if begin < until_ns else []

    def count(self, metric: str, since_ns: int, until_ns: int, service: str | None = None, **labels: _Label) -> float:
        """Return by how much a counter has risen; dots in the names of labels are written `__`."""
        wanted = {label.replace("__", "."): value for label, value in labels.items()}
        return self._series.count(Which(metric, service, wanted), since_ns, until_ns)

    def distribution(
        self, metric: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> Distribution:
        """Return what a histogram has counted, in its own unit."""
        labels = None if feature_set is None else {semconv.FEATURE_SET: feature_set}
        return self._series.histogram(Which(metric, service, labels), since_ns, until_ns)

    def distributions(
        self, metric: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> dict[tuple[str, str], Distribution]:
        """Return the same for each service and feature set that has such a histogram."""
        labels = None if feature_set is None else {semconv.FEATURE_SET: feature_set}
        return self._series.histograms(Which(metric, service, labels), since_ns, until_ns, group_of)


def group_of(key: SeriesKey) -> tuple[str, str]:
    """Return a series' service and feature set; the latter is empty where it has none."""
    return key.service, str(key.labels.get(semconv.FEATURE_SET, ""))
