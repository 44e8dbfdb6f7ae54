"""The events of SLOs, by group, from the sums that the store keeps of exact counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from otel_fe import semconv
from otel_fe.model.edges import EDGES
from otel_fe.model.slo import EventCounts
from otel_fe.pipeline.event_sums import BudgetGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

    from otel_fe.model.slo import EventSelection, Indicator

_ANY_EXTRACTION = "latency"  # every extraction counts for this SLO, so it has all groups


class Values(Protocol):
    """A histogram over a window."""

    count: int

    def at_most(self, value: float) -> float:
        """Return the number of values that do not exceed a bound."""
        ...


class CounterSums(Protocol):
    """The part of `otel_fe.store.Sums` that SLOs read. That class is above this package, and documents windows and omissions."""

    def good_and_total(
        self, slo: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> tuple[int, int]:
        """Return the good events of an SLO, and all of them."""
        ...

    def good_and_totals(
        self, slo: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> Mapping[tuple[str, str], tuple[int, int]]:
        """Return both for each service and feature set that has events."""
        ...

    def groups(self, slo: str) -> Sequence[tuple[str, str]]:
        """Return the services and feature sets that have counted events of an SLO, in order."""
        ...

    def count(
        self, metric: str, since_ns: int, until_ns: int, service: str | None = None, **labels: str | bool | float
    ) -> float:
        """Return the increase of a counter; dots in the names of labels are written `__`."""
        ...

    def distribution(
        self, metric: str, since_ns: int, until_ns: int, service: str | None = None, feature_set: str | None = None
    ) -> Values:
        """Return the values of a histogram."""
        ...


class CountedEvents:
    """`EventSums` from a store's `Sums`.

    Args:
        sums: Sums of the store.
        only: The one group to look at; None for all.
    """

    def __init__(self, sums: CounterSums, only: BudgetGroup | None = None) -> None:
        self._sums = sums
        self._only = only

    def events(self, indicator: Indicator, start_ns: int, end_ns: int) -> dict[BudgetGroup, EventCounts]:
        """Return an SLO's events by group; none for a group without events."""
        found: dict[BudgetGroup, EventCounts] = {}
        counted = _counted(indicator)
        if counted is not None:
            slo, good = counted
            both = self._sums.good_and_totals(slo, start_ns, end_ns, *(self._only or ()))
            for group in self._groups(indicator.total):
                good_ones, total = both.get(group, (0, 0))
                if total:
                    found[group] = EventCounts(indicator.bad(good_ones if good else total - good_ones, total), total)
            return found
        for group in self._groups(indicator.total):
            part, total = self._both(indicator, group, start_ns, end_ns)
            if total:
                found[group] = EventCounts(indicator.bad(part, total), total)
        return found

    def at_most(
        self, values: EventSelection, edges: Sequence[Fraction], start_ns: int, end_ns: int
    ) -> dict[BudgetGroup, tuple[int, ...]]:
        """Return the number of values of a histogram up to each edge, and last the number of all."""
        found: dict[BudgetGroup, tuple[int, ...]] = {}
        for group in self._groups(values):
            one = self._sums.distribution(values.metric, start_ns, end_ns, *group)
            found[group] = (*(round(one.at_most(float(edge))) for edge in edges), one.count)
        return found

    def _groups(self, selection: EventSelection) -> Iterable[BudgetGroup]:
        """Return the groups of a selection."""
        wanted = dict(selection.attributes)
        groups = [self._only] if self._only else self._sums.groups(str(wanted.get(semconv.SLO, _ANY_EXTRACTION)))
        for service, feature_set in groups:
            if (
                wanted.get(semconv.SERVICE_NAME, service) == service
                and wanted.get(semconv.FEATURE_SET, feature_set) == feature_set
            ):
                yield BudgetGroup(service, feature_set)

    def _both(self, indicator: Indicator, group: BudgetGroup, start_ns: int, end_ns: int) -> tuple[int, int]:
        """Return a group's events in the part and in all."""
        part, total = indicator.part, indicator.total
        return self._number(part, group, start_ns, end_ns), self._number(total, group, start_ns, end_ns)

    def _number(self, selection: EventSelection, group: BudgetGroup, start_ns: int, end_ns: int) -> int:
        if selection.metric in EDGES:
            values = self._sums.distribution(selection.metric, start_ns, end_ns, *group)
            return values.count if selection.most is None else round(values.at_most(float(selection.most)))
        labels = {
            name.replace(".", "__"): value for name, value in selection.attributes if name != semconv.SERVICE_NAME
        }
        labels[semconv.FEATURE_SET.replace(".", "__")] = group.feature_set
        return round(self._sums.count(selection.metric, start_ns, end_ns, group.service, **labels))


def _counted(indicator: Indicator) -> tuple[str, bool] | None:
    """Return the SLO whose good events, or bad ones, are the part of all that an indicator is of; None for other indicators."""
    part = dict(indicator.part.attributes)
    good = part.pop(semconv.GOOD, None)
    same = indicator.part.metric == semconv.SLO_EVENTS and part == dict(indicator.total.attributes)
    return (str(part.get(semconv.SLO)), good) if same and isinstance(good, bool) else None
