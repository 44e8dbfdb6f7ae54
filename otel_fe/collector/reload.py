"""Transfers the state of replaced pipelines to those of a new configuration: a reload loses no received data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_fe.collector.graph.graph import PipelineGraph
    from otel_fe.collector.graph.parts import Parts
    from otel_fe.pipeline.counters import Counters


def transfer_state(new: Parts, old: PipelineGraph) -> list[Counters]:
    """Move the state of a graph into new pipelines of the same names; return the counts of removed pipelines.

    The caller holds the graph's lock; the graph is closed, and its connectors' last metrics are not sent yet.
    """
    before = {pipeline.name: pipeline for pipeline in old.parts.sampled}
    for sampled in new.sampled:
        earlier = before.pop(sampled.name, None)
        if earlier is not None:
            sampled.succeed(earlier)
    for gone in before.values():
        gone.close()
    plain_before = {pipeline.name: pipeline for pipeline in old.parts.plain}
    for plain in new.plain:
        same = plain_before.pop(plain.name, None)
        if same is not None:
            plain.succeed(same)
    return [pipeline.counters for pipeline in before.values()] + [
        pipeline.counters for pipeline in plain_before.values() if pipeline.signal == "traces"
    ]
