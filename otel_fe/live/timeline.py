"""One group's extractions over time: recent ones in fine slices, older ones in coarser slices."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.live.extraction_totals import ExtractionTotals
from otel_fe.units import DAY_NS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class SliceWidth:
    """Slices of one width."""

    width_ns: int
    keep: int
    """The number of slices."""

    @property
    def reach_ns(self) -> int:
        """Return the time that the slices cover."""
        return self.width_ns * self.keep


TIERS: Final = (SliceWidth(10 * NS_PER_S, 37), SliceWidth(60 * NS_PER_S, 61), SliceWidth(900 * NS_PER_S, 97))
"""Ten seconds for six minutes, minutes for an hour, quarters of an hour for a day. Each width divides the next."""
LONGEST_NS: Final = DAY_NS


@dataclass(frozen=True, slots=True)
class Slice:
    """The extractions between two moments of the monotonic clock."""

    start_ns: int
    end_ns: int
    tally: ExtractionTotals


class Timeline:
    """Tallies of one group. Not thread-safe: the owner holds the lock.

    A finished slice is final, so that who holds the lock only collects references; adding them up needs none.
    """

    __slots__ = ("_index", "_limits", "_open", "_rings")

    def __init__(self, limits_ns: Sequence[int]) -> None:
        self._limits = limits_ns
        self._index = -1
        self._open = ExtractionTotals(limits_ns)
        self._rings: tuple[deque[tuple[int, ExtractionTotals]], ...] = tuple(deque() for _ in TIERS)

    def at(self, now_ns: int) -> ExtractionTotals:
        """Return the tally to count in at this time (monotonic)."""
        index = now_ns // TIERS[0].width_ns
        if index > self._index:  # not on a clock that steps back: what is late belongs to the newest slice
            self._close()
            self._index = index
            self._forget()
        return self._open

    def slices(self, now_ns: int, length_ns: int) -> list[Slice]:
        """Return the slices that begin within the last `length_ns`, oldest first; the newest is a copy.

        They come from the finest tier that reaches so far. Slices in which nothing happened are left out.
        """
        self.at(now_ns)
        level = _level(length_ns)
        width = TIERS[level].width_ns
        first = begin_ns(now_ns, length_ns) // width
        found = [(index, tally) for index, tally in self._rings[level] if index >= first]
        if self._open.count:
            index = now_ns // width
            newest = self._open.copy()
            if found and found[-1][0] == index:
                newest.merge(found.pop()[1])
            found.append((index, newest))
        elif level and found:  # still being added to
            found[-1] = (found[-1][0], found[-1][1].copy())
        return [Slice(i * width, min((i + 1) * width, max(now_ns, i * width + 1)), tally) for i, tally in found]

    def idle_since(self, now_ns: int) -> bool:
        """Return whether all slices are empty."""
        self.at(now_ns)
        return not self._open.count and not any(self._rings)

    def _close(self) -> None:
        closed, self._open = self._open, ExtractionTotals(self._limits)
        if not closed.count:
            return
        start = self._index * TIERS[0].width_ns
        for tier, ring in zip(TIERS, self._rings, strict=True):
            index = start // tier.width_ns
            if ring and ring[-1][0] == index:
                ring[-1][1].merge(closed)
            else:
                ring.append((index, closed if ring is self._rings[0] else closed.copy()))

    def _forget(self) -> None:
        now = self._index * TIERS[0].width_ns
        for tier, ring in zip(TIERS, self._rings, strict=True):
            while ring and ring[0][0] <= now // tier.width_ns - tier.keep:
                ring.popleft()


def begin_ns(now_ns: int, length_ns: int) -> int:
    """Return where the slices of the last `length_ns` begin: at the edge of a slice, and no earlier."""
    width = TIERS[_level(length_ns)].width_ns
    return -(-(now_ns - length_ns) // width) * width


def _level(length_ns: int) -> int:
    return next((i for i, tier in enumerate(TIERS) if tier.reach_ns > length_ns), len(TIERS) - 1)


def added_up(slices: Sequence[Slice], limits_ns: Sequence[int]) -> ExtractionTotals:
    """Return the sum of some slices."""
    found = ExtractionTotals(limits_ns)
    for one in slices:
        found.merge(one.tally)
    return found
