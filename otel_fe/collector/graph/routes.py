"""Where a receiver's data goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.collector.graph.connected import Connected
    from otel_fe.collector.graph.memory import MemoryLimit
    from otel_fe.collector.graph.passthrough import PassthroughPipeline
    from otel_fe.collector.graph.sampled import SampledPipeline


@dataclass(frozen=True, slots=True)
class Route:
    """The pipelines that take one signal from one receiver."""

    plain: Sequence[PassthroughPipeline] = ()
    """With exporters at their end, and no sampler."""
    sampled: Sequence[SampledPipeline] = ()
    connected: Sequence[Connected] = ()
    """Connectors before sampling: at the end of pipelines without a sampler."""
    limits: Sequence[MemoryLimit] = ()
    """Of all of these pipelines."""
    derives: bool = False
    """Whether metrics of extractions are derived: there is a metrics pipeline for them."""
    sized: bool = False
    """Whether somebody asks how many bytes a trace has."""

    @property
    def needs_spans(self) -> bool:
        """Return whether spans have to be decoded, rather than counted."""
        return bool(self.sampled or self.connected or self.derives)
