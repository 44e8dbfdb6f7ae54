"""Reads `span_metrics` of the Collector v0.160 into `span_metrics.SpanMetrics`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from otel_fe.config import kinds
from otel_fe.config.document import Sequence
from otel_fe.config.durations import format_duration
from otel_fe.config.globs import GlobError, compile_glob
from otel_fe.config.reading import Fields, Key, Place, Refused, Section
from otel_fe.config.span_metrics import BUILT_IN, Dimension, Exemplars, Explicit, Exponential, SpanMetrics

CUMULATIVE: Final = "AGGREGATION_TEMPORALITY_CUMULATIVE"
DELTA: Final = "AGGREGATION_TEMPORALITY_DELTA"
LARGEST_SIZE: Final = 16_384
"""Buckets that an exponential histogram may have, in the Collector's library."""


def _buckets(place: Place) -> tuple[int, ...]:
    edges: tuple[int, ...] = kinds.list_of(kinds.duration(), least=1, wanted="use a list of durations")(place)
    for (low, high), item in zip(pairwise(edges), place.items()[1:], strict=True):
        if high <= low:
            item.refuse(f"use edges in ascending order; the one before is {format_duration(low)}")
    return edges


def _exponential_size(place: Place) -> int:
    size = kinds.integer(0, LARGEST_SIZE)(place)
    return place.refuse(f"use a whole number from 2 to {LARGEST_SIZE}, or 0 for the default") if size == 1 else size


def _exponential(max_size: int = 0) -> Exponential:
    return Exponential(max_size) if max_size else Exponential()


def _glob(place: Place) -> str:
    pattern = kinds.text(place)
    try:
        compile_glob(pattern)
    except GlobError as error:
        place.refuse(f"use a pattern such as http.*; {error}")
    return pattern


def _check_dimension(fields: Fields) -> None:
    if ("name" in fields.places) == ("glob" in fields.places):
        fields.section.problem("give either name or glob", value=False)
    elif "glob" in fields.places and "default" in fields.places:
        fields.problem("default", "remove it; only a dimension with a name has a default")
    fields.values.setdefault("name", "")


_DIMENSION: Final = Section(
    Dimension, {"name": Key(kinds.text), "default": Key(kinds.string), "glob": Key(_glob)}, _check_dimension
)


def _dimensions(place: Place) -> tuple[Dimension, ...]:
    """Read a list of dimensions whose names are neither built in nor given twice, also by a pattern."""
    before = len(place.report.problems)
    items = kinds.read_items(place, _DIMENSION, "use a list of dimensions, each with its name or glob")
    names: set[str] = set(BUILT_IN)
    for item, dimension in items:
        if dimension.name in names:
            what = "every series has it already" if dimension.name in BUILT_IN else "it is already in this list"
            item.entries()["name"].problem(f"remove it; {what}")
        if dimension.name:
            names.add(dimension.name)
    for item, dimension in items:
        pattern = compile_glob(dimension.glob)
        matched = sorted(name for name in names if dimension.glob and pattern.fullmatch(name))
        if matched:
            item.entries()["glob"].problem(f"use a pattern that does not match {', '.join(matched)}")
    if len(place.report.problems) > before:
        raise Refused
    return tuple(dimension for _, dimension in items)


def _excluded(place: Place) -> frozenset[str]:
    names = kinds.strings()(place)
    unknown = [name for name in names if name not in BUILT_IN]
    if unknown:
        place.warn(f"{', '.join(unknown)}: only {', '.join(BUILT_IN)} can be excluded")
    return frozenset(names)


def _check_histogram(fields: Fields) -> None:
    if fields.get("explicit") is not None and fields.get("exponential") is not None:
        fields.problem("exponential", "use either explicit or exponential")
    place = fields.places.get("exponential")
    if place is not None and place.is_null():
        place.problem("write exponential: {}; the Collector takes null for an explicit histogram")


def _check_events(fields: Fields) -> None:
    dimensions = fields.places.get("dimensions")
    empty = dimensions is None or (isinstance(dimensions.node, Sequence) and not dimensions.node.items)
    if fields.get("enabled", default=False) and (empty or (dimensions is not None and dimensions.is_null())):
        fields.problem("dimensions", "give at least one dimension of the events")
    elif not fields.get("enabled", default=False) and not empty and dimensions is not None:
        dimensions.warn("events are not enabled, so these dimensions are not used")


def _span_metrics(
    histogram: dict[str, Any] | None = None, events: dict[str, Any] | None = None, **fields: Any
) -> SpanMetrics:
    """Make the value; the file nests what belongs to the histogram and to events."""
    if histogram is not None:
        kind = histogram.get("exponential") or histogram.get("explicit") or Explicit()
        fields["histogram"] = None if histogram.get("disable", False) else kind
        fields.update({key: histogram[key] for key in ("unit", "histogram_dimensions") if key in histogram})
    if events is not None:
        fields["events_enabled"] = events.get("enabled", False)
        fields["event_dimensions"] = events.get("dimensions", ())
    return SpanMetrics(**fields)


_HISTOGRAM: Final = Section(
    dict[str, Any],
    {
        "disable": Key(kinds.boolean),
        "unit": Key(kinds.choice("ms", "s", any_case=True)),
        "explicit": Key(
            kinds.optional(Section(Explicit, {"buckets": Key(_buckets, "edges_ns", required="give buckets")}))
        ),
        "exponential": Key(kinds.optional(Section(_exponential, {"max_size": Key(_exponential_size)}))),
        "dimensions": Key(_dimensions, "histogram_dimensions"),
    },
    _check_histogram,
)

SPAN_METRICS: Final[Section[SpanMetrics]] = Section(
    _span_metrics,
    {
        "dimensions": Key(_dimensions),
        "calls_dimensions": Key(_dimensions),
        "exclude_dimensions": Key(_excluded),
        "dimensions_cache_size": Key(
            kinds.integer(),
            field=None,
            note="it has no effect, in the Collector too; use aggregation_cardinality_limit",
        ),
        "resource_metrics_cache_size": Key(kinds.integer(1), "resource_cache_size"),
        "resource_metrics_key_attributes": Key(kinds.strings(), "resource_key_attributes"),
        "aggregation_temporality": Key(kinds.mapped(kinds.choice(CUMULATIVE, DELTA), DELTA.__eq__), "delta"),
        "histogram": Key(_HISTOGRAM),
        "metrics_flush_interval": Key(kinds.duration(1), "flush_interval_ns"),
        "metrics_expiration": Key(kinds.duration(), "expiration_ns"),
        "series_expiration": Key(kinds.duration(), "series_expiration_ns"),
        # The Collector forgets when a series was last flushed past this many; we never do.
        "metric_timestamp_cache_size": Key(kinds.integer(1), field=None),
        "namespace": Key(kinds.string),
        "exemplars": Key(
            Section(Exemplars, {"enabled": Key(kinds.boolean), "max_per_data_point": Key(kinds.integer())})
        ),
        "events": Key(
            Section(dict[str, Any], {"enabled": Key(kinds.boolean), "dimensions": Key(_dimensions)}, _check_events)
        ),
        "include_instrumentation_scope": Key(kinds.strings()),
        "aggregation_cardinality_limit": Key(kinds.integer(), "cardinality_limit"),
        "add_resource_attributes": Key(kinds.boolean),
        "enable_metrics_sampling_method": Key(kinds.boolean, "sampling_method"),
    },
)
"""The keys of the connector."""
