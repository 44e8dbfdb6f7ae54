"""Translates our names to Prometheus's, by the strategy `UnderscoreEscapingWithSuffixes`.

It is the default of Prometheus's own OTLP receiver (`otlp: translation_strategy`) and what the Collector's Prometheus exporters do.
Source: OpenTelemetry specification, compatibility/prometheus_and_openmetrics.md, "OTLP Metric points to Prometheus".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.render.yaml_file import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

    from otel_fe.model.slo import Value

JOB: Final = "job"
"""The label of `service.name` (after `service.namespace/`, where there is one)."""
_UNITS: Final = {"s": "seconds", "By": "bytes"}


def metric_name(name: str) -> str:
    """Return a metric's name in Prometheus: its unit as a word, `_total` on counters, `_ratio` on gauges of unit 1."""
    metric = semconv.METRIC_BY_NAME[name]
    suffixes = [_UNITS[metric.unit]] if metric.unit in _UNITS else []
    if metric.instrument == "counter":
        suffixes.append("total")
    if metric.instrument == "gauge" and metric.unit == "1":
        suffixes.append("ratio")
    found = escaped(name)
    for suffix in suffixes:
        found = found if found.endswith(f"_{suffix}") else f"{found}_{suffix}"
    return found


def label_name(attribute: str) -> str:
    """Return an attribute's name in Prometheus."""
    return JOB if attribute == semconv.SERVICE_NAME else escaped(attribute)


def selector(name: str, matchers: Iterable[str]) -> str:
    """Return `name{matcher, …}`."""
    inner = ", ".join(matchers)
    return f"{name}{{{inner}}}" if inner else name


def matcher(attribute: str, value: Value) -> str:
    """Return the matcher of an attribute; booleans are `true` and `false`."""
    text = str(value).lower() if isinstance(value, bool) else value
    return f"{label_name(attribute)}={quoted(str(text))}"


def edge_matcher(edge: Fraction) -> str:
    """Return the matcher of a histogram's bucket; Prometheus 3 writes whole numbers with `.0`, others without."""
    text = decimal(edge)
    return f'le="{text}"' if "." in text else f'le=~"{text}(\\\\.0)?"'


def decimal(value: Fraction) -> str:
    """Write a number for PromQL, with all of its digits where they end, else those of the nearest float."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.17g}" if _endless(value.denominator) else repr(float(value))


def _endless(denominator: int) -> bool:
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator != 1


def escaped(name: str) -> str:
    """Return a name of OpenTelemetry's with what Prometheus does not take as underscores."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)
