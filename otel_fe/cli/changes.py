"""The commands `otel-fe changes` and `otel-fe autopilot history`: what changed in a store's services, and what each change did."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_fe.changes.mark import AUTOPILOT
from otel_fe.cli.arguments import duration_ns
from otel_fe.cli.default_folders import default_store
from otel_fe.cli.parser import examples
from otel_fe.errors import needs_extra
from otel_fe.terminal import coloured, paint

if TYPE_CHECKING:
    import argparse

    from otel_fe.dashboard.changes import ShownChange

    Commands = argparse._SubParsersAction[Any]


def add_changes(commands: Commands) -> None:
    """Add the first to the commands of `otel-fe`."""
    changes = commands.add_parser(
        "changes",
        help="list deployments, restarts and resized pools, and what each did to latency",
        description="List the changes of a store's services, the newest first: new versions, restarts, pools and caches of another "
        "size. Each is compared, an hour before with an hour after, at p95 and by cause, and tested at 95 % confidence.",
        epilog=examples(
            ("otel-fe changes", "of the last day"),
            ("otel-fe changes --since 168h --service ranking", "of a week, of one service"),
            ("otel-fe changes --store ./otel_fe_store --json", "another store, as JSON"),
        ),
    )
    _add_common(changes)
    changes.add_argument("--feature-set", metavar="NAME", help="compare only the extractions of this feature set")
    changes.set_defaults(run=_changes)


def add_autopilot(commands: Commands) -> None:
    """Add the second."""
    autopilot = commands.add_parser(
        "autopilot",
        help="list what the autopilot has tried, kept and reverted",
        description="The autopilot (OTEL_FE_AUTOPILOT) resizes pools and caches of a service, one experiment at a time.",
        epilog=examples(("otel-fe autopilot history", "its steps of the last day")),
    )
    actions = autopilot.add_subparsers(dest="action", required=True, metavar="action")
    history = actions.add_parser(
        "history",
        help="its steps, with their predicted and measured effects",
        description="List the steps of the autopilot that a store has marked, the newest first.",
        epilog=examples(("otel-fe autopilot history --since 168h --json", "a week, as JSON")),
    )
    _add_common(history)
    history.set_defaults(run=_history, feature_set=None)


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--store", type=Path, default=default_store(), metavar="DIR", help="the collector's store (default %(default)s)"
    )
    command.add_argument("--service", metavar="NAME", help="only this service")
    command.add_argument(
        "--since",
        type=duration_ns,
        default="24h",
        metavar="DURATION",
        help="how far back from now (default %(default)s)",
    )
    command.add_argument("--json", action="store_true", help="print one JSON document instead of text")


def _changes(arguments: argparse.Namespace) -> int:
    return _printed(arguments, _found(arguments), "no changes")


def _history(arguments: argparse.Namespace) -> int:
    found = [one for one in _found(arguments) if one.mark.kind == AUTOPILOT]
    return _printed(arguments, found, "the autopilot took no step that reached the store")


def _found(arguments: argparse.Namespace) -> list[ShownChange]:
    with needs_extra(f"otel-fe {arguments.command}", "dashboard"):
        from otel_fe.dashboard.changes import changes_of  # noqa: PLC0415 only these commands need it
        from otel_fe.dashboard.page_context import PageContext  # noqa: PLC0415
        from otel_fe.store import StoreReader  # noqa: PLC0415
    with StoreReader(arguments.store) as reader:
        stored = PageContext(reader, arguments.store)
        now_ns = stored.now_ns()
        window = (now_ns - arguments.since, now_ns + 1)
        return changes_of(stored, window, arguments.service, arguments.feature_set, most=100)


def _printed(arguments: argparse.Namespace, found: list[ShownChange], nothing: str) -> int:
    if arguments.json:
        from otel_fe.dashboard.page_response import plain  # noqa: PLC0415 imported already

        print(json.dumps({"changes": [document(one, plain) for one in found]}, indent=2, ensure_ascii=False))
    elif found:
        print("\n".join(line for one in found for line in lines(one, colour=coloured(sys.stdout))))
    else:
        print(f"{arguments.store}: {nothing} in this time; --since looks further back")
    return 0


def lines(change: ShownChange, *, colour: bool) -> list[str]:
    """Return what is printed of a change."""
    from otel_fe.formatting import clock_time  # noqa: PLC0415 imported already

    mark = change.mark
    said = [f"{clock_time(mark.time_ns)}  {paint('bold', mark.service or '(no name)', colour=colour)}  {change.title}"]
    said += [f"    {one}" for one in (change.effect, change.verified) if one]
    return said


def document(change: ShownChange, plain: Any) -> dict[str, Any]:
    """Return a change as JSON has it: times in Unix seconds, differences in ms."""
    mark, compared = change.mark, change.compared
    effect = None
    if compared is not None:
        effect = {
            "p95": _difference(compared.p95),
            "mean": _difference(compared.mean),
            "causes": [{"cause": one.cause, **_difference(one.change)} for one in compared.causes],
            "kept_extractions": list(compared.extractions),
        }
    return {
        "time": mark.time_ns / 1e9,
        "until": mark.until_ns / 1e9,
        "service": mark.service,
        "kind": mark.kind,
        "subject": mark.subject,
        "before": mark.before,
        "after": mark.after,
        "processes": mark.count,
        "detail": plain(mark.detail),
        "title": change.title,
        "sentence": change.effect,
        "effect": effect,
        "predicted_ms": None if change.predicted_ns is None else change.predicted_ns / 1e6,
        "verified": change.verified,
    }


def _difference(found: Any) -> dict[str, Any]:
    return {
        "before_ms": found.before / 1e6,
        "after_ms": found.after / 1e6,
        "difference_ms": found.value / 1e6,
        "low_ms": found.low / 1e6,
        "high_ms": found.high / 1e6,
        "p_value": found.p_value,
        "significant": found.significant,
    }
