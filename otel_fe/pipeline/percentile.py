"""The percentile beside a burn rate: the two edges between which it lies, and its confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_fe.model.edges import EDGES
from otel_fe.model.slo import EventSelection
from otel_fe.pipeline.confidence import interval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from otel_fe.model.slo import Limit
    from otel_fe.pipeline.event_sums import BudgetGroup, EventSums


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of a histogram, by nearest rank: the smallest value that a share of the events do not exceed."""

    above: Fraction | None
    """It is above this edge, in the metric's unit; None where it lies in the first bucket."""
    at_most: Fraction | None
    """And at most this one; None where it lies beyond the last edge."""
    surely_above: Fraction | None
    """The same for the 95 % interval of the percentile."""
    surely_at_most: Fraction | None
    total: int


def percentiles(
    limit: Limit, share: Fraction, sums: EventSums, start_ns: int, end_ns: int
) -> dict[BudgetGroup, Percentile]:
    """Return the percentile of what a limit is about, by group.

    "p95 < 100 ms" and "at least 95 % take less than 100 ms" are one statement, so the alert is on exact counts, and
    this estimates the percentile.

    Args:
        limit: Names the histogram.
        share: 95/100 for p95.
        sums: The past.
        start_ns: Of the window, as Unix time.
        end_ns: Its end, which it does not hold.
    """
    edges = EDGES[limit.metric]
    found = sums.at_most(EventSelection(limit.metric, limit.attributes), edges, start_ns, end_ns)
    return {group: _percentile(edges, below, total, share) for group, (*below, total) in found.items() if total}


def _percentile(edges: Sequence[Fraction], below: Sequence[int], total: int, share: Fraction) -> Percentile:
    rank = -(-total * share.numerator // share.denominator)
    # The interval of a percentile is that of its rank (order statistics; David and Nagaraja, "Order Statistics", section 7.1).
    low, high = interval(float(share * total), total)
    above, at_most = _bucket(edges, below, max(1, rank))
    surely_above, _ = _bucket(edges, below, max(1.0, low * total))
    _, surely_at_most = _bucket(edges, below, min(float(total), high * total))
    return Percentile(above, at_most, surely_above, surely_at_most, total)


def _bucket(edges: Sequence[Fraction], below: Sequence[int], rank: float) -> tuple[Fraction | None, Fraction | None]:
    """Return the edges round the value of a rank."""
    for index, number in enumerate(below):
        if number >= rank:
            return (edges[index - 1] if index else None), edges[index]
    return edges[-1], None
