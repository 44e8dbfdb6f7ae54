"""The pipelines of a configuration, connected, and the route of each receiver's data through them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_fe.collector.exporters.exporter import Exporter
    from otel_fe.collector.graph.connected import Connected
    from otel_fe.collector.graph.derived import Derived
    from otel_fe.collector.graph.memory import MemoryLimit
    from otel_fe.collector.graph.passthrough import PassthroughPipeline
    from otel_fe.collector.graph.sampled import SampledPipeline


@dataclass(frozen=True, slots=True)
class Route:
    """The pipelines that take one signal from one receiver."""

    plain: Sequence[PassthroughPipeline] = ()
    """Pipelines with exporters at their end, and no sampler."""
    sampled: Sequence[SampledPipeline] = ()
    connected: Sequence[Connected] = ()
    """Connectors before sampling: at the end of pipelines without a sampler."""
    limits: Sequence[MemoryLimit] = ()
    """Memory limits of all of these pipelines."""
    derives: bool = False
    """Whether metrics of extractions are derived: there is a metrics pipeline for them."""
    sized: bool = False
    """Whether a policy needs the size of traces."""

    needs_spans: bool = field(init=False)
    """Whether spans have to be decoded, rather than counted."""
    checks: Sequence[Callable[[], None]] = field(init=False)
    """Refuse a request before anything is done with it: each raises a `RefusedError`."""

    def __post_init__(self) -> None:
        checks = [limit.check for limit in self.limits] + [pipeline.check for pipeline in self.plain]
        checks += [sampled.check for sampled in self.sampled if sampled.prompt]
        object.__setattr__(self, "needs_spans", bool(self.sampled or self.connected or self.derives))
        object.__setattr__(self, "checks", tuple(checks))


@dataclass(frozen=True, slots=True)
class Parts:
    """The components that a graph moves data through."""

    routes: Mapping[str, Mapping[str, Route]]
    """Keyed by receiver's id and signal."""
    sampled: Sequence[SampledPipeline]
    plain: Sequence[PassthroughPipeline]
    connectors: Mapping[str, Connected]
    """Keyed by id."""
    metrics_of: Mapping[str, Sequence[PassthroughPipeline]]
    """The pipelines of each connector's metrics."""
    derived: Derived
    own_metrics_to: Sequence[PassthroughPipeline]
    """The pipelines of metrics without a source in the file: derived ones, and the collector's own."""
    exporters: Mapping[str, Exporter]
    """Keyed by id."""
    keeps_all: bool
    """Nothing samples, so that every span may become an exemplar."""
