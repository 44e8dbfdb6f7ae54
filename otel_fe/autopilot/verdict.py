"""Measurements before and after a step, and the verdict on it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_fe.changes.comparison import Sampled, TooLittleError, compare
from otel_fe.changes.weighted import CONFIDENCE, Difference, difference, holm, mean_of
from otel_fe.pipeline.causes import Explained
from otel_fe.pipeline.confidence import NEEDED, evidence, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST: Final = 2_000
"""Extractions of a window that are compared; of more, as many at random."""
_SLICES: Final = 20
"""A window is cut into so many: what happens in one of them counts as one event as far as chance goes."""
_FEWEST_TO_BURN: Final = 20
_NOT_WORSE: Final = 0.05
"""Of p95: how much longer a smaller pool may make extractions wait in the mean."""
_NOT_WORSE_NS: Final = 1e6
_POINT: Final = 0.01


@dataclass(frozen=True, slots=True)
class Seen:
    """An extraction that has ended."""

    end_ns: int
    """Monotonic."""
    duration_ns: int
    wait_ns: int
    """Of that, for connections."""
    bad: bool = False
    """It failed, or broke a requirement."""


@dataclass(slots=True)
class Evidence:
    """The measurements of a window: a sample of its extractions, their number, and look-ups of caches."""

    seen: list[Seen] = field(default_factory=list)
    total: int = 0
    bad: int = 0
    ticks: list[tuple[int, int]] = field(default_factory=list)
    """All and bad ones of each part that was added."""
    lookups: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    """By cache: time (ns), hits and look-ups of each tick."""
    _chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 no secret

    def count(self, one: Seen) -> None:
        """Count an extraction; of more than are compared, each is as likely to stay (reservoir sampling)."""
        self.total += 1
        self.bad += one.bad
        if len(self.seen) < MOST:
            self.seen.append(one)
        elif (place := self._chance.randrange(self.total)) < MOST:
            self.seen[place] = one

    def add(self, other: Evidence) -> None:
        """Add the counts of another one."""
        beyond = other.total - len(other.seen)
        for one in other.seen:
            self.count(one)
        self.total += beyond
        self.bad += other.bad - sum(one.bad for one in other.seen)
        self.ticks.append((other.total, other.bad))
        for name, ticks in other.lookups.items():
            self.lookups.setdefault(name, []).extend(ticks)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a step: kept or not, and why."""

    keep: bool
    reason: str
    harmful: bool = False
    """It certainly made things worse: no need to wait for more measurements."""
    measured: float | None = None
    """Difference of p95 in ms, or of the hit rate in points."""
    low: float | None = None
    high: float | None = None


def burns_faster(before: Evidence, after: Evidence) -> bool:
    """Return whether extractions surely break requirements more often than before.

    The share of the last quarter of the window before counts, since a queue that grows breaks them more and more often anyway. It
    counts as high as it may be (Wilson, 95 %), and has to be exceeded with 99 % confidence.
    """
    last = before.ticks[-max(1, len(before.ticks) // 4) :]
    total, bad = sum(tick[0] for tick in last), sum(tick[1] for tick in last)
    if after.bad < 2 or after.total < _FEWEST_TO_BURN or total < _FEWEST_TO_BURN:  # noqa: PLR2004
        return False
    share = interval(bad, total)[1]
    return share < 1 and evidence(after.bad, after.total, share) >= NEEDED


def faster(before: Evidence, after: Evidence, window_ns: int) -> Verdict:
    """Judge a larger pool: kept if p95 or the mean fell, with 95 % confidence for the two together, and neither rose."""
    try:
        found = compare(_sampled(before), _sampled(after), max(1, window_ns // _SLICES))
    except TooLittleError as error:
        return Verdict(False, f"too little to tell: {error}")
    corrected = holm([found.p95.p_value, found.mean.p_value])
    sure = [one for one, p in zip((found.p95, found.mean), corrected, strict=True) if p <= 1 - CONFIDENCE]
    rose = any(one.value > 0 for one in sure)
    keep = bool(sure) and not rose
    reason = "p95 or the mean rose" if rose else "faster with 95 % confidence" if keep else "no effect beyond chance"
    return _in_ms(found.p95, keep=keep, reason=reason, harmful=rose)


def not_slower(before: Evidence, after: Evidence, window_ns: int) -> Verdict:
    """Judge a smaller pool: kept if extractions surely wait less than 5 % of p95 or 1 ms longer, and neither p95 nor the mean rose.

    A smaller pool can only make them wait; how long they wait is known much better than p95.
    """
    try:
        found = compare(_sampled(before), _sampled(after), max(1, window_ns // _SLICES))
    except TooLittleError as error:
        return Verdict(False, f"too little to tell: {error}")
    room = max(_NOT_WORSE_NS, _NOT_WORSE * found.p95.before)
    slice_ns = max(1, window_ns // _SLICES)
    waits = [
        mean_of(
            [float(one.wait_ns) for one in part.seen],
            [1.0] * len(part.seen),
            [one.end_ns // slice_ns for one in part.seen],
        )
        for part in (before, after)
    ]
    rose = (found.p95.significant and found.p95.value > 0) or (found.mean.significant and found.mean.value > 0)
    keep = not rose and difference(waits[0], waits[1]).high <= room
    reason = "no longer waits, with 95 % confidence" if keep else "slower" if rose else "it may be slower"
    return _in_ms(found.p95, keep=keep, reason=reason, harmful=rose and not keep)


def more_hits(before: Evidence, after: Evidence, cache: str) -> Verdict:
    """Judge a larger cache: kept if its hit rate rose with 95 % confidence."""
    found = _hit_rates(before, after, cache)
    if found is None:
        return Verdict(False, "too few look-ups to tell")
    keep = found.significant and found.value > 0
    return _in_points(
        found, keep=keep, reason="more hits with 95 % confidence" if keep else "no more hits beyond chance"
    )


def hardly_fewer_hits(before: Evidence, after: Evidence, cache: str) -> Verdict:
    """Judge a smaller cache: kept if its hit rate fell by less than a point, with 95 % confidence."""
    found = _hit_rates(before, after, cache)
    if found is None:
        return Verdict(False, "too few look-ups to tell")
    keep = found.low >= -_POINT
    return _in_points(
        found, keep=keep, reason="as many hits, with 95 % confidence" if keep else "it may have fewer hits"
    )


def _sampled(part: Evidence) -> list[Sampled]:
    return [
        Sampled(one.end_ns, Explained(one.duration_ns, {"pool_wait": min(one.wait_ns, one.duration_ns)}))
        for one in part.seen
    ]


def _hit_rates(before: Evidence, after: Evidence, cache: str) -> Difference | None:
    means = []
    for part in (before, after):
        ticks: Sequence[tuple[int, int, int]] = [one for one in part.lookups.get(cache, ()) if one[2]]
        if len(ticks) < 3 or sum(one[2] for one in ticks) < 100:  # noqa: PLR2004
            return None
        rates, weights = [one[1] / one[2] for one in ticks], [float(one[2]) for one in ticks]
        means.append(mean_of(rates, weights, range(len(ticks))))
    return difference(means[0], means[1])


def _in_ms(found: Difference, *, keep: bool, reason: str, harmful: bool) -> Verdict:
    return Verdict(keep, reason, harmful, found.value / 1e6, found.low / 1e6, found.high / 1e6)


def _in_points(found: Difference, *, keep: bool, reason: str) -> Verdict:
    harmful = found.significant and found.value < 0 and not keep
    return Verdict(keep, reason, harmful, found.value * 100, found.low * 100, found.high * 100)
