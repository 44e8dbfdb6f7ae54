"""The live view's feature sets, each followed by a detector for latency, hit rate and throughput; as readings for alerts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from otel_fe.alerting.alert import AlertType, Severity
from otel_fe.alerting.evaluation import Evaluation
from otel_fe.alerting.rule import Rule
from otel_fe.anomalies.detector import POINT_S, Detector
from otel_fe.anomalies.kinds import CACHE_HIT_RATE, KINDS, LATENCY_P95, SeriesKind

if TYPE_CHECKING:
    from otel_fe.anomalies.detector import PointVerdict
    from otel_fe.live.source import LiveSource
    from otel_fe.live.view import ExtractionGroup, LiveWindow

_FEWEST: Final = 20
"""Extractions in five minutes; a percentile or a rate of fewer is left out as if it were missing."""


class AnomalyWatch:
    """Call it at each evaluation: it takes a point of each series every five minutes, and in between returns the same.

    What it has learned is lost with the process: in the first hour it detects nothing, on the first day little.

    Args:
        source: A collector's `source`.
        severity: Of its alerts.

    Raises:
        MissingExtraError: river is not installed; it is imported here, which takes a second or two.
    """

    def __init__(self, source: LiveSource, severity: Severity = Severity.TICKET) -> None:
        self._source = source
        self._rules = {
            kind.name: Rule(
                AlertType.ANOMALY,
                f"unusual {kind.name}",
                0.0,
                0.0,
                kind.unit,
                severity,
                window_s=POINT_S,
                min_samples=0,
                clear_for_s=POINT_S,
                cooldown_s=3600.0,
                higher_is_worse=kind.rising_is_bad,
            )
            for kind in KINDS
        }
        self._lock = threading.RLock()
        self._detectors: dict[tuple[ExtractionGroup, str], Detector] = {}
        self._readings: list[Evaluation] = []
        self._taken_ns = source.clock.monotonic_ns()
        Detector(LATENCY_P95)  # raises now, not in five minutes, that an extra is missing

    def __call__(self) -> list[Evaluation]:
        """Return what is known of each series."""
        now = self._source.clock.monotonic_ns()
        with self._lock:
            if now - self._taken_ns >= POINT_S * 1e9:
                self._taken_ns = now
                self._readings = self._points()
            return list(self._readings)

    def _points(self) -> list[Evaluation]:
        view, unix_s = self._source.view, self._source.clock.time_ns() / 1e9
        groups = view.groups()
        self._detectors = {key: one for key, one in self._detectors.items() if key[0] in set(groups)}
        found: list[Evaluation] = []
        for group in groups:
            window = view.window(group, POINT_S)
            for kind in KINDS:
                value = _value(kind, window)
                if value is None:
                    continue
                detector = self._detectors.get((group, kind.name))
                if detector is None:
                    detector = self._detectors[group, kind.name] = Detector(kind)
                found.append(self._reading(kind, group, value, window.tally.count, detector.observe(unix_s, value)))
        return found

    def _reading(
        self, kind: SeriesKind, group: ExtractionGroup, value: float, samples: int, verdict: PointVerdict
    ) -> Evaluation:
        how = "one point far out" if verdict.far else "for some time"
        words = f"{abs(verdict.deviation):.1f} usual deviations off, {how}"
        return Evaluation(
            self._rules[kind.name],
            value,
            verdict.anomalous,
            verdict.usual,
            samples,
            group,
            threshold=verdict.expected,
            words=words,
        )


def _value(kind: SeriesKind, window: LiveWindow) -> float | None:
    tally = window.tally
    if kind is LATENCY_P95:
        return tally.quantiles_ms(0.95)[0] if tally.count >= _FEWEST else None
    if kind is CACHE_HIT_RATE:
        return tally.all_hit / tally.looked_up if tally.looked_up >= _FEWEST else None
    return window.rate
