"""Why a trace was kept or not: what the running collector knows of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from otel_fe.pipeline.remembered import key_of
from otel_fe.store import StoreReader
from otel_fe.store.store_error import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from otel_fe.collector.pipelines.engine import Engine
    from otel_fe.collector.pipelines.sampled import SampledPipeline

DECIDED: Final = "decided"
PENDING: Final = "pending"
REMEMBERED: Final = "remembered"
UNKNOWN: Final = "unknown"


def explained(engine: Engine, trace_id: int, now_ns: int, store: Path | None = None) -> dict[str, Any]:
    """Return what is known of a trace, for machines.

    Args:
        engine: At work.
        trace_id: The trace's.
        now_ns: Monotonic time.
        store: Where older decisions are.

    Returns:
        `state` and `trace_id`; where it is decided, `record` and `pipeline`; where it is pending, `spans` and `waiting_s`; where
        only its decision is remembered, `sampled` and `policy`.
    """
    found: dict[str, Any] = {"state": UNKNOWN}
    with engine.lock:
        for pipeline in engine.parts.sampled:
            said = _of_pipeline(pipeline, trace_id, now_ns)
            if said["state"] != UNKNOWN:
                found = said | {"pipeline": pipeline.name}
                break
    if found["state"] in {UNKNOWN, REMEMBERED} and store is not None:
        record = stored_record(trace_id, store)
        found = found if record is None else {"state": DECIDED, "record": record}
    return {"trace_id": f"{trace_id:032x}"} | found


def stored_record(trace_id: int, store: Path) -> dict[str, Any] | None:
    """Return a decision from a store; None where there is none of that trace, or no such store."""
    record = None
    with StoreReader(store) as reader, contextlib.suppress(StoreError):
        record = reader.decisions.of(trace_id)
        if record is None and (trace := reader.traces.by_id(trace_id)) is not None and trace.record:
            record = dict(trace.record)
    return record


def _of_pipeline(pipeline: SampledPipeline, trace_id: int, now_ns: int) -> dict[str, Any]:
    sampler = pipeline.sampler
    pending = sampler._open.get(trace_id)
    if pending is not None:
        return {"state": PENDING, "spans": len(pending.spans), "waiting_s": (now_ns - pending.arrived_ns) / 1e9}
    for records in (sampler.records, *pipeline.earlier_records):
        record = records.of(trace_id)
        if record is not None:
            return {"state": DECIDED, "record": record.as_dict()}
    decision = sampler._remembered[key_of(trace_id)]
    if decision is not None:
        return {"state": REMEMBERED, "sampled": decision.sampled, "policy": decision.reason}
    return {"state": UNKNOWN}
