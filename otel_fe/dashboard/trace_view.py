"""The page of a trace: why it was slow or failed, its waterfall, its decision, its logs, and links to other viewers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from otel_fe import plan_event
from otel_fe.dashboard.code_lines import code_lines
from otel_fe.dashboard.critical_path import critical_path
from otel_fe.dashboard.failure import failure_of
from otel_fe.dashboard.main_cause import main_cause
from otel_fe.dashboard.shown_value import shown
from otel_fe.dashboard.waterfall import waterfall
from otel_fe.model.id_keys import span_key
from otel_fe.pipeline.upstream import amount, share
from otel_fe.store.decoded_trace import DecodedTrace
from otel_fe.store.slow_extractions import slow_extraction
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.dashboard.main_cause import MainCause
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.store import KeptExtraction, KeptTrace

TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")
_AROUND_MS: Final = 1_800_000
"""Before and after a trace: what it is compared with."""
_MOST_SLOW: Final = 200
"""Extractions whose stacks are read."""
_MOST_LOGS: Final = 200


def trace_view(stored: PageContext, trace_id: str, *, span: str = "", page: str = "") -> dict[str, Any]:
    """Return what is known of a trace: where it is not kept, at least why not, if that is remembered.

    Args:
        stored: What to look in.
        trace_id: In hexadecimal digits.
        span: The id of a span that has a row of its own, and whose page of rows is returned; empty for none.
        page: Which page of rows otherwise; empty for the first.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    number = int(trace_id, 16)
    kept = stored.reader.traces.by_id(number)
    record = None if kept is None or not kept.record else dict(kept.record)
    record = record or stored.reader.decisions.of(number)
    found: dict[str, Any] = {
        "trace_id": trace_id,
        "kept": kept,
        "record": record,
        "why": in_short(record) if record else "",
        "duration_ns": None if kept is None else max(0, kept.end_ns - kept.start_ns),
        "links": [] if kept is None else [{"name": link.name, "url": link.url(trace_id)} for link in stored.links],
    }
    if kept is None:
        nothing = dict.fromkeys(("slowest", "code", "main", "failure"))
        return found | nothing | {"rows": (), "logs": [], "cause_name": ""}
    return found | _inside(kept, span if _SPAN_ID.fullmatch(span) else "", page)


def _inside(kept: KeptTrace, span: str, page: str) -> dict[str, Any]:
    """Return what the spans and the logs of a kept trace say."""
    trace = DecodedTrace(kept.spans)
    extractions = [one for one in kept.extractions if one.feature_set is not None]
    slow = [slow_extraction(kept.trace_id, one, kept.weight, trace) for one in extractions[:_MOST_SLOW] if one.cause]
    slowest = max(extractions, key=lambda one: one.duration_ns, default=None)
    records = _log_records(kept.logs)
    main, failure = _main(kept, slowest, trace), failure_of(trace)
    apart = {bytes.fromhex(main.span_id)} if main is not None else set()
    apart |= {bytes.fromhex(step.span_id) for step in failure.steps} if failure is not None else set()
    plans = _plans(records)
    rows = waterfall(
        trace,
        {span_key(one.span_id): one.split for one in kept.extractions if one.split},
        critical_path(trace),
        page=int(float(page)) if page and not span else None,
        span_id=bytes.fromhex(span),
        apart=frozenset(apart | plans.keys()),
        plans=plans,
    )
    failing = failure is not None and main is not None and not main.slow
    return {
        "rows": rows.rows,
        "ticks": rows.ticks,
        "row_page": rows.page,
        "row_pages": rows.pages,
        "span": span if rows.found else "",
        "around_ms": (max(0, kept.start_ns // NS_PER_MS - _AROUND_MS), kept.end_ns // NS_PER_MS + _AROUND_MS),
        "logs": _logs(records),
        "slowest": slowest,
        "main": None if failing else main,
        "cause_name": "" if failing or main is None or not main.explained else main.name,
        "failure": failure,
        "extractions": len(extractions),
        "code": code_lines(slow),
    }


def _main(kept: KeptTrace, slowest: KeptExtraction | None, trace: DecodedTrace) -> MainCause | None:
    if slowest is None or not slowest.split:
        return None
    seen = slow_extraction(kept.trace_id, slowest, kept.weight, trace)
    return main_cause(slowest, trace.by_id.get(span_key(slowest.span_id)), seen)


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


def _log_records(payload: bytes) -> list[Any]:
    """Return log records as OTLP has them, oldest first; none of what cannot be read."""
    try:
        request = LogsData.FromString(payload)
    except DecodeError:
        return []
    records = [one for resource in request.resource_logs for scope in resource.scope_logs for one in scope.log_records]
    return sorted(records, key=_logged_at)


def _logged_at(record: Any) -> int:
    at: int = record.time_unix_nano or record.observed_time_unix_nano
    return at


def _logs(records: Sequence[Any]) -> list[dict[str, Any]]:
    """Return log records as the page shows them; plans are shown with their spans."""
    return [
        {
            "time_ns": _logged_at(one),
            "severity": one.severity_text or "",
            "body": shown(one.body),
            "event": one.event_name,
            "span_id": one.span_id.hex(),
        }
        for one in records
        if one.event_name != plan_event.EVENT
    ][:_MOST_LOGS]


def _plans(records: Sequence[Any]) -> dict[bytes, str]:
    """Return the plans of slow statements that came in log records, by span id."""
    return {one.span_id: one.body.string_value for one in records if one.event_name == plan_event.EVENT}
