"""The `spec` of a metric source: the metric that counts the events, and the attributes that select them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.config import kinds
from otel_fe.config.document import Mapping, Scalar
from otel_fe.config.reading import Fields, Key, Section, suggest
from otel_fe.model.edges import EDGES
from otel_fe.model.slo import EventSelection

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from otel_fe.config.reading import Place
    from otel_fe.model.slo import Value

SLO_NAMES: Final = ("latency", "cache_hit_rate", "error_rate", "memory")
"""The values of `slo`; a test holds them equal to `pipeline/extraction_series.py`."""
_METRICS: Final = {
    metric.name: (semconv.SERVICE_NAME, *((semconv.FEATURE_SET,) if metric.name in EDGES else metric.dimensions))
    for metric in semconv.METRICS
    if metric.name in EDGES or metric.name in (semconv.SLO_EVENTS, semconv.CACHE_LOOKUPS_METRIC)
}
"""The metrics whose events can be counted, with their attributes."""
_BOOLEANS: Final = (semconv.GOOD,)


def ordered(attributes: MappingType[str, Value]) -> tuple[tuple[str, Value], ...]:
    """Return attributes as a selection has them."""
    return tuple(sorted(attributes.items()))


def _metric(place: Place) -> str:
    name = kinds.text(place)
    if name not in _METRICS:
        place.refuse(f"this is not a metric of extractions{suggest(name, _METRICS)}; use one of {', '.join(_METRICS)}")
    return name


def _attributes(place: Place) -> dict[str, Value]:
    return {name: _value(inner) for name, inner in place.entries().items()}


def _value(place: Place) -> Value:
    value = place.node.value if isinstance(place.node, Scalar) else None
    if isinstance(value, bool) or place.name in _BOOLEANS:
        return kinds.boolean(place)
    text = kinds.text(place)
    if place.name == semconv.SLO and text not in SLO_NAMES:
        place.refuse(f"no requirement has this name{suggest(text, SLO_NAMES)}; use one of {', '.join(SLO_NAMES)}")
    return text


def _check_spec(fields: Fields) -> None:
    if "metric" not in fields.values:
        return
    metric, place = fields.values["metric"], fields.places.get("attributes")
    entries = place.entries() if place is not None and isinstance(place.node, Mapping) else {}
    if metric == semconv.SLO_EVENTS and semconv.SLO not in entries:
        fields.section.problem(f"name the SLO: add {semconv.SLO} to the attributes", value=False)
    known = _METRICS[metric]
    for name, inner in entries.items():
        if name not in known:
            inner.problem(f"events do not have this attribute; use {', '.join(known)}", value=False)


def _spec(metric: str, attributes: dict[str, Any] | None = None) -> EventSelection:
    return EventSelection(metric, ordered(attributes or {}))


METRIC: Final = Section(
    _spec,
    {"metric": Key(_metric, required="give the metric"), "attributes": Key(_attributes)},
    _check_spec,
)
"""The table."""
