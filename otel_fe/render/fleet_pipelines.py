"""Refuses pipelines that a fleet would run differently: a fleet counts every span and exports those of kept traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.config.exporters import OtlpGrpc, OtlpHttp
from otel_fe.config.policies import TailSampling

if TYPE_CHECKING:
    from otel_fe.config.collector import CollectorConfig
    from otel_fe.config.pipelines import Pipeline
    from otel_fe.config.reading import Place

_BACKENDS = (OtlpGrpc, OtlpHttp)
_OF_A_BACKEND = ("auth", "headers")


def refuse_pipelines(top: Place, config: CollectorConfig) -> None:
    """Record a problem for what would be counted or exported otherwise, and a warning for what does not come along."""
    places = top.entries()["service"].entries()["pipelines"].entries()
    # Both are in the order of the file.
    for place, (identifier, pipeline) in zip(places.values(), config.pipelines.items(), strict=True):
        if identifier.signal == "traces":
            _refuse(place.entries()["exporters"], pipeline, config)
    for exporter, place in top.entries().get("exporters", top).entries().items():
        _warn(exporter, place)


def _refuse(place: Place, pipeline: Pipeline, config: CollectorConfig) -> None:
    samples = any(isinstance(config.processors[one], TailSampling) for one in pipeline.processors)
    for item, exporter in zip(place.items(), pipeline.exporters, strict=True):
        if samples and exporter in config.connectors:
            item.problem(
                "a fleet counts every span, not those of kept traces; name it in a pipeline without tail_sampling"
            )
        if not samples and isinstance(config.exporters.get(exporter), _BACKENDS):
            item.problem(
                "a fleet exports kept traces only; put tail_sampling into this pipeline, or leave the exporter out"
            )


def _warn(exporter: str, place: Place) -> None:
    if place.is_null():
        return
    settings = place.entries()
    for key in _OF_A_BACKEND:
        if key in settings:
            settings[key].warn(
                f"this is not carried over to a fleet; set it in the exporters of sampler.yaml ({exporter})"
            )
