"""The state of each alert (pending, firing, resolved), and the table of all of them. Pure: no clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from otel_fe.alerting.alert import State
from otel_fe.alerting.likely_cause import Likely
from otel_fe.alerting.origin import Origin
from otel_fe.alerting.rule import THROUGHPUT
from otel_fe.alerting.thresholds import usual_of
from otel_fe.alerting.wording import alert_of
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_fe.alerting.alert import Alert
    from otel_fe.alerting.evaluation import Evaluation
    from otel_fe.alerting.rule import Rule
    from otel_fe.clock import Clock

STALE_S: Final = 300.0
"""A firing alert that is not evaluated for this long is resolved as `no data`."""


@dataclass(slots=True)
class AlertState:
    """The state of one key. Times are monotonic, in ns."""

    rule: Rule
    reading: Evaluation
    """The last one that was known."""
    since_ns: int = 0
    state: State | None = None
    """None while nothing is wrong."""
    sent: bool = False
    """Whether the firing has been sent."""
    resolution: str = ""
    sent_ns: int | None = None
    """The time at which one was last sent."""
    _over_ns: int | None = None
    _unknown_ns: int | None = None

    def advance(self, reading: Evaluation | None, now_ns: int) -> State | None:
        """Update the state by a new evaluation; return the state that has been entered, None where nothing has changed.

        Args:
            reading: None where there is none.
            now_ns: Never less than before.
        """
        known = reading is not None and reading.known
        if reading is not None and known:
            self.reading, self._unknown_ns = reading, None
        else:
            if self._unknown_ns is None:
                self._unknown_ns = now_ns
            if reading is not None and reading.ending:
                self.reading = replace(self.reading, ending=reading.ending, statement=reading.statement)
        if self.state is State.FIRING:
            return self._firing(reading if known else None, now_ns)
        return self._quiet(reading if known else None, now_ns)

    def tell(self, now_ns: int) -> bool:
        """Return whether its firing is to be sent now; it then counts as sent.

        When a silence has ended, only if it still holds: what is on its way to being resolved is no news.
        """
        if self.state is not State.FIRING or self.sent or self._cooling(now_ns):
            return False
        if self._unknown_ns is not None or not self.reading.holds:
            return False
        self.sent, self.sent_ns = True, now_ns
        return True

    def idle(self, now_ns: int) -> bool:
        """Return whether it can be forgotten."""
        return self.state is None and not self._cooling(now_ns)

    def _quiet(self, reading: Evaluation | None, now_ns: int) -> State | None:
        if reading is None or not reading.holds:
            self.state = None
            return None
        entered = None
        if self.state is None:
            self.state, self.since_ns, entered = State.PENDING, now_ns, State.PENDING
        # In its cooldown it stays pending: one that comes back at once is the same incident, already sent.
        if now_ns - self.since_ns >= self.rule.for_s * NS_PER_S and not self._cooling(now_ns):
            self.state = entered = State.FIRING
            self.sent, self.resolution, self._over_ns = False, "", None
        return entered

    def _firing(self, reading: Evaluation | None, now_ns: int) -> State | None:
        if reading is None:
            self._over_ns = None
            if self._unknown_ns is not None and now_ns - self._unknown_ns >= STALE_S * NS_PER_S:
                return self._resolve("no data")
            return None
        if not reading.over:
            self._over_ns = None
            return None
        if self._over_ns is None:
            self._over_ns = now_ns
        if now_ns - self._over_ns >= self.rule.clear_for_s * NS_PER_S:
            return self._resolve("recovered")
        return None

    def _resolve(self, why: str) -> State:
        self.state, self.resolution = None, why
        return State.RESOLVED

    def _cooling(self, now_ns: int) -> bool:
        return self.sent_ns is not None and now_ns - self.sent_ns < self.rule.cooldown_s * NS_PER_S


MAX_TRACKS: Final = 1_000
"""Keys that are followed; further ones wait until some are forgotten."""


@dataclass(slots=True)
class _Followed:
    """One key."""

    track: AlertState
    since_unix_s: float = 0.0
    fired_unix_s: float = 0.0
    why: Likely = field(default_factory=Likely)
    exemplars: tuple[str, ...] = ()
    alert: Alert | None = None
    """The alert as it was last; None while nothing is wrong."""
    silenced: bool = False
    usual: float | None = None
    """The rate that a drop of throughput is measured by; None for other rules."""


class AlertStateTable:
    """Follows every key. Not thread-safe: the owner holds the lock.

    Args:
        clock: Durations are monotonic, what is shown is Unix time.
        explain: Returns the likely cause of a reading, and exemplars; called once per firing.
        origin: Returns who speaks in the alerts, and where their links lead.
    """

    def __init__(
        self,
        clock: Clock,
        explain: Callable[[Evaluation], tuple[Likely, tuple[str, ...]]],
        origin: Callable[[], Origin] = Origin,
    ) -> None:
        self._clock = clock
        self._explain = explain
        self._origin = origin
        self._followed: dict[str, _Followed] = {}
        self.left_out = 0
        """Readings that held and could not be followed: too many keys."""

    def take(self, readings: Iterable[Evaluation], silent: Callable[[Evaluation], bool]) -> list[Alert]:
        """Update all states by the evaluations of a moment; return the alerts to be sent now, firing and resolved.

        Args:
            readings: What is missing is not known.
            silent: Whether the alert of a reading is silenced.
        """
        now = self._clock.monotonic_ns()
        alerts: list[Alert] = []
        seen = {reading.key: reading for reading in readings}
        for key, reading in seen.items():
            if key not in self._followed and reading.holds:
                if len(self._followed) >= MAX_TRACKS:
                    self.left_out += 1
                else:
                    self._followed[key] = _Followed(AlertState(reading.rule, reading))
        for key, one in list(self._followed.items()):
            alerts += self._advance(one, seen.get(key), now, silent)
            if one.track.idle(now):
                del self._followed[key]
        return alerts

    def alerts(self, state: State) -> list[Alert]:
        """Return the alerts in a state, pending or firing, the oldest first."""
        found = [one.alert for one in self._followed.values() if one.alert is not None and one.alert.state is state]
        return sorted(found, key=lambda alert: (alert.since_unix_s, alert.key))

    def held_rates(self) -> dict[str, float]:
        """Return the rates that throughput is measured by, of alerts that are pending or firing, by key."""
        return {key: one.usual for key, one in self._followed.items() if one.usual is not None}

    def _advance(
        self, one: _Followed, reading: Evaluation | None, now: int, silent: Callable[[Evaluation], bool]
    ) -> list[Alert]:
        track, unix_s = one.track, self._clock.time_ns() / 1e9
        was_sent = track.sent
        entered = track.advance(reading, now)
        if entered is State.RESOLVED:
            alert = self._made(one, State.RESOLVED, unix_s)
            one.alert, one.usual = None, None
            return [alert] if was_sent else []
        if track.state is None:
            one.alert, one.usual = None, None
            return []
        if entered is not None:
            if entered is State.PENDING or one.alert is None:
                one.since_unix_s = unix_s
                one.usual = usual_of(track.reading) if track.rule.subject == THROUGHPUT else None
            if entered is State.FIRING:
                one.fired_unix_s = unix_s
                one.why, one.exemplars = self._explain(track.reading)
        one.silenced = silent(track.reading)
        one.alert = self._made(one, track.state, 0.0)
        return [one.alert] if not one.silenced and track.tell(now) else []

    def _made(self, one: _Followed, state: State, resolved_unix_s: float) -> Alert:
        pending = state is State.PENDING
        times = (one.since_unix_s, 0.0 if pending else one.fired_unix_s, resolved_unix_s)
        why, exemplars = (Likely(), ()) if pending else (one.why, one.exemplars)
        resolution = one.track.resolution if state is State.RESOLVED else ""
        alert = alert_of(one.track.reading, state, times, why, exemplars, resolution, self._origin())
        return replace(alert, silenced=True) if one.silenced else alert
