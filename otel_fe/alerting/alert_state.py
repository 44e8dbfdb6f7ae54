"""The life of one alert: pending, firing, resolved. Pure: time is handed in.

At most one firing is told per cooldown, and each one that was told is followed by exactly one resolution, whatever the
readings do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.alerting.alert import State

if TYPE_CHECKING:
    from otel_fe.alerting.evaluation import Evaluation
    from otel_fe.alerting.rule import Rule

STALE_S: Final = 300.0
"""Without a reading for so long, a firing alert is resolved for want of data."""
_NS: Final = 1_000_000_000


@dataclass(slots=True)
class AlertState:
    """What is known of one key. Times are monotonic, in ns."""

    rule: Rule
    reading: Evaluation
    """The last one that was known."""
    since_ns: int = 0
    state: State | None = None
    """None while nothing is wrong."""
    told: bool = False
    """Whether the firing has been told."""
    resolution: str = ""
    told_ns: int | None = None
    """When one was told last."""
    _over_ns: int | None = None
    _unknown_ns: int | None = None

    def advance(self, reading: Evaluation | None, now_ns: int) -> State | None:
        """Take the reading of this moment; return the state that has been entered, None where nothing has changed.

        Args:
            reading: None where there is none.
            now_ns: Never less than before.
        """
        known = reading is not None and reading.known
        if reading is not None and known:
            self.reading, self._unknown_ns = reading, None
        elif self._unknown_ns is None:
            self._unknown_ns = now_ns
        if self.state is State.FIRING:
            return self._firing(reading if known else None, now_ns)
        return self._quiet(reading if known else None, now_ns)

    def tell(self, now_ns: int) -> bool:
        """Whether its firing is to be told now; it then counts as told.

        When a silence has ended, only if it still holds: what is on its way to being resolved is no news.
        """
        if self.state is not State.FIRING or self.told or self._cooling(now_ns):
            return False
        if self._unknown_ns is not None or not self.reading.holds:
            return False
        self.told, self.told_ns = True, now_ns
        return True

    def idle(self, now_ns: int) -> bool:
        """Whether it can be forgotten."""
        return self.state is None and not self._cooling(now_ns)

    def _quiet(self, reading: Evaluation | None, now_ns: int) -> State | None:
        if reading is None or not reading.holds:
            self.state = None
            return None
        entered = None
        if self.state is None:
            self.state, self.since_ns, entered = State.PENDING, now_ns, State.PENDING
        # While it cools down it stays pending: what comes back at once is the same incident, already told.
        if now_ns - self.since_ns >= self.rule.for_s * _NS and not self._cooling(now_ns):
            self.state = entered = State.FIRING
            self.told, self.resolution, self._over_ns = False, "", None
        return entered

    def _firing(self, reading: Evaluation | None, now_ns: int) -> State | None:
        if reading is None:
            self._over_ns = None
            if self._unknown_ns is not None and now_ns - self._unknown_ns >= STALE_S * _NS:
                return self._resolve("no data")
            return None
        if not reading.over:
            self._over_ns = None
            return None
        if self._over_ns is None:
            self._over_ns = now_ns
        if now_ns - self._over_ns >= self.rule.clear_for_s * _NS:
            return self._resolve("recovered")
        return None

    def _resolve(self, why: str) -> State:
        self.state, self.resolution = None, why
        return State.RESOLVED

    def _cooling(self, now_ns: int) -> bool:
        return self.told_ns is not None and now_ns - self.told_ns < self.rule.cooldown_s * _NS
