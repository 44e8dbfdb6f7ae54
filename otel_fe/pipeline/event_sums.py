"""The interface to past events for SLOs: their number in a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from otel_fe.model.slo import EventCounts, EventSelection, Indicator


class BudgetGroup(NamedTuple):
    """The group that an SLO is evaluated for; each has its own budget."""

    service: str = ""
    """`service.name` of the resource."""
    feature_set: str = ""
    """Empty for extractions without one, and for those beyond the bound on series."""


class EventSums(Protocol):
    """Exact sums of counters over any window: of every process, across restarts and resets.

    Windows are in Unix time and hold their beginning and not their end. A gap adds nothing; a counter that restarts
    adds what it counts from zero. What is counted while the clock on the wall is wrong belongs to the time that it showed.
    """

    def events(self, indicator: Indicator, start_ns: int, end_ns: int) -> Mapping[BudgetGroup, EventCounts]:
        """Return an SLO's events by group; none for a group without events."""
        ...

    def at_most(
        self, values: EventSelection, edges: Sequence[Fraction], start_ns: int, end_ns: int
    ) -> Mapping[BudgetGroup, Sequence[int]]:
        """Return how many values of a histogram are at most each of some of its edges, and last how many there are in all."""
        ...
