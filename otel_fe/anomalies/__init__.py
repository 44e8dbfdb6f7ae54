"""Detects unusual latency, hit rate and throughput for the hour and the day, per feature set. Needs the extra `anomalies`.

collector = EnhancedMetricsCollector()
system = FeatureExtractionAlertingSystem(collector, more=AnomalyWatch(collector.source))
"""

from __future__ import annotations

from otel_fe.anomalies.detector import Detector, PointVerdict
from otel_fe.anomalies.kinds import CACHE_HIT_RATE, KINDS, LATENCY_P95, THROUGHPUT, SeriesKind
from otel_fe.anomalies.watch import AnomalyWatch

Kind = SeriesKind
"""The former name of `SeriesKind`."""
Verdict = PointVerdict
"""The former name of `PointVerdict`."""

__all__ = [
    "CACHE_HIT_RATE",
    "KINDS",
    "LATENCY_P95",
    "THROUGHPUT",
    "AnomalyWatch",
    "Detector",
    "PointVerdict",
    "SeriesKind",
]
