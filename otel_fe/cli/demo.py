"""The command `otel-fe demo`: its arguments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_fe.cli.arguments import number, port, whole_number
from otel_fe.cli.default_folders import demo_store
from otel_fe.cli.parser import examples
from otel_fe.dashboard.command import add_to_another

if TYPE_CHECKING:
    import argparse

    Commands = argparse._SubParsersAction[Any]


def add_demo(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    demo = commands.add_parser(
        "demo",
        help="run the example service under load and report where its time went",
        description="Run examples/feature_service under opentelemetry-instrument with a mixed load, receive its OTLP on "
        "loopback, and print a report. If OTEL_EXPORTER_OTLP_ENDPOINT is set, everything is sent there, too.",
        epilog=examples(
            ("otel-fe demo", "half a minute, then the report"),
            ("otel-fe demo --seconds 10 --json", "the same as JSON"),
            ("otel-fe demo --dashboard", "serve the dashboard, until Ctrl-C"),
        ),
    )
    demo.add_argument(
        "--seconds", type=number(0, 3600, "30"), default=30.0, help="how long the load lasts (default 30)"
    )
    demo.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    demo.add_argument("--port", type=port, default=0, help="port of the collector on 127.0.0.1 (default: a free one)")
    demo.add_argument(
        "--store",
        type=Path,
        default=demo_store(),
        metavar="DIR",
        help="folder for the kept traces, which the dashboard can open (default %(default)s)",
    )
    demo.add_argument("--seed", type=whole_number(0, 2**31), default=1, help="seed of the load (default 1)")
    add_to_another(demo)
    demo.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from otel_fe.demo.run import run  # noqa: PLC0415 only this command needs it

    return run(arguments)
