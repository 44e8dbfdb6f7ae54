"""Ranks the causes that make a group of extractions slow, with the percentile without each."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from otel_fe.formatting import percent
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.semconv import (
    CAUSE_CACHE_MISS,
    CAUSE_CPU,
    CAUSE_DOWNSTREAM,
    CAUSE_GPU,
    CAUSE_NATIVE_THREADS,
    CAUSE_SUBPROCESS,
    CAUSE_UNEXPLAINED,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COMPUTED: Final = frozenset(
    {
        CAUSE_CACHE_MISS,
        CAUSE_CPU,
        CAUSE_GPU,
        CAUSE_DOWNSTREAM,
        CAUSE_SUBPROCESS,
        CAUSE_NATIVE_THREADS,
        CAUSE_UNEXPLAINED,
    }
)
"""Causes that are work after a miss; the others are waits."""
_MORE: Final = 0.01
"""Of the time; a smaller difference is not worth a clause."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One extraction and where its time went."""

    duration_ns: int
    split: Mapping[str, int]
    """In ns by cause; adds up to the duration."""
    weight: float = 1.0
    """Its weight."""
    missed: bool = False
    """Whether one of its look-ups missed, so that it had to compute what it did not find."""
    hit: bool = False
    """Whether it looked up, and every look-up hit."""
    hotspot: tuple[str, int] | None = None
    """The line where most of its bottleneck's time went, and how much of it (ns); None where unknown."""
    bottleneck: str = ""
    """The cause of its hotspot, if it has one."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The cost of one cause to a group."""

    cause: str
    time_ns: float
    """In the whole group, by weight."""
    share: float
    """0..1 of the group's time."""
    quantile_without_ns: int
    """The group's percentile if it had not been for this cause."""
    cost_share: float
    """0..1 of the group's time that would not have passed without it; causes are ranked by this. More than `share` for misses,
    which also cost what they made the extraction compute."""


@dataclass(frozen=True, slots=True)
class Causes:
    """The ranked causes of a group."""

    quantile_ns: int
    """The percentile of the group as it is."""
    total_weight: float
    ranked: Sequence[Cause] = field(default_factory=tuple)
    """The most expensive first; causes that cost nothing are left out."""


def rank(group: Sequence[Explained], *, share: float = 0.95, hits: Sequence[Explained] = ()) -> Causes:
    """Return the causes of a group in order of what they cost. Alerts, pages and files all rank by this.

    Without a cause, each extraction would have taken that much less. For cache misses that is only the look-up: what the miss
    made the extraction compute counts under other causes. Where extractions of the same kind are known that hit, each that
    missed is taken to last as long as they do, at the same rank, and as long as it waited, if that is less.

    Args:
        group: Extractions of one kind.
        share: Which percentile, 0..1.
        hits: Extractions whose look-ups all hit, to compare those that missed with.
    """
    weights = [item.weight for item in group]
    durations = [item.duration_ns for item in group]
    total = sum(item.duration_ns * item.weight for item in group)
    ranked = []
    for cause in CAUSES:
        time_ns = sum(item.split.get(cause, 0) * item.weight for item in group)
        if time_ns:
            without = [item.duration_ns - item.split.get(cause, 0) for item in group]
            if cause == CAUSE_CACHE_MISS and hits:
                without = _as_hits(group, without, hits)
            left = sum(ns * weight for ns, weight in zip(without, weights, strict=True))
            quantile_ns = weighted_quantile(without, weights, share)
            ranked.append(Cause(cause, time_ns, time_ns / total, quantile_ns, (total - left) / total))
    # Of equal ones the one that comes first in `CAUSES`, which is the more specific.
    ranked.sort(key=lambda cause: -cause.cost_share)
    return Causes(weighted_quantile(durations, weights, share), sum(weights), tuple(ranked))


def line_of(cause: str, group: Sequence[Explained]) -> tuple[str, float] | None:
    """Return the line where most of a cause's time went, and its share of it (0..1), over extractions whose bottleneck it is.

    None where no line is known.
    """
    lines: Counter[str] = Counter()
    for item in group:
        if item.hotspot is not None and item.bottleneck == cause:
            line, time_ns = item.hotspot
            lines[line] += round(time_ns * item.weight)
    total = sum(item.split.get(cause, 0) * item.weight for item in group if item.bottleneck == cause)
    if not lines or not total:
        return None
    line, time_ns = lines.most_common(1)[0]
    return line, min(1.0, time_ns / total)


def in_words(cause: Cause, count: int) -> str:
    """Return in words what a cause costs, for alerts."""
    words = f"{cause.cause} takes {percent(cause.share)} of the time of {count} recent slow extractions"
    if cause.cost_share > cause.share + _MORE:
        words += f", and {percent(cause.cost_share)} with what it makes them compute"
    return words


_ROUNDING: Final = 1e-12
"""Sums of weights are off by less than this share, and must not decide which value a rank that falls on a boundary has."""


def weighted_quantile(values: Sequence[int], weights: Sequence[float], share: float) -> int:
    """Return the smallest value that `share` (0..1) of the weight does not exceed; 0 without any weight."""
    return weighted_quantiles(values, weights, (share,))[0]


def weighted_quantiles(values: Sequence[int], weights: Sequence[float], shares: Iterable[float]) -> list[int]:
    """Return the same for several shares at once: values are sorted only once."""
    ordered = sorted((value, weight) for value, weight in zip(values, weights, strict=True) if weight > 0)
    reached = list(accumulate(weight for _, weight in ordered))
    whole = reached[-1] * (1 - _ROUNDING) if reached else 0.0
    last = len(ordered) - 1
    places = (min(bisect_left(reached, whole * share), last) for share in shares)
    return [ordered[place][0] if ordered else 0 for place in places]


def _as_hits(group: Sequence[Explained], without: Sequence[int], hits: Sequence[Explained]) -> list[int]:
    """Return the durations without cache misses: those that missed last as long as hits of the same rank, and their waits.

    A miss is to blame for what it makes an extraction compute and fetch, but not for the pool that is too small for it, or the
    lock that is held: those are causes of their own.
    """
    missed = sorted(range(len(group)), key=lambda i: (not group[i].missed, group[i].duration_ns))
    count = sum(item.missed for item in group)
    found = list(without)
    durations, weights = [hit.duration_ns for hit in hits], [hit.weight for hit in hits]
    ranks = weighted_quantiles(durations, weights, ((rank_ + 0.5) / count for rank_ in range(count)))
    for as_hit, index in zip(ranks, missed, strict=False):
        waits = sum(ns for cause, ns in group[index].split.items() if cause not in COMPUTED)
        found[index] = min(found[index], as_hit + waits)
    return found
