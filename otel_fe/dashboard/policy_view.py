"""The page of policies: the active YAML, the traces that each policy keeps, and a replay of an edited one."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config.collector import read_collector_config
from otel_fe.config.policies import AlwaysSample
from otel_fe.dashboard.policy_text import EXAMPLE, as_configuration, policies_in
from otel_fe.errors import ConfigurationError, OtelFeError
from otel_fe.pipeline.upstream import IN_THE_PROCESS
from otel_fe.replay.ledger import summary
from otel_fe.replay.recorded import RecordedRequest
from otel_fe.replay.run import Replay, tail_sampling_of
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.store import Selection
from otel_fe.wire.decode import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_fe.config.process_policies import Policy
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.view_address import ViewAddress

_DECISIONS: Final = 2_000
_SHOWN: Final = 30
USUAL: Final = 2_000
MOST_REPLAYED: Final = 10_000
"""Traces. Two thousand take about half a second, and so many about two and a half."""
CHOICES: Final = (500, USUAL, 5_000, MOST_REPLAYED)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,4}")
MOST_BYTES: Final = 256 * 1024
"""Largest policy that can be tried."""
_FILE: Final = "edited"


def policy_view(stored: PageContext, address: ViewAddress) -> dict[str, Any]:
    """Return the policies in force and what they did.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    now = stored.now_ns()
    since, until = address.window(now)
    last = stored.reader.decisions.last(_DECISIONS)
    in_force = yaml_in_force(stored)
    kept_by = stored.reader.totals.by_policy(Selection(since, until))
    names = {str(one.get("policy", "")) for one in last} | _names_in(in_force)
    names |= set(stored.reader.totals.by_policy(Selection(since, until, whole_traces=True)))
    kept = []
    if any(name.endswith(IN_THE_PROCESS) for name in kept_by):
        # What a policy keeps that keeps everything is listed under the policies of the processes.
        names -= {name for name in _keeping_all(in_force) if name not in kept_by}
    for name in sorted(names - {"", "none"}):
        extractions, weight = kept_by.get(name, (0, 0.0))
        kept.append({"policy": name, "extractions": extractions, "weight": weight})
    return {
        "yaml": in_force,
        "file": str(stored.config) if stored.config else "",
        "kept": sorted(kept, key=lambda one: -one["weight"]),
        "kept_total": sum(one["extractions"] for one in kept),
        "decisions": last[:_SHOWN],
        "not_kept": Counter(
            "dropped by " + str(one.get("policy")) if one.get("dropped") else "not sampled"
            for one in last
            if not one.get("sampled")
        ),
        "text": in_force or EXAMPLE,
        "newest": str(USUAL),
        "choices": CHOICES,
        "result": None,
        "problem": "",
    }


def yaml_in_force(stored: PageContext) -> str:
    """Return the policies of the collector's configuration as they are written; empty where that is not known."""
    try:
        return policies_in(stored.config.read_text(encoding="utf-8")) if stored.config else ""
    except (OSError, UnicodeDecodeError):
        return ""


def replayed(stored: PageContext, address: ViewAddress, text: str, newest: str = "") -> dict[str, Any]:
    """Return the page with what an edited configuration makes of the newest stored traces in the window.

    Args:
        stored: Where they are.
        address: For the window.
        text: The policies.
        newest: How many traces at most, as it was entered; empty for the usual number.
    """
    newest = newest.strip() or str(USUAL)
    page = policy_view(stored, address) | {"text": text, "newest": newest}
    if not _NUMBER.fullmatch(newest) or int(newest) > MOST_REPLAYED:
        problem = ConfigurationError("newest traces", newest, f"use a whole number from 1 to {MOST_REPLAYED}")
        return page | {"problem": str(problem)}
    since, until = address.window(stored.now_ns())
    replay = stored.reader.newest(Selection(since, until, whole_traces=True), limit=int(newest))
    if not replay.trace_ids:
        return page | {"problem": "There are no stored traces in this window. Choose a longer one, then replay again."}
    try:
        tried = _run(stored, text, replay.trace_ids)
    except OtelFeError as error:
        return page | {"problem": str(error)}
    found = summary(tried.ledger, LATENCY_LIMIT_NS, tried.late_spans)
    lost = [
        {
            "trace_id": f"{entry.trace_id:032x}",
            "duration_ns": entry.duration_ns,
            "failed": entry.failed,
            "record": tried.ledger.explained(entry, tried.policies).as_dict(),
        }
        for entry in tried.ledger.entries.values()
        if not entry.decision.sampled
    ]
    lost.sort(key=lambda one: (not one["failed"], -int(str(one["duration_ns"]))))
    return page | {"result": {"summary": found, "lost": lost[:_SHOWN], "lost_count": len(lost), "replay": replay}}


def _run(stored: PageContext, text: str, ids: Iterable[int]) -> Replay:
    # No variable of this process is looked up: a pasted policy must not disclose them.
    config = read_collector_config(as_configuration(text), _FILE, {})
    run = Replay(tail_sampling_of(config, _FILE))
    run.run(_requests(stored, ids))
    return run


def _requests(stored: PageContext, ids: Iterable[int]) -> Iterator[RecordedRequest]:
    decoder = Decoder()
    kept = [one for one in map(stored.reader.traces.by_id, ids) if one is not None and one.spans]
    for trace in sorted(kept, key=lambda one: one.end_ns):
        yield RecordedRequest(f"{trace.trace_id:032x}", decoder.decode(trace.spans))


def _names_in(text: str) -> set[str]:
    """Return the names of a configuration's policies, so that one that keeps nothing is listed too."""
    return {policy.name for policy in _policies_in(text)}


def _keeping_all(text: str) -> set[str]:
    return {policy.name for policy in _policies_in(text) if isinstance(policy, AlwaysSample)}


def _policies_in(text: str) -> Sequence[Policy]:
    """Return a configuration's policies; none where it has none, or cannot be read."""
    if not text:
        return ()
    try:
        return tail_sampling_of(read_collector_config(as_configuration(text), _FILE, {}), _FILE).policies
    except OtelFeError:
        return ()
