"""Explains why a trace was kept or not, from the records of the running collector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.pipeline.upstream import with_upstream

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.collector.graph.graph import PipelineGraph
    from otel_fe.collector.graph.sampled import SampledPipeline

DECIDED: Final = "decided"
PENDING: Final = "pending"
REMEMBERED: Final = "remembered"
UNKNOWN: Final = "unknown"


def explained(
    engine: PipelineGraph, trace_id: int, now_ns: int, stored: Callable[[int], dict[str, Any] | None] | None = None
) -> dict[str, Any]:
    """Return what is known of a trace, for machines.

    Args:
        engine: At work.
        trace_id: The trace's.
        now_ns: Monotonic time.
        stored: Returns a trace's decision from where older ones are; None for one that is not there.

    Returns:
        `state` and `trace_id`; where it is decided, `record` and `pipeline`; where it is pending, `spans` and `waiting_s`; where
        only its decision is remembered, `sampled` and `policy`.
    """
    found: dict[str, Any] = {"state": UNKNOWN}
    with engine.locked():
        for pipeline in engine.parts.sampled:
            said = _of_pipeline(pipeline, trace_id, now_ns)
            if said["state"] != UNKNOWN:
                found = said | {"pipeline": pipeline.name}
                break
    if found["state"] in {UNKNOWN, REMEMBERED} and stored is not None:
        record = stored(trace_id)
        found = found if record is None else {"state": DECIDED, "record": record}
    return {"trace_id": f"{trace_id:032x}"} | found


def _of_pipeline(pipeline: SampledPipeline, trace_id: int, now_ns: int) -> dict[str, Any]:
    sampler = pipeline.sampler
    pending = sampler.pending_trace(trace_id)
    if pending is not None:
        return {"state": PENDING, "spans": pending.count, "waiting_s": (now_ns - pending.arrived_ns) / 1e9}
    for records in (sampler.records, *pipeline.earlier_records):
        record = records.of(trace_id)
        if record is not None:
            explained, upstream = record.as_dict(), pipeline.upstream.of(trace_id)
            if upstream is not None and record.decision.sampled:
                explained = with_upstream(explained, upstream)
            return {"state": DECIDED, "record": explained}
    decision = sampler.remembered(trace_id)
    if decision is not None:
        return {"state": REMEMBERED, "sampled": decision.sampled, "policy": decision.reason}
    return {"state": UNKNOWN}
