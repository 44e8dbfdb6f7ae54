"""Splits an extraction's duration over causes that add up to it exactly."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from otel_fe.model.measurements import CAUSE_CACHE_HIT, CAUSE_CACHE_MISS, CAUSE_POOL
from otel_fe.semconv import (
    CAUSE_CPU,
    CAUSE_CPU_THROTTLED,
    CAUSE_CPU_WAIT,
    CAUSE_DISK,
    CAUSE_DOWNSTREAM,
    CAUSE_EVENT_LOOP,
    CAUSE_GC,
    CAUSE_GIL,
    CAUSE_GPU,
    CAUSE_IMPORT,
    CAUSE_LOCK,
    CAUSE_NATIVE_THREADS,
    CAUSE_PAGE_FAULTS,
    CAUSE_SLEEP,
    CAUSE_SUBPROCESS,
    CAUSE_UNEXPLAINED,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

CAUSES: Final = (
    CAUSE_CACHE_MISS,
    CAUSE_POOL,
    CAUSE_CPU,
    CAUSE_GPU,
    CAUSE_DOWNSTREAM,
    CAUSE_GC,
    CAUSE_GIL,
    CAUSE_CPU_THROTTLED,
    CAUSE_CPU_WAIT,
    CAUSE_PAGE_FAULTS,
    CAUSE_DISK,
    CAUSE_LOCK,
    CAUSE_SLEEP,
    CAUSE_IMPORT,
    CAUSE_SUBPROCESS,
    CAUSE_NATIVE_THREADS,
    CAUSE_EVENT_LOOP,
    CAUSE_UNEXPLAINED,
)

CAUSE_SEEN_CALL: Final = "seen_call"
"""Of an interval only: a call of another service that nothing has measured, but a look at the stack has seen."""
CAUSE_SEEN_CPU: Final = "seen_cpu"
"""Of an interval only: CPU time between two looks at the stack."""

_PRECEDENCE: Final = (
    # The thread could have run: whatever it had waited for before, it did not wait for that any more.
    CAUSE_GC,
    CAUSE_EVENT_LOOP,
    CAUSE_CPU_THROTTLED,
    CAUSE_CPU_WAIT,
    CAUSE_GIL,
    # Measured from beginning to end.
    CAUSE_POOL,
    CAUSE_CACHE_MISS,
    CAUSE_CACHE_HIT,
    CAUSE_GPU,
    CAUSE_DOWNSTREAM,
    # Seen by looking at the stack now and then.
    CAUSE_IMPORT,
    CAUSE_PAGE_FAULTS,
    CAUSE_DISK,
    CAUSE_SUBPROCESS,
    CAUSE_LOCK,
    CAUSE_SLEEP,
    CAUSE_NATIVE_THREADS,
    CAUSE_SEEN_CALL,
    CAUSE_SEEN_CPU,
)
"""Precedence of overlapping intervals: the span of a `connect` contains the wait for it."""
_RANK: Final = {cause: rank for rank, cause in enumerate(_PRECEDENCE)}
_STANDS_FOR: Final = {
    CAUSE_CACHE_HIT: CAUSE_DOWNSTREAM,
    CAUSE_SEEN_CALL: CAUSE_DOWNSTREAM,
    CAUSE_SEEN_CPU: CAUSE_CPU,
}

_LOOKUP_PART: Final = 4
"""A call is a look-up if look-ups take at least a fourth of it."""
_MOST_INSIDE: Final = 64
"""Look-ups that are looked at in one call: a pipeline of commands is one, and calls that overlap would contain all of them."""

Interval = tuple[str, int, int]
"""A cause of `_PRECEDENCE`, its start and its end in ns."""


def attribute(start_ns: int, end_ns: int, intervals: Iterable[Interval], cpu_ns: int) -> dict[str, int]:
    """Split `end_ns - start_ns` over `CAUSES`, in ns; the parts add up to it exactly.

    Args:
        start_ns: Start of the extraction.
        end_ns: Its end, on the same clock.
        intervals: Waits, look-ups, calls of other services, and what was seen of the stack, in any order; they
            may overlap one another (time counts once) and reach outside of the extraction (that part does not count).
        cpu_ns: The extraction's CPU time that is in none of the intervals of `CAUSE_SEEN_CPU`; negative if unknown. It explains
            the time that no interval covers; CPU spent inside the intervals is part of them, so the CPU's part
            may be too large by that, never more than the uncovered time.
    """
    return attributed(start_ns, end_ns, intervals, cpu_ns)[0]


def attributed(
    start_ns: int, end_ns: int, intervals: Iterable[Interval], cpu_ns: int
) -> tuple[dict[str, int], list[Interval]]:
    """Return what `attribute` does, and the pieces that it has added up."""
    split: dict[str, int] = dict.fromkeys(CAUSES, 0)
    own = 0
    ordered = list(pieces(start_ns, end_ns, intervals))
    for cause, first, last in ordered:
        if cause:
            split[cause] += last - first
        else:
            own += last - first
    explained = min(own, max(0, cpu_ns))
    split[CAUSE_CPU] += explained
    split[CAUSE_UNEXPLAINED] += own - explained
    return split, ordered


def pieces(start_ns: int, end_ns: int, intervals: Iterable[Interval]) -> Iterator[Interval]:
    """Yield the time from start to end in pieces, in order, each under the cause that has precedence there; "" without any."""
    clipped = [
        (max(start, start_ns), min(end, end_ns), cause)
        for cause, start, end in intervals
        if end > start_ns and start < end_ns and end > start
    ]
    at = start_ns
    for cause, first, last in _sweep(clipped):
        if first > at:
            yield "", at, first
        yield _STANDS_FOR.get(cause, cause), first, last
        at = last
    if end_ns > at:
        yield "", at, end_ns


def _sweep(intervals: Sequence[tuple[int, int, str]]) -> Iterator[Interval]:
    """Yield the time between each two neighbouring ends of intervals, under the cause that has precedence there."""
    begins = [(start, 1, _RANK[cause]) for start, _, cause in intervals]
    ends = [(end, -1, _RANK[cause]) for _, end, cause in intervals]
    counts = [0] * len(_PRECEDENCE)
    present = 0  # a bit for each cause that is there; the lowest has precedence
    before = 0
    for at, step, rank in sorted(begins + ends):
        if at > before:
            if present:
                yield _PRECEDENCE[(present & -present).bit_length() - 1], before, at
            before = at
        counts[rank] += step
        present = present | 1 << rank if counts[rank] else present & ~(1 << rank)


def whole_lookups(calls: Iterable[Interval], lookups: Iterable[Interval]) -> list[Interval]:
    """Return calls of other services, those that are a cache's look-up under that look-up's cause.

    A look-up is measured between its command and its response; what the client and its instrumentation do around that, which
    with a cache on the same machine takes as long, is in the call alone. A call that does much else stays what it is.

    Args:
        calls: Intervals of `CAUSE_DOWNSTREAM`.
        lookups: Intervals of hits and misses; others are left out.
    """
    ordered = sorted(
        (start, end, cause) for cause, start, end in lookups if cause in (CAUSE_CACHE_MISS, CAUSE_CACHE_HIT)
    )
    return [(_cause_of(call, ordered), *call[1:]) for call in calls] if ordered else list(calls)


def _cause_of(call: Interval, lookups: Sequence[tuple[int, int, str]]) -> str:
    cause, start_ns, end_ns = call
    first = bisect_left(lookups, (start_ns,))
    inside = [one for one in lookups[first : first + _MOST_INSIDE] if one[0] < end_ns]
    covered_ns = sum(min(end, end_ns) - start for start, end, _ in inside)
    if not inside or covered_ns * _LOOKUP_PART < end_ns - start_ns:
        return cause
    return CAUSE_CACHE_MISS if any(one[2] == CAUSE_CACHE_MISS for one in inside) else CAUSE_CACHE_HIT


def bottleneck(split: Mapping[str, int]) -> tuple[str, int]:
    """Return the cause with the largest share, and its ns; of equals, the first in the order of `CAUSES`."""
    cause = max(split, key=split.__getitem__)
    return cause, split[cause]
