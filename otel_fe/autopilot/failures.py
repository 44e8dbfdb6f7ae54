"""Failures and traffic before and after a step: an extraction that fails at once is no fast one, and less traffic no merit.

A pool that times out sooner, or whose connections fail, lowers p95 of what it answers; so do fewer callers. Neither is kept as
"faster".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.pipeline.confidence import NEEDED, evidence, interval

if TYPE_CHECKING:
    from otel_fe.autopilot.evidence import Evidence

_FEWEST: Final = 20
_POINT: Final = 0.01
"""The rise of the share of failures that the 95 % interval must exclude."""
_COMPARABLE: Final = 0.8
"""Of the successful extractions a second before: with fewer, less waiting may be due to less traffic."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """The reason why an effect on durations proves nothing."""

    reason: str
    harmful: bool
    """Failures surely rose."""


@dataclass(frozen=True, slots=True)
class FailureCounts:
    """Failures and totals, before and after."""

    what: str
    before: tuple[int, int]
    after: tuple[int, int]

    @classmethod
    def of_extractions(cls, before: Evidence, after: Evidence) -> FailureCounts:
        """Return those of the extractions of two windows."""
        return cls("extractions", (before.failed, before.total), (after.failed, after.total))

    @property
    def surely_more(self) -> bool:
        """Return whether the share rose beyond the highest that it may have been before (Wilson, 95 %), with 99 % confidence."""
        return rose(self.before, self.after)

    @property
    def may_be_more(self) -> bool:
        """Return whether any failed, and the 95 % interval of the rise reaches beyond a point.

        R. Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10.
        """
        (failed, total), (failed_then, total_then) = self.before, self.after
        if not failed_then:
            return False
        share, then = failed / total if total else 0.0, failed_then / total_then
        low, high = interval(failed, total)[0], interval(failed_then, total_then)[1]
        return then - share + math.hypot(high - then, share - low) > _POINT

    @property
    def rise(self) -> str:
        """Return the reason that more failures are."""
        return f"it fails more often: {self}"

    def __str__(self) -> str:
        return f"{self.after[0]} of {self.after[1]} {self.what} failed, before {self.before[0]} of {self.before[1]}"


def rose(before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Return whether a share of bad events has surely risen, each given as bad ones and all."""
    (bad, total), (bad_then, total_then) = before, after
    if bad_then < 2 or total_then < _FEWEST or total < _FEWEST:  # noqa: PLR2004
        return False
    share = interval(bad, total)[1]
    return share < 1 and evidence(bad_then, total_then, share) >= NEEDED


def doubt(before: Evidence, after: Evidence, pool: str) -> Doubt | None:
    """Return why a comparison of durations proves nothing; None where failures did not rise and traffic did not fall.

    Args:
        before: The window before the step.
        after: The windows after it.
        pool: Whose requests count as well: the application may answer a failed one by a default.
    """
    sides = [FailureCounts.of_extractions(before, after)]
    if pool in before.requests and pool in after.requests:
        (asked, failed), (asked_then, failed_then) = before.requests[pool], after.requests[pool]
        sides.append(FailureCounts("requests for a connection", (failed, asked), (failed_then, asked_then)))
    for one in sides:
        if one.surely_more:
            return Doubt(one.rise, harmful=True)
    for one in sides:
        if one.may_be_more:
            return Doubt(f"it may fail more often: {one}", harmful=False)
    return _less_traffic(before, after)


def fewer(before: Evidence, after: Evidence) -> bool:
    """Return whether a smaller share of the extractions surely fails than before."""
    return rose((after.failed, after.total), (before.failed, before.total))


def _less_traffic(before: Evidence, after: Evidence) -> Doubt | None:
    if not before.elapsed_ns or not after.elapsed_ns:
        return None
    rate, then = ((one.total - one.failed) / (one.elapsed_ns / 1e9) for one in (before, after))
    if then >= _COMPARABLE * rate:
        return None
    return Doubt(
        f"{then:.3g} extractions/s succeeded, before {rate:.3g}: with so much less traffic they would wait less anyway",
        harmful=False,
    )
