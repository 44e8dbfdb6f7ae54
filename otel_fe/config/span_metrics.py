"""The settings of the `span_metrics` connector, as the Collector v0.160 defines them: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from otel_fe.units import MINUTE_NS

DEFAULT_NAMESPACE: Final = "traces.span.metrics"
DEFAULT_BUCKETS_NS: Final = tuple(
    ms * 1_000_000 for ms in (2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000)
)
DEFAULT_MAX_SIZE: Final = 160
SERVICE_NAME: Final = "service.name"
SPAN_NAME: Final = "span.name"
SPAN_KIND: Final = "span.kind"
STATUS_CODE: Final = "status.code"
COLLECTOR_INSTANCE_ID: Final = "collector.instance.id"
BUILT_IN: Final = (SERVICE_NAME, SPAN_NAME, SPAN_KIND, STATUS_CODE, COLLECTOR_INSTANCE_ID)
"""Dimensions that every series has unless `exclude_dimensions` names them."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """An attribute that distinguishes series: a span's, else its resource's."""

    name: str
    """Empty where `glob` is set."""
    default: str | None = None
    """The value where neither has it; None to leave the dimension out."""
    glob: str = ""
    """A pattern for names, `*` within one dotted part and `**` over several; empty where `name` is set."""


@dataclass(frozen=True, slots=True)
class Explicit:
    """A histogram between fixed edges."""

    edges_ns: tuple[int, ...] = DEFAULT_BUCKETS_NS
    """Ascending; a value equal to an edge belongs to the bucket below it."""


@dataclass(frozen=True, slots=True)
class Exponential:
    """A base-2 exponential histogram, as OTLP defines it."""

    max_size: int = DEFAULT_MAX_SIZE
    """The most buckets for positive values; the scale is lowered until they suffice."""


@dataclass(frozen=True, slots=True)
class Exemplars:
    """Which measurements are kept as exemplars."""

    enabled: bool = False
    max_per_data_point: int = 5
    """0 for none."""


@dataclass(frozen=True, slots=True)
class SpanMetrics:
    """Settings of a `span_metrics` connector."""

    histogram: Explicit | Exponential | None = field(default_factory=Explicit)
    """None where it is disabled."""
    unit: str = "ms"
    """Of durations: `ms` or `s`."""
    dimensions: tuple[Dimension, ...] = ()
    """Of calls, duration and events, beside the built-in ones."""
    calls_dimensions: tuple[Dimension, ...] = ()
    """Of calls only, in addition."""
    histogram_dimensions: tuple[Dimension, ...] = ()
    """Of the duration histogram only, in addition."""
    exclude_dimensions: frozenset[str] = frozenset()
    """Built-in dimensions to leave out."""
    events_enabled: bool = False
    event_dimensions: tuple[Dimension, ...] = ()
    """Attributes of span events."""
    exemplars: Exemplars = field(default_factory=Exemplars)
    delta: bool = False
    """Temporality: since the last flush, rather than since the start."""
    flush_interval_ns: int = MINUTE_NS
    expiration_ns: int = 0
    """Age from which a resource without new spans is no longer reported; 0 for never."""
    series_expiration_ns: int = 0
    """The same for a single series."""
    cardinality_limit: int = 0
    """Series per metric and resource; the rest goes into one with `otel.metric.overflow`. 0 for no limit."""
    namespace: str = DEFAULT_NAMESPACE
    """Put before the metrics' names, with a dot; may be empty."""
    resource_key_attributes: tuple[str, ...] = ()
    """Resource attributes that distinguish resources; all of them where empty."""
    include_instrumentation_scope: tuple[str, ...] = ()
    """Scopes whose name and version become dimensions."""
    add_resource_attributes: bool = False
    resource_cache_size: int = 1_000
    """Resources whose metrics are held; the least recently seen is forgotten."""
    sampling_method: bool = False
    """Add the dimension `sampling.method`: `extrapolated` where a span's `tracestate` has a threshold, else `counted`."""
