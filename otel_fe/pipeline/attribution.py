"""Where an extraction's time went: its duration, split over causes that add up to it exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.model.figures import CAUSE_CACHE_HIT, CAUSE_CACHE_MISS, CAUSE_POOL
from otel_fe.semconv import CAUSE_CPU, CAUSE_DOWNSTREAM, CAUSE_GPU, CAUSE_UNEXPLAINED

if TYPE_CHECKING:
    from collections.abc import Iterable

CAUSES: Final = (
    CAUSE_CACHE_MISS,
    CAUSE_POOL,
    CAUSE_CPU,
    CAUSE_GPU,
    CAUSE_DOWNSTREAM,
    CAUSE_UNEXPLAINED,
)

_PRECEDENCE: Final = (CAUSE_POOL, CAUSE_CACHE_MISS, CAUSE_CACHE_HIT, CAUSE_GPU, CAUSE_DOWNSTREAM)
"""Where intervals overlap, the more specific cause has the time: the span of a `connect` contains the wait for it."""


def attribute(start_ns: int, end_ns: int, intervals: Iterable[tuple[str, int, int]], cpu_ns: int) -> dict[str, int]:
    """Split `end_ns - start_ns` over `CAUSES`, in ns; the parts add up to it exactly.

    Args:
        start_ns: Start of the extraction.
        end_ns: Its end, on the same clock.
        intervals: `(cause, start_ns, end_ns)` of waits, look-ups and calls of other services, in any order; they
            may overlap one another (time counts once) and reach outside of the extraction (that part does not count).
        cpu_ns: The extraction's CPU time; negative if unknown. It explains the time that no interval covers; CPU
            spent inside the intervals is part of them, so what is put down to the CPU may be too much by
            that, never more than the uncovered time.
    """
    split: dict[str, int] = dict.fromkeys(CAUSES, 0)
    duration = max(0, end_ns - start_ns)
    clipped = [
        (max(start, start_ns), min(end, end_ns), cause)
        for cause, start, end in intervals
        if end > start_ns and start < end_ns and end > start
    ]
    covered = 0
    for cause, time_ns in _sweep(clipped):
        split[CAUSE_DOWNSTREAM if cause == CAUSE_CACHE_HIT else cause] += time_ns
        covered += time_ns
    own = duration - covered
    split[CAUSE_CPU] = min(own, max(0, cpu_ns))
    split[CAUSE_UNEXPLAINED] = own - split[CAUSE_CPU]
    return split


def _sweep(intervals: list[tuple[int, int, str]]) -> Iterable[tuple[str, int]]:
    """Yield the time between each two neighbouring ends of intervals, under the cause that has precedence there."""
    begins = [(start, 1, cause) for start, _, cause in intervals]
    ends = [(end, -1, cause) for _, end, cause in intervals]
    here: dict[str, int] = dict.fromkeys(_PRECEDENCE, 0)
    before = 0
    for at, step, cause in sorted(begins + ends):
        if at > before:
            first = next((one for one in _PRECEDENCE if here[one]), None)
            if first is not None:
                yield first, at - before
            before = at
        here[cause] += step


def bottleneck(split: dict[str, int]) -> tuple[str, int]:
    """Return the cause with the largest share, and its ns; of equals, the first in the order of `CAUSES`."""
    cause = max(split, key=split.__getitem__)
    return cause, split[cause]
