"""Decides which resource gets which size, and whether to keep it. Pure: time, measurements and resources are arguments.

One experiment at a time: two effects could not be separated. It has a window before, a step, and one window after it or two.
The step is kept only if what it was to bring is there with 95 % confidence and nothing became worse; it is reverted otherwise, and
at once where extractions break their requirements more often than before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from otel_fe.autopilot.evidence import Evidence
from otel_fe.autopilot.failures import FailureCounts
from otel_fe.autopilot.resource import CannotResizeError
from otel_fe.autopilot.step import ABANDONED, KEPT, PROPOSED, REFUSED, RESTORED, REVERTED, TRIED, ResizeStep
from otel_fe.autopilot.verdict import StepVerdict, burns_faster, fails_faster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.autopilot.resource import ResizableResource
    from otel_fe.config.autopilot import SizeBounds

_WINDOWS: Final = 2
"""The most that an experiment waits for a verdict."""
_SETTLE: Final = 0.1
"""Share of a window after a step that is not measured, since it has extractions that began before."""
_REST: Final = 8
"""Windows for which a step that was reverted is not tried again; twice as many each further time."""
_MOST_REST: Final = 512


@dataclass(frozen=True, slots=True)
class Proposal:
    """A size that would be better."""

    resource: ResizableResource
    size: int
    reason: str
    predict: Callable[[int], float | None]
    """Predicts the difference that a size makes: of p95 in ms, or of the hit rate in points."""
    judge: Callable[[Evidence, Evidence], StepVerdict]
    """Judges the windows before and after."""
    gain: float = 0.0
    """By which the best of several is chosen: ms of p95 that it is worth."""


def unsized(resource: ResizableResource) -> Proposal:
    """Return the proposal to resize what cannot be: the controller reports once that it is refused, and why."""
    return Proposal(resource, 0, "", lambda _size: None, lambda _before, _after: StepVerdict(False, ""))  # noqa: FBT003 it is never kept


class Adviser(Protocol):
    """Knows the resources, and what would be better."""

    def begin(self) -> None:
        """Start a window of measurements."""
        ...

    def advise(self, before: Evidence) -> list[Proposal]:
        """Return what would be better, by the window since `begin`."""
        ...

    def resources(self) -> Sequence[ResizableResource]:
        """Return all there are."""
        ...


@dataclass(slots=True)
class _Trial:
    proposal: Proposal
    before: int
    after: int
    predicted: float | None
    windows: int = 1


@dataclass(slots=True)
class _Rest:
    """A step that was reverted, and for how long it is not tried again."""

    until_ns: int = 0
    times: int = 0


@dataclass(slots=True)
class Controller:
    """The autopilot of one process. Not thread-safe: one thread ticks, and another may only add measurements.

    Args:
        adviser: Knows resources.
        measure: Takes what was measured since it was last called.
        report: Takes every step.
        limits: Bounds by name; a resource without bounds is left alone.
        act: Whether to resize; otherwise steps are only proposed.
        window_ns: Of a measurement.
    """

    adviser: Adviser
    measure: Callable[[], Evidence]
    report: Callable[[ResizeStep], None]
    limits: dict[str, SizeBounds]
    act: bool
    window_ns: int
    _window: Evidence = field(default_factory=Evidence)
    _until_ns: int = 0
    _before: Evidence | None = None
    _trial: _Trial | None = None
    _settling_ns: int = 0
    _rests: dict[tuple[str, bool], _Rest] = field(default_factory=dict)
    _said: set[tuple[str, int, str]] = field(default_factory=set)
    _now_ns: int = 0
    _measured_ns: int = 0

    def tick(self, now_ns: int, unix_ns: int) -> None:
        """Do the next step of the experiment, if it is due.

        Args:
            now_ns: Monotonic.
            unix_ns: The Unix time, for steps.
        """
        self._now_ns = unix_ns
        found = self.measure()
        found.elapsed_ns = now_ns - self._measured_ns if self._measured_ns else 0
        self._measured_ns = now_ns
        if self.act:
            for resource in self.adviser.resources():
                resource.settle()
        if not self._until_ns:
            self._begin(now_ns)
            return
        if self._trial is not None and self._resized_meanwhile(self._trial):
            self._abandon(now_ns, self._trial)
            return
        if self._settling_ns:
            if now_ns < self._settling_ns:
                return
            self._settling_ns = 0
            self._window = Evidence()
            return
        self._window.add(found)
        burning = _burning(self._before, self._window) if self._trial is not None and self._before is not None else ""
        if self._trial is not None and burning:
            self._revert(now_ns, self._trial, burning)
        elif now_ns >= self._until_ns:
            self._judge(now_ns) if self._trial is not None else self._propose(now_ns)

    def undo(self) -> None:
        """Undo a step that is not decided yet, without a report: in a forked child its experiment does not continue."""
        trial, self._trial = self._trial, None
        if trial is not None and not self._resized_meanwhile(trial):
            self._now_named(trial.proposal.resource).resize(trial.before)

    def close(self, unix_ns: int) -> None:
        """Restore the application's size of every resource."""
        self._now_ns = unix_ns
        for resource in self.adviser.resources():
            try:
                now = resource.size()
                resource.restore()
                then = resource.size()
            except CannotResizeError:
                continue
            if now != then:
                self._say(resource, now, then, RESTORED, "the autopilot ends", None)
        self._trial = None

    def _begin(self, now_ns: int, *, settle: bool = False) -> None:
        self._window = Evidence()
        self._settling_ns = now_ns + round(self.window_ns * _SETTLE) if settle else 0
        self._until_ns = now_ns + self.window_ns + (round(self.window_ns * _SETTLE) if settle else 0)
        self.adviser.begin()

    def _propose(self, now_ns: int) -> None:
        proposals = [one for one in self.adviser.advise(self._window) if self._allowed(one, now_ns)]
        proposals.sort(key=lambda one: -one.gain)
        for proposal in proposals:
            if self._try(proposal, now_ns):
                return
        self._begin(now_ns)

    def _allowed(self, proposal: Proposal, now_ns: int) -> bool:
        try:
            rises = proposal.size > proposal.resource.size()
        except CannotResizeError:
            return True  # so that it is reported
        rest = self._rests.get((proposal.resource.name, rises))
        return rest is None or now_ns >= rest.until_ns

    def _try(self, proposal: Proposal, now_ns: int) -> bool:
        """Take a step, or report it in a dry run; return whether an experiment has begun."""
        resource = proposal.resource
        try:
            before = resource.size()
            size = self._within(proposal, before)
            if size is None:
                return False
            if not self.act:
                self._once(resource, before, size, PROPOSED, proposal.reason, proposal.predict(size))
                return False
            predicted = proposal.predict(size)
            resource.resize(size)
        except CannotResizeError as error:
            self._once(resource, 0, proposal.size, REFUSED, str(error), None)
            return False
        self._before = self._window
        self._trial = _Trial(proposal, before, size, predicted)
        self._say(resource, before, size, TRIED, proposal.reason, predicted)
        self._begin(now_ns, settle=True)
        return True

    def _within(self, proposal: Proposal, before: int) -> int | None:
        """Return the size within the bounds and the server's limit; None where nothing is left of the step."""
        resource = proposal.resource
        bounds = self.limits.get(resource.name) or self.limits.get(resource.kind)
        if bounds is None:
            raise CannotResizeError(f"{resource.name} has no bounds in OTEL_FE_AUTOPILOT_LIMITS.")
        size, rises = max(proposal.size, bounds.low), proposal.size > before
        if rises:  # a smaller one goes step by step also from beyond the bounds
            size = min(size, bounds.high)
        if size > before:
            most = resource.most()
            size = size if most is None else min(size, most)
        return size if size != before and (size > before) is rises else None

    def _judge(self, now_ns: int) -> None:
        trial = self._trial
        if trial is None or self._before is None:
            return
        verdict = trial.proposal.judge(self._before, self._window)
        if verdict.keep:
            self._trial = None
            resource = self._now_named(trial.proposal.resource)
            self._rests.pop((resource.name, trial.after > trial.before), None)
            self._say(resource, trial.before, trial.after, KEPT, verdict.reason, trial.predicted, verdict)
            self._begin(now_ns)
        elif verdict.harmful or trial.windows >= _WINDOWS:
            self._revert(now_ns, trial, verdict.reason)
        else:
            trial.windows += 1
            self._until_ns = now_ns + self.window_ns

    def _revert(self, now_ns: int, trial: _Trial, reason: str) -> None:
        resource = self._now_named(trial.proposal.resource)
        resource.resize(trial.before)
        # Not before: where that fails, the next tick tries it again.
        self._trial = None
        rest = self._rests.setdefault((resource.name, trial.after > trial.before), _Rest())
        rest.until_ns = now_ns + min(_MOST_REST, _REST << rest.times) * self.window_ns
        rest.times = min(rest.times + 1, 10)
        # Within its first window too, though often with too few extractions. The resize has not waited for it.
        verdict = None if self._before is None else trial.proposal.judge(self._before, self._window)
        self._say(resource, trial.before, trial.after, REVERTED, reason, trial.predicted, verdict)
        self._begin(now_ns, settle=True)

    def _resized_meanwhile(self, trial: _Trial) -> bool:
        """Return whether the application has given the resource another size than the one that is tried."""
        try:
            return self._now_named(trial.proposal.resource).size() != trial.after
        except CannotResizeError:
            return False

    def _abandon(self, now_ns: int, trial: _Trial) -> None:
        self._trial = None
        reason = "the application resized it meanwhile; its size stays"
        self._say(trial.proposal.resource, trial.before, trial.after, ABANDONED, reason, trial.predicted)
        self._begin(now_ns, settle=True)

    def _now_named(self, resource: ResizableResource) -> ResizableResource:
        """Return the present resource of a name: `dispose()` replaces a pool by another."""
        return next((one for one in self.adviser.resources() if one.name == resource.name), resource)

    def _once(
        self, resource: ResizableResource, before: int, size: int, outcome: str, reason: str, predicted: float | None
    ) -> None:
        """Report a step that changes nothing, unless it was reported."""
        key = (resource.name, size if outcome == PROPOSED else 0, outcome)
        if key not in self._said and len(self._said) < 1_000:  # noqa: PLR2004 a bound
            self._said.add(key)
            self._say(resource, before, size, outcome, reason, predicted)

    def _say(
        self,
        resource: ResizableResource,
        before: int,
        size: int,
        outcome: str,
        reason: str,
        predicted: float | None,
        verdict: StepVerdict | None = None,
    ) -> None:
        measured = (None, None, None) if verdict is None else (verdict.measured, verdict.low, verdict.high)
        self.report(
            ResizeStep(self._now_ns, resource.name, resource.kind, before, size, outcome, reason, predicted, *measured)
        )


def _burning(before: Evidence, after: Evidence) -> str:
    """Return the reason to revert a step at once, with what was measured; empty where there is none."""
    if burns_faster(before, after):
        return (
            f"requirements broke more often than before: in {after.bad} of {after.total} extractions, "
            f"before in {before.bad} of {before.total}"
        )
    if fails_faster(before, after):
        return FailureCounts.of_extractions(before, after).rise
    return ""
