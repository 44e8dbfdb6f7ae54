"""Pools, event by event: what the formulas are held against."""

from __future__ import annotations

import heapq
import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """A simulated pool's measurements, as the pool hooks would report them."""

    wait_s: float
    rate: float
    use_s: float
    arrivals_variability: float
    use_variability: float
    callers: int


def variability(values):
    """Return the squared coefficient of variation; `statistics.pvariance` calculates with fractions, a hundred times as long."""
    mean = statistics.fmean(values)
    return statistics.fmean([(value - mean) ** 2 for value in values]) / mean**2


def open_pool(size, gaps, uses):
    """Let callers come whatever the queue, first come, first served."""
    free = [0.0] * size
    now, waits, inside, most = 0.0, [], [], 0
    for gap, use in zip(gaps, uses, strict=True):
        now += gap
        start = max(now, heapq.heappop(free))
        heapq.heappush(free, start + use)
        waits.append(start - now)
        while inside and inside[0] <= now:
            heapq.heappop(inside)
        heapq.heappush(inside, start + use)
        most = max(most, len(inside))
    return Seen(
        statistics.fmean(waits),
        len(gaps) / sum(gaps),
        statistics.fmean(uses),
        variability(gaps),
        variability(uses),
        most,
    )


def closed_pool(size, callers, think, use, requests):
    """Let a fixed number of callers come back after thinking."""
    coming = [(think(), number) for number in range(callers)]
    heapq.heapify(coming)
    free = [0.0] * size
    waits, uses, arrivals = [], [], []
    for _ in range(requests):
        now, number = heapq.heappop(coming)
        start = max(now, heapq.heappop(free))
        took = use()
        heapq.heappush(free, start + took)
        heapq.heappush(coming, (start + took + think(), number))
        waits.append(start - now)
        uses.append(took)
        arrivals.append(now)
    gaps = [b - a for a, b in zip(arrivals, arrivals[1:], strict=False)]
    return Seen(
        statistics.fmean(waits),
        1 / statistics.fmean(gaps),
        statistics.fmean(uses),
        variability(gaps),
        variability(uses),
        callers,
    )
