"""The verdict on a step, by the measurements before and after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_fe.autopilot.evidence import WindowPart
from otel_fe.autopilot.failures import doubt, fewer, rose
from otel_fe.changes.comparison import Sampled, TooLittleError, compare
from otel_fe.changes.weighted import CONFIDENCE, Difference, difference, holm, mean_of
from otel_fe.pipeline.causes import Explained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.autopilot.evidence import Evidence

_SLICES: Final = 20
"""A window is cut into so many: what happens in one of them counts as one event as far as chance goes."""
_NOT_WORSE: Final = 0.05
"""Share of p95 by which a smaller pool may lengthen extractions in the mean."""
_NOT_WORSE_NS: Final = 1e6
_POINT: Final = 0.01


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """The verdict on a step: kept or not, and why."""

    keep: bool
    reason: str
    harmful: bool = False
    """The step certainly made things worse: no need to wait for more measurements."""
    measured: float | None = None
    """Difference of p95 in ms, or of the hit rate in points."""
    low: float | None = None
    high: float | None = None


def burns_faster(before: Evidence, after: Evidence) -> bool:
    """Return whether extractions surely break requirements more often than before.

    The share of the last quarter of the window before counts, since a queue that grows breaks them more and more often anyway. It
    counts as high as it may be (Wilson, 95 %), and has to be exceeded with 99 % confidence.
    """
    last = _last_quarter(before)
    return rose((last.bad, last.total), (after.bad, after.total))


def fails_faster(before: Evidence, after: Evidence) -> bool:
    """Return whether extractions surely fail more often than before, likewise.

    Where most broke a requirement before, by being slow, as many that fail instead are no more broken ones.
    """
    last = _last_quarter(before)
    return rose((last.failed, last.total), (after.failed, after.total))


def _last_quarter(before: Evidence) -> WindowPart:
    last = before.ticks[-max(1, len(before.ticks) // 4) :]
    return WindowPart(sum(one.total for one in last), sum(one.bad for one in last), sum(one.failed for one in last))


def faster(before: Evidence, after: Evidence, window_ns: int, pool: str = "") -> StepVerdict:
    """Judge a larger pool: kept if p95 or the mean fell, with 95 % confidence for the two together, and neither rose.

    Extractions that fail are not compared, being fast or slow for other reasons. Their share must not have risen, nor traffic
    fallen (`failures.py`). Fewer failures are an effect as well.
    """
    return _undoubted(before, after, pool, _faster(before, after, window_ns))


def _faster(before: Evidence, after: Evidence, window_ns: int) -> StepVerdict:
    fewer_fail = fewer(before, after)
    try:
        found = compare(_sampled(before), _sampled(after), max(1, window_ns // _SLICES))
    except TooLittleError as error:
        reason = "fewer extractions fail, with 95 % confidence" if fewer_fail else f"too little to tell: {error}"
        return StepVerdict(fewer_fail, reason)
    corrected = holm([found.p95.p_value, found.mean.p_value])
    sure = [one for one, p in zip((found.p95, found.mean), corrected, strict=True) if p <= 1 - CONFIDENCE]
    slower = any(one.value > 0 for one in sure)
    keep = (bool(sure) or fewer_fail) and not slower
    reason = "no effect beyond chance"
    if slower:
        reason = "p95 or the mean rose"
    elif keep:
        reason = "faster with 95 % confidence" if sure else "fewer extractions fail, with 95 % confidence"
    return _in_ms(found.p95, keep=keep, reason=reason, harmful=slower)


def not_slower(before: Evidence, after: Evidence, window_ns: int, pool: str = "") -> StepVerdict:
    """Judge a smaller pool: kept if extractions surely wait less than 5 % of p95 or 1 ms longer, and neither p95 nor the mean rose.

    A smaller pool can only make them wait; how long they wait is known much better than p95. Failures and traffic count as in
    `faster`.
    """
    return _undoubted(before, after, pool, _not_slower(before, after, window_ns))


def _not_slower(before: Evidence, after: Evidence, window_ns: int) -> StepVerdict:
    try:
        found = compare(_sampled(before), _sampled(after), max(1, window_ns // _SLICES))
    except TooLittleError as error:
        return StepVerdict(False, f"too little to tell: {error}")
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
    slower = (found.p95.significant and found.p95.value > 0) or (found.mean.significant and found.mean.value > 0)
    keep = not slower and difference(waits[0], waits[1]).high <= room
    reason = "no longer waits, with 95 % confidence" if keep else "slower" if slower else "it may be slower"
    return _in_ms(found.p95, keep=keep, reason=reason, harmful=slower and not keep)


def _undoubted(before: Evidence, after: Evidence, pool: str, verdict: StepVerdict) -> StepVerdict:
    """Return a verdict on durations; reversed where failures or traffic make it worthless."""
    found = doubt(before, after, pool)
    if found is None or verdict.harmful or not (verdict.keep or found.harmful):
        return verdict
    return replace(verdict, keep=False, reason=found.reason, harmful=found.harmful)


def more_hits(before: Evidence, after: Evidence, cache: str) -> StepVerdict:
    """Judge a larger cache: kept if its hit rate rose with 95 % confidence."""
    found = _hit_rates(before, after, cache)
    if found is None:
        return StepVerdict(False, "too few look-ups to tell")
    keep = found.significant and found.value > 0
    return _in_points(
        found, keep=keep, reason="more hits with 95 % confidence" if keep else "no more hits beyond chance"
    )


def hardly_fewer_hits(before: Evidence, after: Evidence, cache: str) -> StepVerdict:
    """Judge a smaller cache: kept if its hit rate fell by less than a point, with 95 % confidence."""
    found = _hit_rates(before, after, cache)
    if found is None:
        return StepVerdict(False, "too few look-ups to tell")
    keep = found.low >= -_POINT
    return _in_points(
        found, keep=keep, reason="as many hits, with 95 % confidence" if keep else "it may have fewer hits"
    )


def _sampled(part: Evidence) -> list[Sampled]:
    return [
        Sampled(one.end_ns, Explained(one.duration_ns, {"pool_wait": min(one.wait_ns, one.duration_ns)}))
        for one in part.seen
        if not one.failed
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


def _in_ms(found: Difference, *, keep: bool, reason: str, harmful: bool) -> StepVerdict:
    return StepVerdict(keep, reason, harmful, found.value / 1e6, found.low / 1e6, found.high / 1e6)


def _in_points(found: Difference, *, keep: bool, reason: str) -> StepVerdict:
    harmful = found.significant and found.value < 0 and not keep
    return StepVerdict(keep, reason, harmful, found.value * 100, found.low * 100, found.high * 100)
