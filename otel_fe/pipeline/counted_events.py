"""The events of SLOs, by group, from the sums that the store keeps of exact counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from otel_fe import semconv
from otel_fe.model.edges import EDGES
from otel_fe.model.slo import Counts
from otel_fe.pipeline.event_sums import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from fractions import Fraction

    from otel_fe.model.slo import Indicator, Selection

_ANY_EXTRACTION = "latency"  # every extraction counts for this SLO, so that its groups are all that there are


class Values(Protocol):
    """A histogram over a window."""

    count: int

    def at_most(self, value: float) -> float:
        """Return how many values do not exceed one."""
        ...


class CounterSums(Protocol):
    """What is needed of `otel_fe.store.Sums`, which stands above this package."""

    def good_and_total(
        self, slo: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> tuple[int, int]:
        """Return how many events of an SLO were good, and how many there were."""
        ...

    def groups(self, slo: str) -> Sequence[tuple[str, str]]:
        """Return the services and feature sets that have counted events of an SLO."""
        ...

    def count(
        self, metric: str, since_ns: int, until_ns: int, service: str | None = None, **labels: str | bool | float
    ) -> float:
        """Return by how much a counter has risen; dots in the names of labels are written `__`."""
        ...

    def distribution(
        self, metric: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> Values:
        """Return what a histogram has counted."""
        ...


class CountedEvents:
    """`EventSums` from a store's `Sums`."""

    def __init__(self, sums: CounterSums) -> None:
        self._sums = sums

    def events(self, indicator: Indicator, start_ns: int, end_ns: int) -> dict[Group, Counts]:
        """Return an SLO's events by group; none for a group without events."""
        found: dict[Group, Counts] = {}
        for group in self._groups(indicator.total):
            part, total = self._both(indicator, group, start_ns, end_ns)
            if total:
                found[group] = Counts(indicator.bad(part, total), total)
        return found

    def at_most(
        self, values: Selection, edges: Sequence[Fraction], start_ns: int, end_ns: int
    ) -> dict[Group, tuple[int, ...]]:
        """Return how many values of a histogram are at most each edge, and last how many there are in all."""
        found: dict[Group, tuple[int, ...]] = {}
        for group in self._groups(values):
            one = self._sums.distribution(values.metric, start_ns, end_ns, *group)
            found[group] = (*(round(one.at_most(float(edge))) for edge in edges), one.count)
        return found

    def _groups(self, selection: Selection) -> Iterable[Group]:
        """Return the groups that a selection is of."""
        wanted = dict(selection.attributes)
        groups = self._sums.groups(str(wanted.get(semconv.SLO, _ANY_EXTRACTION)))
        for service, feature_set in groups:
            if (
                wanted.get(semconv.SERVICE_NAME, service) == service
                and wanted.get(semconv.FEATURE_SET, feature_set) == feature_set
            ):
                yield Group(service, feature_set)

    def _both(self, indicator: Indicator, group: Group, start_ns: int, end_ns: int) -> tuple[int, int]:
        """Return a group's events in the part and in all, read at once where they can be."""
        part, total = indicator.part, indicator.total
        told = dict(part.attributes)
        slo, good = told.get(semconv.SLO), told.pop(semconv.GOOD, None)
        if part.metric == semconv.SLO_EVENTS and told == dict(total.attributes) and isinstance(good, bool):
            good_ones, all_ = self._sums.good_and_total(str(slo), start_ns, end_ns, *group)
            return (good_ones if good else all_ - good_ones), all_
        return self._number(part, group, start_ns, end_ns), self._number(total, group, start_ns, end_ns)

    def _number(self, selection: Selection, group: Group, start_ns: int, end_ns: int) -> int:
        if selection.metric in EDGES:
            values = self._sums.distribution(selection.metric, start_ns, end_ns, *group)
            return values.count if selection.most is None else round(values.at_most(float(selection.most)))
        labels = {
            name.replace(".", "__"): value for name, value in selection.attributes if name != semconv.SERVICE_NAME
        }
        labels[semconv.FEATURE_SET.replace(".", "__")] = group.feature_set
        return round(self._sums.count(selection.metric, start_ns, end_ns, group.service, **labels))
