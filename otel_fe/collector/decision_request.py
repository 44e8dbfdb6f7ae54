"""Runs `otel-fe why TRACE_ID`: requests the decision record from the collector, and prints it in words."""

from __future__ import annotations

import http.client
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector.decision_lookup import DECIDED, PENDING, REMEMBERED, UNKNOWN
from otel_fe.collector.servers.endpoints import endpoint
from otel_fe.collector.stored_decisions import stored_record
from otel_fe.errors import OtelFeError, os_error_reason
from otel_fe.pipeline.packed_decisions import POLICIES_UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIMEOUT_S: Final = 10.0


class UnreachableError(OtelFeError):
    """No collector answers at this address."""


def ask(trace_id: str, admin_endpoint: str, store: Path | None = None) -> dict[str, Any]:
    """Return what the running collector knows of a trace, or else a store.

    Args:
        trace_id: 32 hexadecimal digits.
        admin_endpoint: The `host:port` of its page.
        store: Where to look where the collector does not know it, or does not run; None for nowhere.

    Raises:
        UnreachableError: No collector answers, and there is nothing in the store.
    """
    record = stored_record(int(trace_id, 16), store) if store is not None else None
    try:
        answer = _asked(trace_id, admin_endpoint)
    except UnreachableError as error:
        if record is None:
            also = "" if store is None else f"; {store} does not have the trace's decision either"
            raise UnreachableError(f"{error}{also}") from None
        answer = {}
    if record is not None and answer.get("state") not in {DECIDED, PENDING}:
        return {"state": DECIDED, "trace_id": trace_id, "record": record}
    return answer


def _asked(trace_id: str, admin_endpoint: str) -> dict[str, Any]:
    where = endpoint(admin_endpoint, "--admin-endpoint")
    connection = http.client.HTTPConnection(where.address, where.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"/decisions/{trace_id}")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = os_error_reason(error) if isinstance(error, OSError) else str(error)
        raise UnreachableError(
            f"no collector answers on {admin_endpoint} ({reason}); does `otel-fe collector` run, and is this its --admin-endpoint?"
        ) from error
    finally:
        connection.close()
    return answer


def in_words(answer: Mapping[str, Any]) -> str:
    """Return an answer as text."""
    state, name = answer.get("state"), answer.get("trace_id", "")
    if state == DECIDED:
        return _decided(answer["record"], answer.get("pipeline", ""))
    if state == PENDING:
        return f"trace {name}: not decided yet; {answer['spans']} spans, the first came {answer['waiting_s']:.1f} s ago"
    if state == REMEMBERED:
        became = f"kept by {answer['policy']}" if answer["sampled"] else "not kept"
        return f"trace {name}: {became}; how its policies voted is no longer known"
    if state == UNKNOWN:
        return (
            f"trace {name}: unknown. No span of it has come to this collector, or it was decided so long ago that this has been "
            "forgotten"
        )
    return str(answer.get("error", answer))


def _decided(record: Mapping[str, Any], pipeline: str) -> str:
    time = datetime.fromtimestamp(record["time_unix_nano"] / 1e9, timezone.utc)
    by = f" by pipeline {pipeline}" if pipeline else ""
    lasted_ms = record["duration_ns"] / 1e6
    lines = [
        f"trace {record['trace_id']}: {record['outcome']}",
        f"decided {time:%Y-%m-%d %H:%M:%S.%f} UTC{by}, trigger {record['trigger']}: {record['spans']} spans, {lasted_ms:.1f} ms",
    ]
    if later := record.get("later_spans", 0):
        lines.append(_later(later, record["later_errors"], sampled=record["sampled"]))
    votes = record["votes"]
    if votes:
        wide = max(len("policy"), *(len(vote["policy"]) for vote in votes))
        lines.append(f"  {'policy':{wide}}  {'vote':11}  saw")
        lines += [f"  {vote['policy']:{wide}}  {vote['vote']:11}  {vote['saw']}" for vote in votes]
    elif record["outcome"] != POLICIES_UNKNOWN:
        lines.append("  no policy was asked")
    return "\n".join(lines)


def _later(spans: int, errors: int, *, sampled: bool) -> str:
    failed = f", {errors} with errors" if errors else ""
    became = "sent as well" if sampled else "lost: decision_wait was too short for them"
    return f"after the decision came {spans} more span{'s' if spans > 1 else ''}{failed}, {became}"
