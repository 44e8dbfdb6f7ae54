"""The extractions of a process, by service and feature set, in sliding windows."""

from __future__ import annotations

from _thread import RLock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.forks import renew_after_fork
from otel_fe.live.slow import SlowSample
from otel_fe.live.timeline import Timeline, added_up, begin_ns
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.semconv import OVERFLOW
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.clock import Clock
    from otel_fe.live.extraction_totals import ExtractionTotals
    from otel_fe.live.timeline import Slice
    from otel_fe.model.measurements import Measurements
    from otel_fe.pipeline.causes import Explained

MAX_GROUPS: Final = 100


class ExtractionGroup(NamedTuple):
    """The key of a group's windows."""

    service: str = ""
    """Empty for this process."""
    feature_set: str = ""
    """Empty for extractions without one; `otel.metric.overflow` for the groups beyond the bound."""


_OTHERS: Final = ExtractionGroup("", OVERFLOW)


@dataclass(frozen=True, slots=True)
class LiveWindow:
    """The extractions of the last so many seconds."""

    tally: ExtractionTotals
    seconds: float
    """Its actual length: shorter if the view is younger; to the width of its slices."""

    @property
    def rate(self) -> float:
        """Extractions a second; over a second where less has gone by."""
        return self.tally.count / max(self.seconds, 1.0)


@dataclass(slots=True)
class _Held:
    """The windows of a group."""

    timeline: Timeline
    sample: SlowSample = field(default_factory=SlowSample)


class LiveView:
    """Counts extractions as they end, in sliding windows of minutes, hours and a day.

    Bounded by `max_groups`; what was kept of a group goes a day after its last extraction. Safe to share between threads: the
    lock is held for the microseconds of a record, or while references are collected.

    Args:
        clock: Slices are of its monotonic time.
        limits_ns: Durations for which it is exact how many extractions reached them; 100 ms is always among them.
        max_groups: The most groups; further ones are counted together.
    """

    def __init__(self, clock: Clock, limits_ns: Sequence[int] = (), max_groups: int = MAX_GROUPS) -> None:
        self.clock = clock
        self.limits_ns = tuple(sorted({LATENCY_LIMIT_NS, *limits_ns}))
        self._max_groups = max_groups
        self._monotonic_ns = clock.monotonic_ns
        self._reset()
        renew_after_fork(self._reset)

    def _reset(self) -> None:
        """Start over; in a forked child, which did not run what its parent has counted."""
        self._lock = RLock()
        self._groups: dict[ExtractionGroup, _Held] = {}
        self._own: dict[str, _Held] = {}
        """Those of this process, by feature set."""
        self._recording = False
        self._late: list[Measurements] = []
        self.started_ns = self.clock.monotonic_ns()
        self.total = 0
        """Extractions since it was made."""

    def record(self, figures: Measurements) -> None:
        """Count an ended extraction of this process. Flat: this is paid for by the extraction."""
        with self._lock:
            if self._recording:
                # The garbage collector has ended another extraction on this very thread, in the middle of a record.
                self._late.append(figures)
                return
            self._recording = True
            try:
                now = self._monotonic_ns()
                self._count(
                    figures,
                    self._own.get(figures.feature_set) or self._held(ExtractionGroup("", figures.feature_set), now),
                    now,
                )
            finally:
                self._recording = False
            if self._late:
                self.record(self._late.pop())

    def record_of(self, figures: Measurements, service: str) -> None:
        """Count an ended extraction of a service, which is not counted anywhere else in this process."""
        now = self._monotonic_ns()
        with self._lock:
            self._count(figures, self._held(ExtractionGroup(service, figures.feature_set), now), now)

    def add(self, tally: ExtractionTotals, group: ExtractionGroup) -> None:
        """Count extractions that were added up elsewhere; the tally has this view's limits."""
        now = self.clock.monotonic_ns()
        with self._lock:
            self._held(group, now).timeline.at(now).merge(tally)
            self.total += tally.count

    def _count(self, figures: Measurements, held: _Held, now: int) -> None:
        held.timeline.at(now).record(figures)
        self.total += 1
        lookups = figures.cache_lookups
        if lookups and figures.cache_hits == lookups:
            held.sample.hit(now, figures.duration_ns)
        if figures.duration_ns >= LATENCY_LIMIT_NS:
            held.sample.slow(now, figures)

    def _held(self, group: ExtractionGroup, now_ns: int) -> _Held:
        found = self._groups.get(group)
        if found is not None:
            return found
        if len(self._groups) >= self._max_groups:
            for known in [g for g, held in self._groups.items() if held.timeline.idle_since(now_ns)]:
                del self._groups[known]
                if not known.service:
                    self._own.pop(known.feature_set, None)
            if len(self._groups) >= self._max_groups:
                group = _OTHERS
        found = self._groups.setdefault(group, _Held(Timeline(self.limits_ns)))
        if group != _OTHERS and not group.service:
            self._own[group.feature_set] = found
        return found

    # --- reading ------------------------------------------------------------------------------------------------------

    def groups(self) -> list[ExtractionGroup]:
        """Return the groups that there are, in order."""
        with self._lock:
            return sorted(self._groups)

    def slices(self, group: ExtractionGroup, length_s: float, before_s: float = 0.0) -> list[Slice]:
        """Return the slices of a group that lie within the last `length_s` seconds, oldest first, without empty ones.

        Args:
            group: Which.
            length_s: How far back they reach from now.
            before_s: Leaves out those of the last so many seconds.
        """
        now = self.clock.monotonic_ns()
        with self._lock:
            held = self._groups.get(group)
            found = [] if held is None else held.timeline.slices(now, int(length_s * NS_PER_S))
        end = now - int(before_s * NS_PER_S)
        return [one for one in found if one.end_ns <= end] if before_s else found

    def window(self, group: ExtractionGroup, length_s: float) -> LiveWindow:
        """Return what a group did in the last so many seconds."""
        return self._window(self.slices(group, length_s), length_s)

    def windows(self, length_s: float) -> dict[ExtractionGroup, LiveWindow]:
        """Return the same of every group that did anything then."""
        found = {group: self.window(group, length_s) for group in self.groups()}
        return {group: window for group, window in found.items() if window.tally.count}

    def overall(self, windows: Sequence[LiveWindow], length_s: float) -> LiveWindow:
        """Return the sum of some groups' windows of one length."""
        found = added_up((), self.limits_ns)
        for window in windows:
            found.merge(window.tally)
        return LiveWindow(found, max((window.seconds for window in windows), default=self._seconds(length_s)))

    def slow(self, group: ExtractionGroup, length_s: float) -> tuple[list[Explained], list[Explained]]:
        """Return a sample of a group's slow extractions of the last so many seconds, and of those that hit."""
        start = self.clock.monotonic_ns() - int(length_s * NS_PER_S)
        with self._lock:
            held = self._groups.get(group)
            return ([], []) if held is None else held.sample.since(start)

    def _window(self, slices: Sequence[Slice], length_s: float) -> LiveWindow:
        return LiveWindow(added_up(slices, self.limits_ns), self._seconds(length_s))

    def _seconds(self, length_s: float) -> float:
        now = self.clock.monotonic_ns()
        return (now - max(begin_ns(now, int(length_s * NS_PER_S)), self.started_ns)) / NS_PER_S
