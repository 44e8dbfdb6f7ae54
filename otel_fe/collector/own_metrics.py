"""The collector's own metrics as OTLP, and as a page for Prometheus."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from otel_fe import semconv
from otel_fe.collector.accounts import COUNTER, UPTIME, Sample
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SERVICE: Final = "otel-fe-collector"
PROMETHEUS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_:]")
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def added_up(samples: Iterable[Sample]) -> list[Sample]:
    """Return the figures of several workers as one: all are sums, or parts of one, but for the time since the start."""
    sums: dict[tuple[str, str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
    for sample in samples:
        key = sample.name, sample.kind, sample.labels
        sums[key] = max(sums[key], sample.value) if sample.name == UPTIME else sums[key] + sample.value
    return [Sample(*key, value) for key, value in sums.items()]


def encode(samples: Iterable[Sample], instance_id: str, start_ns: int, now_ns: int) -> bytes:
    """Return figures as an `ExportMetricsServiceRequest`.

    Args:
        samples: The figures.
        instance_id: Of this process.
        start_ns: Unix time since which it counts.
        now_ns: Unix time.
    """
    request = ExportMetricsServiceRequest()
    resource_metrics = request.resource_metrics.add()
    for key, text in (
        ("service.name", _SERVICE),
        ("service.version", __version__),
        ("service.instance.id", instance_id),
    ):
        resource_metrics.resource.attributes.add(key=key).value.string_value = text
    scope = resource_metrics.scope_metrics.add()
    scope.scope.name, scope.scope.version = semconv.SCOPE_NAME, __version__
    for name, of_name in _by_name(samples).items():
        meta = semconv.METRIC_BY_NAME.get(name)
        metric = scope.metrics.add(name=name, unit=meta.unit if meta else "", description=meta.meaning if meta else "")
        if of_name[0].kind == COUNTER:
            metric.sum.is_monotonic = True
            metric.sum.aggregation_temporality = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
        points = metric.sum.data_points if of_name[0].kind == COUNTER else metric.gauge.data_points
        for sample in of_name:
            point = points.add(as_double=sample.value, start_time_unix_nano=start_ns, time_unix_nano=now_ns)
            for key, text in sample.labels:
                point.attributes.add(key=key).value.string_value = text
    return bytes(request.SerializeToString())


def prometheus_text(samples: Iterable[Sample]) -> str:
    """Return figures in Prometheus' text format, version 0.0.4."""
    lines: list[str] = []
    for name, of_name in _by_name(samples).items():
        shown = _NOT_IN_NAMES.sub("_", name)
        if of_name[0].kind == COUNTER and not shown.endswith("_total"):
            shown += "_total"
        meta = semconv.METRIC_BY_NAME.get(name)
        if meta is not None:
            lines.append(f"# HELP {shown} {meta.meaning.translate(_ESCAPES)}")
        lines.append(f"# TYPE {shown} {of_name[0].kind}")
        lines += [f"{shown}{_labels(sample.labels)} {sample.value:.17g}" for sample in of_name]
    return "\n".join(lines) + "\n"


def _by_name(samples: Iterable[Sample]) -> Mapping[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.name].append(sample)
    return found


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    written = ",".join(f'{_NOT_IN_NAMES.sub("_", key)}="{text.translate(_ESCAPES)}"' for key, text in labels)
    return f"{{{written}}}" if written else ""
