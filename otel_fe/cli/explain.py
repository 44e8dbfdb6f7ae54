"""The command `otel-fe explain`: what is slow in a store, by how much, why, at which line, and what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_fe.cli.arguments import duration_ns
from otel_fe.cli.default_folders import default_store
from otel_fe.cli.parser import examples
from otel_fe.errors import OtelFeError, needs_extra
from otel_fe.formatting import milliseconds, percent
from otel_fe.nearest import nearest
from otel_fe.requirements import LATENCY
from otel_fe.terminal import coloured, paint
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.reasons import FeatureSetReason

    Commands = argparse._SubParsersAction[Any]
    Group = dict[str, Any]


def add_explain(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    explain = commands.add_parser(
        "explain",
        help="print what is slow, by how much, why, at which line, and what to do",
        description="Print for each feature set of a store what the dashboard's first page shows: its p95, what its slow "
        "extractions spend their time on, the line of code, and what to do first. The collector may be running.",
        epilog=examples(
            ("otel-fe explain", "the last hour of data of `otel-fe up`"),
            ("otel-fe explain --feature-set user_profile --since 15m", "one feature set, the last 15 minutes"),
            ("otel-fe explain --store ./otel_fe_store --json", "another store, as JSON"),
        ),
    )
    explain.add_argument(
        "--store", type=Path, default=default_store(), metavar="DIR", help="the collector's store (default %(default)s)"
    )
    explain.add_argument("--feature-set", metavar="NAME", help="only this feature set")
    explain.add_argument("--service", metavar="NAME", help="only this service")
    explain.add_argument(
        "--since", type=duration_ns, metavar="DURATION", help="how far back from now (default: the last hour of data)"
    )
    explain.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    explain.set_defaults(run=_explain)


def _explain(arguments: argparse.Namespace) -> int:
    with needs_extra("otel-fe explain", "dashboard"):
        from otel_fe.dashboard.overview import groups_in  # noqa: PLC0415 only this command needs it
        from otel_fe.dashboard.page_context import PageContext  # noqa: PLC0415
        from otel_fe.dashboard.reasons import reason_of  # noqa: PLC0415
        from otel_fe.store import StoreReader  # noqa: PLC0415
        from otel_fe.store.store_error import StoreMissingError  # noqa: PLC0415
    with StoreReader(arguments.store) as reader:
        stored = PageContext(reader, arguments.store)
        try:
            fitted = stored.fitted_window()
        except StoreMissingError as error:
            raise OtelFeError(f"{error}; `otel-fe up` fills one, --store DIR reads another") from None
        window = _window(stored, arguments.since, fitted)
        groups = groups_in(stored, window, arguments.service, arguments.feature_set)
        if not groups:
            everything = groups_in(stored, (0, stored.now_ns()), None, None)
            raise OtelFeError(_nothing(arguments, everything))
        found = []
        for one in groups:
            figures = one["figures"]
            group = one["service"], one["feature_set"]
            found.append((one, reason_of(stored, window, group, figures.p95_ns, figures.slow)))
    if arguments.json:
        print(json.dumps(document(arguments.store, window, found), indent=2, ensure_ascii=False))
    else:
        print(text(found, colour=coloured(sys.stdout)))
    return 0


def _window(stored: PageContext, since_ns: int | None, fitted: tuple[int, int] | None) -> tuple[int, int]:
    from otel_fe.dashboard.reasons import counted_from  # noqa: PLC0415 only this command needs it

    if fitted is None:
        raise OtelFeError(f"{stored.directory}: no extractions are stored yet")
    since, until = fitted if since_ns is None else (stored.now_ns() - since_ns, stored.now_ns())
    return counted_from(since), until


def _nothing(arguments: argparse.Namespace, groups: Sequence[Group]) -> str:
    """Return why there is nothing to say: a name that does not exist, or a time without data."""
    for option, name, key in (
        ("--service", arguments.service, "service"),
        ("--feature-set", arguments.feature_set, "feature_set"),
    ):
        names = sorted({one[key] for one in groups if one[key]})
        if name is not None and name not in names:
            near = nearest(name, names)
            known = f"did you mean {near}?" if near else f"there are {', '.join(names) or 'none'}"
            return f"{option} {name}: the store has no {option[2:].replace('-', ' ')} of this name; {known}"
    if not groups:
        return f"{arguments.store}: traces are stored, but no extractions are counted: services' metrics do not arrive"
    return f"{arguments.store}: no extractions in that time; without --since, the last hour of data is explained"


def text(found: Sequence[tuple[Group, FeatureSetReason]], *, colour: bool) -> str:
    """Return the explanations for a terminal, the feature set with most slow extractions first.

    Args:
        found: Each feature set's figures and its reason.
        colour: Whether to use terminal colours.
    """
    several = len({one["service"] for one, _ in found}) > 1
    return "\n\n".join(_paragraph(one, reason, several=several, colour=colour) for one, reason in found)


def _paragraph(one: Group, reason: FeatureSetReason, *, several: bool, colour: bool) -> str:
    figures, explanation = one["figures"], reason.explanation
    service = f" ({one['service']})" if several else ""
    lines = [f"{paint('bold', explanation.subject, colour=colour)}{service}: {explanation.after_subject()}"]
    facts = [f"{figures.slow:,} of {figures.extractions:,} took {LATENCY} or more", f"{figures.per_s:.3g}/s"]
    facts += [f"{percent(figures.error_ratio)} errors"] if figures.error_ratio else []
    facts += [f"{percent(figures.hit_ratio)} cache hits"] if figures.hit_ratio is not None else []
    lines.append(paint("dim", f"  {', '.join(facts)}", colour=colour))
    for number, advice in enumerate(reason.advice, 1):
        without = advice["p95_without_ns"]
        gain = f"; without it, p95 would be {milliseconds(without)}" if without < advice["p95_ns"] else ""
        lines.append(f"  {number}. {advice['name']}: {percent(advice['share'])} {advice['words']}{gain}")
        if advice["line"]:
            lines.append(f"     {paint('yellow', advice['line'], colour=colour)}")
        lines.append(f"     {advice['action']}")
    return "\n".join(lines)


def document(store: Path, window: tuple[int, int], found: Sequence[tuple[Group, FeatureSetReason]]) -> dict[str, Any]:
    """Return the same for machines. Times are Unix ns and ms as their names say, ratios are 0..1."""
    return {
        "store": str(store),
        "since_unix_nano": window[0],
        "until_unix_nano": window[1],
        "feature_sets": [
            {
                "service": one["service"],
                "feature_set": one["feature_set"],
                "sentence": reason.explanation.sentence(),
                "extractions": one["figures"].extractions,
                "per_s": one["figures"].per_s,
                "slow": one["figures"].slow,
                "p95_ms": _milliseconds(one["figures"].p95_ns),
                "error_ratio": one["figures"].error_ratio,
                "hit_ratio": one["figures"].hit_ratio,
                "cause": reason.explanation.cause,
                "spent_in": reason.explanation.spent_in,
                "call": reason.explanation.call,
                "line": reason.explanation.line,
                "causes": [
                    {
                        "cause": cause.cause,
                        "share": cause.share,
                        "cost_share": cause.cost_share,
                        "p95_without_ms": _milliseconds(cause.quantile_without_ns),
                    }
                    for cause in (reason.causes.ranked if reason.causes.of_slow else ())
                ],
                "advice": [
                    {"cause": two["cause"], "line": two["line"], "action": two["action"]} for two in reason.advice
                ],
            }
            for one, reason in found
        ],
    }


def _milliseconds(value_ns: float | None) -> float | None:
    return None if value_ns is None else value_ns / NS_PER_MS
