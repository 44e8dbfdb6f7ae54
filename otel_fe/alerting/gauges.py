"""The gauge `feature_extraction.alert.active`: the number of alerts that fire."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.sdk.metrics.export import Gauge, Metric, NumberDataPoint

from otel_fe import semconv
from otel_fe.pipeline.slo_engine import GaugeValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.alerting.alert import Alert


class Labels(NamedTuple):
    """The attributes of a value of the gauge."""

    service: str
    alert: str
    severity: str
    feature_set: str


def labels_of(alert: Alert) -> Labels:
    """Return where an alert counts."""
    return Labels(alert.service, alert.type.value, alert.severity.value, alert.feature_set)


def active_gauges(seen: Iterable[Labels], firing: Iterable[Alert]) -> list[GaugeValue]:
    """Return how many alerts fire; 0 for what has fired before, so that a graph shows its end."""
    counts = Counter(map(labels_of, firing))
    return [
        GaugeValue(semconv.ALERT_ACTIVE, labels.service, _attributes(labels), float(counts[labels]))
        for labels in sorted(seen)
    ]


def sdk_metrics(values: Iterable[GaugeValue], time_ns: int) -> list[Metric]:
    """Return gauges of this process in the SDK's form, as the metric source adds them; those of other services are left out."""
    points: dict[str, list[NumberDataPoint]] = {}
    for one in values:
        if not one.service:
            points.setdefault(one.name, []).append(NumberDataPoint(one.attributes, time_ns, time_ns, one.value))
    known = {name: semconv.METRIC_BY_NAME[name] for name in points}
    return [Metric(name, known[name].meaning, known[name].unit, Gauge(found)) for name, found in points.items()]


def _attributes(labels: Labels) -> dict[str, str]:
    found = {semconv.ALERT: labels.alert, semconv.SEVERITY: labels.severity}
    return {**found, semconv.FEATURE_SET: labels.feature_set} if labels.feature_set else found
