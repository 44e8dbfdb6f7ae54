"""The command `otel-fe check`: its arguments."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from otel_fe.cli.parser import examples

if TYPE_CHECKING:
    import argparse

    Commands = argparse._SubParsersAction[Any]


def add_check(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    check = commands.add_parser(
        "check",
        help="validate configuration files; report every problem with its line",
        description="Read configuration files of the OpenTelemetry Collector as `otel-fe collector` would. Print one line "
        "for a valid file; for an invalid one, print all problems on stderr and exit with status 1.",
        epilog=examples(
            ("otel-fe check collector.yaml slos.yaml", "one line for each valid file, else all of its problems"),
            ("otel-fe check --json *.yaml", "the same as JSON"),
        ),
    )
    check.add_argument("file", nargs="+", help="a YAML file")
    check.add_argument("--json", action="store_true", help="print one JSON document with the findings instead of text")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    from otel_fe.config.check import check_file, render_json  # noqa: PLC0415 only this command needs it

    checked = [check_file(file, os.environ) for file in arguments.file]
    if arguments.json:
        print(render_json(checked))
    for found in checked if not arguments.json else ():
        for problem in found.problems:
            print(problem, file=sys.stderr)
        for warning in found.warnings:
            print(f"{warning} (warning)", file=sys.stderr)
        if not found.problems:
            print(f"{found.file}: ok ({found.summary})")
    return int(any(found.problems for found in checked))
