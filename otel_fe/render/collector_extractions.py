"""The metrics of extractions as the connector `signal_to_metrics` makes them of their spans: all of them, before sampling.

They have the names, dimensions and edges of those that the SDK derives in the process (defined in `pipeline/extraction_series.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.model.edges import EDGES
from otel_fe.requirements import LATENCY_LIMIT_NS, MEMORY_LIMIT_BYTES

if TYPE_CHECKING:
    from fractions import Fraction

# Asked of every span, so the cheapest first. A span with a threshold was decided on, and counted, in the process that made it.
_COUNTED_HERE: Final = (
    f'scope.name == "{semconv.SCOPE_NAME}" and HasPrefix(span.name, "{semconv.SPAN_NAME}") '
    'and (span.trace_state == "" or not IsMatch(span.trace_state, "ot=[^,]*th:"))'
)
_DURATION: Final = "span.end_time_unix_nano - span.start_time_unix_nano"
_OPTIONAL: Final = "optional"
_DEFAULT: Final = "default_value"


def extraction_metrics() -> list[dict[str, Any]]:
    """Return what is to be counted of a span."""
    return [*_histograms(), *_lookups(), *_slo_events(), *_causes()]


def _attribute(name: str) -> str:
    return f'span.attributes["{name}"]'


def _metric(name: str, values: dict[str, Any], condition: str, fixed: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return one entry; `fixed` attributes are those that no span has, so that their default always applies."""
    known = semconv.METRIC_BY_NAME[name]
    dimensions = [one for one in known.dimensions if one not in (fixed or {})]
    attributes = [{"key": one, _DEFAULT: value} for one, value in (fixed or {}).items()]
    attributes += [{"key": one, _OPTIONAL: True} for one in dimensions]
    conditions = f"{_COUNTED_HERE} and {condition}" if condition else _COUNTED_HERE
    return {
        "name": name,
        "description": known.meaning,
        "unit": known.unit,
        "attributes": attributes,
        "conditions": [conditions],
        **values,
    }


def _histograms() -> list[dict[str, Any]]:
    seconds = f"Seconds({_DURATION.replace('_unix_nano', '')})"
    growth, cpu, wait = (_attribute(name) for name in (semconv.MEMORY_GROWTH, semconv.CPU_TIME, semconv.POOL_WAIT_TIME))
    return [
        _metric(semconv.DURATION, _histogram(semconv.DURATION, seconds), ""),
        # A process that shrank did not grow.
        _metric(
            semconv.MEMORY_GROWTH_METRIC,
            _histogram(semconv.MEMORY_GROWTH_METRIC, growth),
            f"{growth} != nil and {growth} > 0",
        ),
        _metric(
            semconv.MEMORY_GROWTH_METRIC,
            _histogram(semconv.MEMORY_GROWTH_METRIC, "0"),
            f"({growth} == nil or {growth} <= 0)",
        ),
        _metric(semconv.CPU_TIME_METRIC, _histogram(semconv.CPU_TIME_METRIC, cpu), f"{cpu} != nil"),
        _metric(semconv.POOL_WAIT_METRIC, _histogram(semconv.POOL_WAIT_METRIC, wait), f"{wait} != nil"),
    ]


def _histogram(name: str, value: str) -> dict[str, Any]:
    return {"histogram": {"buckets": [_number(edge) for edge in EDGES[name]], "value": value}}


def _number(edge: Fraction) -> int | float:
    return edge.numerator if edge.denominator == 1 else float(edge)


def _lookups() -> list[dict[str, Any]]:
    """Return the hits and the misses, none of them too: Prometheus sees no increase in a series that is new at 1."""
    hits, lookups = _attribute(semconv.CACHE_HITS), _attribute(semconv.CACHE_LOOKUPS)
    return [
        _metric(
            semconv.CACHE_LOOKUPS_METRIC,
            _sum(value),
            f"{lookups} != nil and {hits} != nil and {lookups} > 0",
            {semconv.RESULT: result},
        )
        for result, value in (("hit", hits), ("miss", f"{lookups} - {hits}"))
    ]


def _slo_events() -> list[dict[str, Any]]:
    """Return the good and the bad events of each requirement; a good one counts as no bad one too, for the same reason."""
    growth, error, hit = (_attribute(name) for name in (semconv.MEMORY_GROWTH, semconv.ERROR_TYPE, semconv.CACHE_HIT))
    conditions = {
        "latency": (f"{_DURATION} < {LATENCY_LIMIT_NS}", f"{_DURATION} >= {LATENCY_LIMIT_NS}"),
        "cache_hit_rate": (f"{hit} == true", f"{hit} == false"),
        "error_rate": (f"{error} == nil", f"{error} != nil"),
        "memory": (
            f"({growth} == nil or {growth} < {MEMORY_LIMIT_BYTES})",
            f"{growth} != nil and {growth} >= {MEMORY_LIMIT_BYTES}",
        ),
    }
    return [
        _metric(semconv.SLO_EVENTS, _sum(value), condition, {semconv.SLO: slo, semconv.GOOD: kind})
        for slo, (good, bad) in conditions.items()
        for kind, value, condition in ((True, "1", good), (False, "0", good), (False, "1", bad))
    ]


def _causes() -> list[dict[str, Any]]:
    """Return the metric of slow extractions' time by cause, from their attributes."""
    found = []
    for cause, name in semconv.TIME.items():
        time = _attribute(name)
        found.append(_metric(semconv.CAUSE_TIME, _sum(time), f"{time} != nil", {semconv.CAUSE: cause}))
    return found


def _sum(value: str) -> dict[str, Any]:
    return {"sum": {"value": value, "monotonic": True}}
