"""Arithmetic on intervals of time: pairs of start and end, which is never before it, in any unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def uncovered(intervals: Iterable[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts between `start` and `end` that no interval covers, in order."""
    at = start
    for begin, until in sorted(intervals):
        if begin >= end:
            break
        if begin > at:
            yield at, begin
        at = max(at, until)
    if at < end:
        yield at, end
