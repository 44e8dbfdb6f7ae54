"""Metric sources of type `otel_fe`, and the indicators made of them.

    metricSource:
      type: otel_fe
      spec:
        metric: feature_extraction.duration
        attributes: {feature_extraction.feature_set: user_profile}   # optional; also service.name

A `thresholdMetric` names a histogram; its objective says which values are good (`op: lt`, `value: 0.1`: seconds or bytes, as the
metric has them). A `ratioMetric` names counted events: `good` or `bad` ones, and `total`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.config import kinds
from otel_fe.config.openslo_kinds import given, one_of, unsupported
from otel_fe.config.openslo_metrics import METRIC, ordered
from otel_fe.config.reading import Fields, Key, Section, suggest
from otel_fe.model.edges import EDGES
from otel_fe.model.slo import EventSelection, Indicator, Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.config.reading import Kind, Place

TYPE: Final = "otel_fe"
REQUIREMENTS: Final = {
    (semconv.DURATION, Fraction(1, 10)): "latency",
    (semconv.MEMORY_GROWTH_METRIC, Fraction(10**9)): "memory",
}
"""Limits that `feature_extraction.slo.events` counts itself, and strictly, by its `slo`."""
_NEAREST: Final = 3


@dataclass(frozen=True, slots=True)
class Threshold:
    """A `thresholdMetric`: the values of a histogram."""

    values: EventSelection


Indication = Threshold | Indicator
"""The indicator of an SLI; a threshold becomes one by its SLO's objective."""


def indicator_section(data_sources: Mapping[str, str]) -> Section[Indication]:
    """Return the table of an SLI's `spec`.

    Args:
        data_sources: Types of the DataSources of the file, by name.
    """
    source = Section(_selection, {"metricSource": Key(_metric_source(data_sources), required="give the metricSource")})
    ratio = Section(
        _ratio,
        {
            "counter": Key(_counter, field=None, required="give counter: true"),
            "good": Key(source),
            "bad": Key(source),
            "total": Key(source, required="give the total"),
            "raw": Key(unsupported("a ratio that is already computed cannot be summed; give good or bad, and total")),
            "rawType": Key(unsupported("it belongs to raw")),
        },
        _check_ratio,
    )
    return Section(
        _indication,
        {
            "description": Key(kinds.string, field=None),
            "thresholdMetric": Key(source, "threshold"),
            "ratioMetric": Key(ratio, "ratio"),
        },
        _check_indication,
    )


def measured_against(place: Place, threshold: Threshold, op: str, value: Fraction) -> Indicator:
    """Return the indicator of a threshold and an objective's `op` and `value`; `place` is that of the value.

    Raises:
        Refused: The histogram does not count at this value.
    """
    values = threshold.values
    limit = Limit(values.metric, values.attributes, value, op == "lt")
    if op == "lt":
        return _below(place, values, limit)
    edges = EDGES[values.metric]
    if value not in edges:
        near = sorted(sorted(edges, key=lambda edge: abs(edge - value))[:_NEAREST])
        shown = ", ".join(f"{float(edge):g}" for edge in near)
        place.refuse(f"use an edge of the histogram, whose counts are exact only there; the nearest are {shown}")
    return Indicator(replace(values, most=value), part_is_good=True, total=values, limit=limit)


def _below(place: Place, values: EventSelection, limit: Limit) -> Indicator:
    """Return the indicator of values below a limit; an edge of a histogram cannot exclude values at the limit."""
    slo = REQUIREMENTS.get((values.metric, limit.value))
    if slo is None:
        place.refuse("a histogram bucket includes its upper edge: use op: lte")
    total = EventSelection(semconv.SLO_EVENTS, ordered({**dict(values.attributes), semconv.SLO: slo}))
    bad = replace(total, attributes=ordered({**dict(total.attributes), semconv.GOOD: False}))
    return Indicator(bad, part_is_good=False, total=total, limit=limit)


def _metric_source(data_sources: Mapping[str, str]) -> Kind[EventSelection]:
    def reference(place: Place) -> str:
        name = kinds.text(place)
        if name not in data_sources:
            place.refuse(f"no DataSource in this file has this name{suggest(name, data_sources)}")
        return name

    def check(fields: Fields) -> None:
        if not given(fields, "type") and not given(fields, "metricSourceRef"):
            fields.section.problem(f"give type: {TYPE}, or the metricSourceRef of a DataSource", value=False)

    return Section(
        _selection,
        {
            "metricSourceRef": Key(reference, field=None),
            "type": Key(kinds.choice(TYPE), field=None),
            "spec": Key(METRIC, "metricSource", required="give the metric, under spec"),
        },
        check,
    )


def _check_ratio(fields: Fields) -> None:
    one_of(fields, "good", "bad")


def _check_indication(fields: Fields) -> None:
    one_of(fields, "thresholdMetric", "ratioMetric")
    threshold = fields.get("threshold")
    if threshold is not None and threshold.metric not in EDGES:
        fields.problem("thresholdMetric", f"use a histogram: one of {', '.join(EDGES)}; for a counter, use ratioMetric")


def _counter(place: Place) -> None:
    if not kinds.boolean(place):
        place.refuse("the metrics of otel_fe are counters: use true")


def _selection(metricSource: EventSelection) -> EventSelection:  # noqa: N803 the key's own name
    return metricSource


def _ratio(total: EventSelection, good: EventSelection | None = None, bad: EventSelection | None = None) -> Indicator:
    part = good or bad
    assert part is not None  # noqa: S101 for the type checkers: one of the two has been checked for
    return Indicator(part, part_is_good=good is not None, total=total)


def _indication(threshold: EventSelection | None = None, ratio: Indicator | None = None) -> Indication:
    if ratio is not None:
        return ratio
    assert threshold is not None  # noqa: S101 likewise
    return Threshold(threshold)
