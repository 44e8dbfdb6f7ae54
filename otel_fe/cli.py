"""The command `otel-fe`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_fe.collector.command import add_commands
from otel_fe.dashboard.command import add_dashboard, add_to_another, companion
from otel_fe.errors import OtelFeError
from otel_fe.profile_command import add_profile
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Commands = argparse._SubParsersAction[Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `otel-fe` and return its exit status: 0, 1 for a failure, 2 for a wrong call, 130 for Ctrl-C."""
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except (OtelFeError, OSError) as error:
        print(f"otel-fe {parsed.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="otel-fe", description="Why are my features slow?")
    parser.add_argument("--version", action="version", version=f"otel-fe {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for add in (_add_demo, _add_check, _add_replay, _add_render, _add_collector, add_dashboard, add_profile):
        add(commands)
    return parser


def _add_collector(commands: Commands) -> None:
    collector = add_commands(commands)
    add_to_another(collector)
    collector.set_defaults(companion=companion)


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser(
        "demo",
        help="run the example service under load and say where its milliseconds went",
        description="Run examples/feature_service under opentelemetry-instrument and a mixed load, receive its OTLP on "
        "loopback, and report. With OTEL_EXPORTER_OTLP_ENDPOINT set, that backend gets everything too.",
    )
    demo.add_argument("--seconds", type=_seconds, default=30.0, help="how long the load lasts (default 30)")
    demo.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    demo.add_argument("--port", type=int, default=0, help="port of the collector on 127.0.0.1 (default: a free one)")
    demo.add_argument(
        "--store",
        type=Path,
        default=Path.home() / ".cache" / "otel_fe" / "demo",
        metavar="DIR",
        help="folder that the kept traces are left in, for the dashboard (default %(default)s)",
    )
    demo.add_argument("--seed", type=int, default=1, help="seed of the load (default 1)")
    add_to_another(demo)
    demo.set_defaults(run=_demo)


def _add_check(commands: Commands) -> None:
    check = commands.add_parser(
        "check",
        help="say what is wrong in configuration files, all of it, with its lines",
        description="Read configuration files of the OpenTelemetry Collector as `otel-fe collector` would. Prints one line "
        "for a file that is right; for others, all problems on stderr, and the exit status is 1.",
    )
    check.add_argument("file", nargs="+", help="a YAML file")
    check.add_argument("--json", action="store_true", help="print one JSON document with the findings instead of text")
    check.set_defaults(run=_check)


def _add_replay(commands: Commands) -> None:
    replay = commands.add_parser(
        "replay",
        help="run a policy over recorded traffic: what it keeps, and what changes against another",
        description="Runs the tail_sampling processor of a Collector configuration over recorded OTLP traces (protobuf or JSON, "
        "also gzipped, also as the Collector's file exporter writes them), with the timing of the recording.",
    )
    replay.add_argument("recorded", nargs="+", metavar="RECORDED", help="files of recorded traces, in their order")
    replay.add_argument("--config", required=True, help="the configuration with the policies to try")
    replay.add_argument("--against", help="the configuration to compare with, for example the one in force")
    replay.add_argument("--processor", default="", help="id of the processor, where a file has several")
    replay.add_argument("--slow-ms", type=float, default=100.0, help="what counts as slow, inclusive (default 100)")
    replay.add_argument(
        "--wait", action="store_true", help="wait as long as the Collector before keeping a trace whose vote is final"
    )
    replay.add_argument(
        "--changes", type=int, default=20, help="how many traces that change sides to show (default 20)"
    )
    replay.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    replay.set_defaults(run=_replay)


def _add_render(commands: Commands) -> None:
    render = commands.add_parser("render", help="write other systems' configuration, made of ours")
    systems = render.add_subparsers(dest="system", required=True, metavar="system")
    _add_prometheus(systems)
    _add_fleet(systems)


def _add_prometheus(systems: Commands) -> None:
    prometheus = systems.add_parser(
        "prometheus",
        help="recording and alerting rules for the SLOs",
        description="Write the rules with which Prometheus alerts on the SLOs as otel_fe itself does.",
    )
    prometheus.add_argument("--slo", metavar="FILE", help="OpenSLO v1 documents (default: the four requirements)")
    prometheus.add_argument("--out", metavar="DIR", help="folder for the rule file (default: print it)")
    prometheus.set_defaults(run=_render_prometheus)


def _add_fleet(systems: Commands) -> None:
    collector = systems.add_parser(
        "collector",
        help="a fleet of OpenTelemetry Collectors, and what stores and shows what they send",
        description="Write everything that a policy needs on many machines: Collectors in two tiers, Prometheus, Alertmanager, "
        "Jaeger or Tempo, Grafana, compose and Kubernetes files. A policy that would decide differently there is refused.",
    )
    collector.add_argument(
        "--config",
        default="collector_config/policy.yaml",
        metavar="POLICY",
        help="the Collector's YAML with the policies (default %(default)s)",
    )
    collector.add_argument("--slo", metavar="FILE", help="OpenSLO v1 documents (default: the four requirements)")
    collector.add_argument("--out", metavar="DIR", help="folder for the files (default: print the samplers' settings)")
    collector.set_defaults(run=_render_collector)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text}: use more than 0 and at most 3600")
    return value


def _demo(arguments: argparse.Namespace) -> int:
    from otel_fe.demo.run import run  # noqa: PLC0415 only this command needs it

    return run(arguments)


def _replay(arguments: argparse.Namespace) -> int:
    from otel_fe.replay.command import replay  # noqa: PLC0415 only this command needs it

    print(replay(arguments, os.environ))
    return 0


def _render_prometheus(arguments: argparse.Namespace) -> int:
    from otel_fe.render.command import render_prometheus  # noqa: PLC0415 only this command needs it

    return _rendered(*render_prometheus(arguments.slo, arguments.out, os.environ))


def _render_collector(arguments: argparse.Namespace) -> int:
    from otel_fe.render.command import render_collector  # noqa: PLC0415 only this command needs it

    return _rendered(*render_collector(arguments.config, arguments.slo, arguments.out, os.environ))


def _rendered(text: str, warnings: Iterable[object]) -> int:
    print(text)
    for warning in warnings:
        print(f"{warning} (warning)", file=sys.stderr)
    return 0


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


if __name__ == "__main__":
    sys.exit(main())
