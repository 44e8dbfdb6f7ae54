"""Detects points of a series that differ from the usual of their hour for longer, or by more, than noise explains.

Two tests on the deviation from the expected value, in units of the usual deviation: one point that is far out, and a cumulative sum
of smaller ones that go on (E. S. Page, "Continuous inspection schemes", Biometrika 1954). What is learned from a point is cut
off at three deviations, so that an incident does not become the usual; a level that stays becomes it within a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.anomalies.season import Season
from otel_fe.units import DAY_S, HOUR_S

if TYPE_CHECKING:
    from otel_fe.anomalies.kinds import SeriesKind

POINT_S: Final = 300.0
"""Seconds from one point to the next."""
WARM_UP_S: Final = HOUR_S
"""Nothing is detected in the first hour."""
_WEEK_S: Final = 7 * DAY_S
_FAR: Final = 6.5
"""Deviations of a single point."""
_SLACK: Final = 1.0
"""Deviations that the cumulative sum lets pass at each point."""
_SUM: Final = 11.0
_CUT: Final = 3.0
_CUT_SUM: Final = 5.0
_SPREAD_POINTS: Final = 250.0
_LEVEL_POINTS: Final = 144.0
_NORMAL: Final = 1.2533
"""Standard deviation over mean absolute deviation, of a normal distribution."""
_FIRST_POINTS: Final = 12
_BEFORE_A_DAY: Final = 2.0
_BEFORE_A_WEEK: Final = 1.35
"""Until a day, and a week, have been seen, what is usual is known less well: both thresholds are so many times higher."""


@dataclass(frozen=True, slots=True)
class PointVerdict:
    """The verdict on one point."""

    expected: float
    """The usual value, in the series' own unit."""
    deviation: float
    """Distance from the usual value, in usual deviations; above 0 is bad."""
    anomalous: bool
    """Whether this point is far out, or ends a run of points that together are."""
    far: bool = False
    """Whether this point alone is far out; else it is the last of a run."""
    usual: bool = False
    """Whether the series is certainly back to the usual."""


class Detector:
    """Follows one series. Points come in order; what is missing is left out. Not thread-safe: the owner holds the lock.

    Args:
        kind: Of the series.

    Raises:
        MissingExtraError: river is not installed.
    """

    def __init__(self, kind: SeriesKind) -> None:
        self._kind = kind
        self._season = Season(DAY_S / POINT_S)
        self._first_s: float | None = None
        self._points = 0
        self._origin = 0.0
        self._level = 0.0
        self._spread = 0.0
        self._sum = 0.0
        self._seasonal = False

    def observe(self, unix_s: float, value: float) -> PointVerdict:
        """Judge a point, and learn from it.

        Args:
            unix_s: Its time, later than that of the point before.
            value: In the series' own unit.
        """
        even = self._kind.even(value)
        if self._first_s is None:
            self._first_s, self._origin, self._spread = unix_s, even, self._kind.least / 2
        age_s = unix_s - self._first_s
        season = self._usual(unix_s, age_s)
        residual = even - self._origin - season - self._level
        spread = max(self._spread, self._kind.least / _FAR)
        deviation = residual / spread if self._kind.rising_is_bad else -residual / spread
        warm = age_s >= WARM_UP_S and self._points >= _FIRST_POINTS
        verdict = self._judge(deviation, age_s, self._kind.back(even - residual), warm=warm)
        self._learn(unix_s, season, residual, spread)
        return verdict

    def _judge(self, deviation: float, age_s: float, expected: float, *, warm: bool) -> PointVerdict:
        times = _BEFORE_A_DAY if age_s < DAY_S else _BEFORE_A_WEEK if age_s < _WEEK_S else 1.0
        pushed = min(deviation, _CUT_SUM) - _SLACK * times
        self._sum = min(max(0.0, self._sum + pushed), 1.5 * _SUM * times) if warm else 0.0
        far = warm and deviation >= _FAR * times
        anomalous = far or self._sum >= _SUM * times
        return PointVerdict(expected, deviation, anomalous, far, usual=not anomalous and self._sum < _SUM / 2)

    def _usual(self, unix_s: float, age_s: float) -> float:
        """Return the course of the day at a time, once a day has been seen; nothing until then, and the level follows it."""
        if age_s < DAY_S:
            return 0.0
        if not self._seasonal:
            self._seasonal, self._level = True, 0.0
        return self._season.expected(unix_s)

    def _learn(self, unix_s: float, season: float, residual: float, spread: float) -> None:
        cut = max(-_CUT * spread, min(_CUT * spread, residual))
        known = season + self._level
        self._points += 1
        # Quick while there is little: an average of what there is.
        self._level += cut / min(self._points, _LEVEL_POINTS)
        self._spread += (_NORMAL * abs(cut) - self._spread) / min(self._points + _FIRST_POINTS, _SPREAD_POINTS)
        # The season learns all of it, slowly; the level is what it does not explain yet.
        self._season.learn(unix_s, known + cut)
