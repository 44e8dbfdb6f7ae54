"""Counters of a cluster whose processes come and go, added up over a window of time."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.clock import Clock
    from otel_fe.ray.scrape import ScrapedSample

_CUMULATIVE: Final = ("_total", "_bucket", "_count", "_sum")
_MOST: Final = 720
"""Readings kept for a window, at most; more often ones replace each other."""
_FORGOTTEN_AFTER: Final = 60
"""Readings without a series until its last value is forgotten."""
_LABELS: Final = ("application", "deployment", "feature_set", "slo", "good", "result", "le", "latency_le_ms")
"""The labels that distinguish figures; over processes they are summed."""

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A name and those of its labels that matter."""


class GrowthTotals:
    """The growth of counters over the last `window_s`; at first, since their processes started.

    A process that dies takes its counters with it, and a restarted one counts from zero: neither reduces the totals.

    Args:
        clock: For the window.
        window_s: How far back figures reach.
    """

    def __init__(self, clock: Clock, window_s: float) -> None:
        self._clock = clock
        self._window_ns = int(window_s * 1e9)
        self._number = 0
        self._last: dict[Series, tuple[float, int]] = {}
        self._grown: dict[Series, float] = {}
        self._readings: deque[tuple[int, dict[Series, float]]] = deque([(clock.monotonic_ns(), {})])

    def update(self, samples: Iterable[ScrapedSample]) -> None:
        """Take in one reading of all counters."""
        now: dict[Series, float] = defaultdict(float)
        for sample in samples:
            if sample.name.endswith(_CUMULATIVE):
                now[sample.name, sample.labels] += sample.value
        grown = defaultdict(float, self._grown)
        self._number += 1
        for (name, labels), value in now.items():
            before, _ = self._last.get((name, labels), (0.0, 0))
            kept = tuple((key, text) for key, text in labels if key in _LABELS)
            grown[name, kept] += value - before if value >= before else value
            self._last[name, labels] = value, self._number
        # A node that does not answer once comes back with the values it had; who is long gone is forgotten.
        self._last = {key: last for key, last in self._last.items() if self._number - last[1] < _FORGOTTEN_AFTER}
        self._grown = dict(grown)
        self._keep()

    def _keep(self) -> None:
        at = self._clock.monotonic_ns()
        readings = self._readings
        if len(readings) > 1 and at - readings[-2][0] < self._window_ns // _MOST:
            readings.pop()
        readings.append((at, self._grown))
        while len(readings) > 1 and readings[1][0] <= at - self._window_ns:
            readings.popleft()

    def within(self) -> dict[Series, float]:
        """Return what each series grew by within the window."""
        _, before = self._readings[0]
        return {series: value - before.get(series, 0.0) for series, value in self._grown.items()}
