"""Reports what a valid configuration lacks to fill the store, and so the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.config.policies import TailSampling

if TYPE_CHECKING:
    from otel_fe.config.collector import CollectorConfig

_OTLP: Final = "otlp"


class Omission(NamedTuple):
    """One thing that is left out."""

    signal: str
    """Signal that is not stored: `traces` or `metrics`."""
    text: str
    """A missing part: its effect, and the YAML that would add it."""


_NO_TRACES: Final = Omission(
    "traces",
    "No `traces` pipeline has a `tail_sampling` processor, so no trace is stored and Explore stays empty. To store all of them, "
    "add `tail_sampling: {policies: [{name: all, type: always_sample}]}` to the processors, and to the pipeline.",
)
_NO_METRICS: Final = Omission(
    "metrics",
    "No `metrics` pipeline has an `otlp` receiver, so what services count of themselves is refused (gRPC UNIMPLEMENTED, HTTP 404) "
    "and the overview has no extractions of theirs. Add `otlp` to the receivers of a `metrics` pipeline.",
)


def gaps_of(config: CollectorConfig) -> tuple[Omission, ...]:
    """Return what a collector with a store does not get by its configuration."""
    found = []
    pipelines = config.pipelines.items()
    sampled = any(
        isinstance(config.processors.get(processor), TailSampling)
        for name, pipeline in pipelines
        if name.signal == "traces"
        for processor in pipeline.processors
    )
    counted = any(
        receiver.type == _OTLP
        for name, pipeline in pipelines
        if name.signal == "metrics"
        for receiver in pipeline.receivers
    )
    if not sampled:
        found.append(_NO_TRACES)
    if not counted:
        found.append(_NO_METRICS)
    return tuple(found)
