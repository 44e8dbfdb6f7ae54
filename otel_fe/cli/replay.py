"""The command `otel-fe replay`: its arguments."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from otel_fe.cli.arguments import number, whole_number
from otel_fe.cli.parser import examples
from otel_fe.requirements import LATENCY_LIMIT_MS
from otel_fe.terminal import Progress

if TYPE_CHECKING:
    import argparse

    Commands = argparse._SubParsersAction[Any]


def add_replay(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    replay = commands.add_parser(
        "replay",
        help="run a policy over recorded traffic: what it keeps, and what changes compared with another",
        description="Run the tail_sampling processor of a Collector configuration over recorded OTLP traces (protobuf or JSON, "
        "plain or compressed, also from the Collector's file exporter), with the timing of the recording.",
        epilog=examples(
            ("otel-fe replay --config new.yaml traces.jsonl", "what a policy keeps"),
            ("otel-fe replay --config new.yaml --against old.yaml traces.jsonl.gz", "what changes"),
        ),
    )
    replay.add_argument(
        "recorded", nargs="+", metavar="RECORDED", help="files of recorded traces, in the order of recording"
    )
    replay.add_argument("--config", required=True, help="the configuration with the policies to try")
    replay.add_argument("--against", help="the configuration to compare with, for example the deployed one")
    replay.add_argument("--processor", default="", help="id of the tail_sampling processor, if a file has several")
    replay.add_argument(
        "--slow-ms",
        type=number(0, 1e9, "100"),
        default=float(LATENCY_LIMIT_MS),
        help="duration in ms from which a trace counts as slow (default %(default)g)",
    )
    replay.add_argument(
        "--wait", action="store_true", help="wait as long as the Collector before keeping a trace whose vote is final"
    )
    replay.add_argument(
        "--changes",
        type=whole_number(0, 10**9),
        default=20,
        help="how many traces with a different decision to show (default 20)",
    )
    replay.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    replay.set_defaults(run=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    from otel_fe.replay.command import replay  # noqa: PLC0415 only this command needs it

    with Progress(quiet=arguments.quiet) as progress:
        text = replay(arguments, os.environ, progress.show)
    print(text)
    return 0
