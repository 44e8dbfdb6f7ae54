"""Runs `otel-fe replay`: reads recorded traffic, replays it, and reports the decisions."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from otel_fe.config.collector import read_collector_config
from otel_fe.config.text_file import read_text_file
from otel_fe.errors import ConfigurationError
from otel_fe.replay.ledger import KeptShare, Summary, summary
from otel_fe.replay.recorded import requests
from otel_fe.replay.run import Replay, tail_sampling_of
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    from otel_fe.replay.recorded import RecordedRequest


def replay(
    arguments: argparse.Namespace, environ: Mapping[str, str], progress: Callable[[str], None] = lambda _: None
) -> str:
    """Return what `otel-fe replay` prints.

    Args:
        arguments: Of the command.
        environ: The variables for `${env:NAME}` in configurations.
        progress: Called with how far it is, often.

    Raises:
        ConfigurationError: A configuration or a recording cannot be used.
        OSError: A file cannot be read.
    """
    slow_ns = round(arguments.slow_ms * NS_PER_MS)
    tried = _replayed(arguments.config, arguments, environ, progress)
    summaries = {arguments.config: summary(tried.ledger, slow_ns, tried.late_spans)}
    changes: list[dict[str, Any]] = []
    if arguments.against is not None:
        before = _replayed(arguments.against, arguments, environ, progress)
        summaries = {arguments.against: summary(before.ledger, slow_ns, before.late_spans), **summaries}
        changes = list(_changes(before, tried))
    if arguments.json:
        return json.dumps({"policies": {f: _plain(s) for f, s in summaries.items()}, "changes": changes}, indent=2)
    texts = [_text(file, found, arguments.slow_ms) for file, found in summaries.items()]
    if arguments.against is not None:
        texts.append(_changes_text(changes, arguments.changes))
    return "\n\n".join(texts)


def _replayed(
    file: str, arguments: argparse.Namespace, environ: Mapping[str, str], progress: Callable[[str], None]
) -> Replay:
    config = read_collector_config(read_text_file(file), file, environ)
    run = Replay(tail_sampling_of(config, file, arguments.processor), keep_early=not arguments.wait)
    run.run(_requests(arguments.recorded, f"replaying with {file}", progress))
    if not run.ledger.entries:
        raise ConfigurationError(", ".join(arguments.recorded), "no spans", "give recordings that hold spans")
    return run


def _requests(files: list[str], doing: str, progress: Callable[[str], None]) -> Iterator[RecordedRequest]:
    spans = 0
    for number, file in enumerate(files, 1):
        where = f"{doing}, file {number} of {len(files)}"
        for request in requests(file):
            spans += sum(len(trace.spans) for trace in request.batch.traces)
            progress(f"{where}: {spans:,} spans")
            yield request


def _changes(before: Replay, after: Replay) -> Iterator[dict[str, Any]]:
    """Yield each trace that one of two policies keeps and the other does not, with both decisions."""
    for key, entry in after.ledger.entries.items():
        other = before.ledger.entries[key]
        if entry.decision.sampled != other.decision.sampled:
            yield {
                "trace_id": f"{entry.trace_id:032x}",
                "before": before.ledger.explained(other, before.policies).as_dict(),
                "after": after.ledger.explained(entry, after.policies).as_dict(),
            }


def _plain(found: Summary) -> dict[str, Any]:
    shares = {
        name: {**asdict(v), "ratio": v.ratio}
        for name in asdict(found)
        if isinstance(v := getattr(found, name), KeptShare)
    }
    return {**asdict(found), **shares}


def _text(file: str, found: Summary, slow_ms: float) -> str:
    estimate = found.estimated_traces / found.traces.total - 1
    lines = [
        file,
        _share("traces kept", found.traces),
        _share("spans kept", found.spans),
        _share("bytes kept", found.bytes),
        _share("with errors", found.failed),
        _share(f"slow (≥ {slow_ms:g} ms)", found.slow),
        f"  {'estimate':<20}{found.estimated_traces:>12.0f} of {found.traces.total} traces, by weights ({estimate:+.1%})",
        f"  {'kept by':<20}{_counts(found.by_policy)}",
        f"  {'decided by':<20}{_counts(found.by_trigger)}",
    ]
    if found.unknown_weights:
        lines.append(f"  {'without a weight':<20}{found.unknown_weights:>12} kept traces, missing in the estimate")
    if found.late_spans:
        lines.append(f"  {'late spans':<20}{found.late_spans:>12} came after their trace was decided")
    return "\n".join(lines)


def _share(name: str, share: KeptShare) -> str:
    return f"  {name:<20}{share.kept:>12} of {share.total} ({share.ratio:.1%})"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _changes_text(changes: list[dict[str, Any]], limit: int) -> str:
    gained = sum(change["after"]["sampled"] for change in changes)
    lines = [f"{len(changes)} traces change sides: {gained} are kept now, {len(changes) - gained} no more"]
    for change in changes[:limit]:
        lines.append(f"  {change['trace_id']}  {change['before']['outcome']} → {change['after']['outcome']}")
        lines += [f"      {vote['policy']}: {vote['vote']}, {vote['saw']}" for vote in change["after"]["votes"]]
    if len(changes) > limit:
        lines.append(f"  … and {len(changes) - limit} more (--changes)")
    return "\n".join(lines)
