"""One trace: its waterfall, why it was kept, its logs, and where else it can be looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from otel_fe.dashboard.code_lines import code_lines
from otel_fe.dashboard.comparison import NAMES
from otel_fe.dashboard.shown_value import shown
from otel_fe.dashboard.waterfall import waterfall
from otel_fe.model.id_keys import span_key
from otel_fe.pipeline.upstream import amount, share

if TYPE_CHECKING:
    from otel_fe.dashboard.page_context import PageContext

TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_MOST_LOGS: Final = 200


def trace_view(stored: PageContext, trace_id: str) -> dict[str, Any]:
    """Return what is known of a trace: where it is not kept, at least why not, if that is remembered.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    number = int(trace_id, 16)
    kept = stored.reader.traces.by_id(number)
    record = None if kept is None or not kept.record else dict(kept.record)
    record = record or stored.reader.decisions.of(number)
    splits = {} if kept is None else {span_key(one.span_id): one.split for one in kept.extractions if one.split}
    extractions = [] if kept is None else [one for one in kept.extractions if one.feature_set is not None]
    slowest = max(extractions, key=lambda one: one.duration_ns, default=None)
    return {
        "trace_id": trace_id,
        "kept": kept,
        "duration_ns": None if kept is None else max(0, kept.end_ns - kept.start_ns),
        "rows": () if kept is None else waterfall(kept.spans, splits),
        "record": record,
        "why": in_short(record) if record else "",
        "logs": [] if kept is None else _logs(kept.logs),
        "links": [] if kept is None else [{"name": link.name, "url": link.url(trace_id)} for link in stored.links],
        "slowest": slowest,
        "cause_name": NAMES.get(slowest.cause, "") if slowest is not None else "",
        "code": None if kept is None else code_lines(stored.reader.slow_extractions_of(number)),
    }


def in_short(record: dict[str, Any]) -> str:
    """Return a decision in one line: ``kept by `slow`: 231 ms ≥ 100 ms, weight 1``.

    Where a sampler before has decided too: ``kept by `baseline` (1 of 20) in the process, then by `all`: every trace, weight 20``.
    """
    if not record.get("sampled"):
        return str(record.get("outcome", "not sampled"))
    policy, weight = str(record.get("policy", "")), record.get("weight")
    saw = next((vote["saw"] for vote in record.get("votes", ()) if vote["policy"] == policy and vote.get("saw")), "")
    told = "unknown" if weight is None else amount(weight)
    kept = f"`{policy}`{f': {saw}' if saw else ''}, weight {told}"
    before = record.get("upstream")
    if not before:
        return f"kept by {kept}"
    passed = f"({share(before['weight'])})"
    first = f"`{before['policy']}` {passed} in the process" if before["policy"] else f"a sampler before {passed}"
    return f"kept by {first}, then by {kept}"


def _logs(payload: bytes) -> list[dict[str, Any]]:
    """Return log records, oldest first; none of what cannot be read."""
    try:
        request = LogsData.FromString(payload)
    except DecodeError:
        return []
    records = [
        {
            "time_ns": one.time_unix_nano or one.observed_time_unix_nano,
            "severity": one.severity_text or "",
            "body": shown(one.body),
        }
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for one in scope.log_records
    ]
    records.sort(key=lambda one: one["time_ns"])
    return records[:_MOST_LOGS]
