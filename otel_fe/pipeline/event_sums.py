"""What SLOs need to know of the past: how many events there were in a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from otel_fe.model.slo import Counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.model.slo import Indicator, Selection


class Group(NamedTuple):
    """What an SLO is evaluated by; each group has a budget of its own."""

    service: str = ""
    """`service.name` of the resource."""
    feature_set: str = ""
    """Empty for extractions without one, and for those beyond the bound on series."""


class EventSums(Protocol):
    """Exact sums of counters over any window: of every process, across restarts and resets.

    A gap adds nothing. A counter that starts anew adds what it counts from zero. What is counted while the clock on the wall
    is set back or forward belongs to the time that the clock showed.
    """

    def counted(self, selection: Selection, start_ns: int, end_ns: int) -> Mapping[Group, int]:
        """Return how many of the selected events there were after `start_ns`, up to and including `end_ns` (Unix time)."""
        ...


def counts(sums: EventSums, indicator: Indicator, start_ns: int, end_ns: int) -> dict[Group, Counts]:
    """Return the events of an SLO in a window by group: always sums, never ratios that somebody would average."""
    total = sums.counted(indicator.total, start_ns, end_ns)
    part = sums.counted(indicator.part, start_ns, end_ns)
    return {
        group: Counts(indicator.bad(part.get(group, 0), number), number) for group, number in total.items() if number
    }
