"""The command `otel-fe render`: its arguments."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from otel_fe.cli.parser import examples

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    Commands = argparse._SubParsersAction[Any]


def add_render(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    render = commands.add_parser(
        "render",
        help="write configuration for Prometheus and for fleets of OpenTelemetry Collectors",
        description="Write configuration with which other systems decide and alert as otel_fe does.",
        epilog=examples(
            ("otel-fe render prometheus --out rules/", "recording and alerting rules"),
            ("otel-fe render collector --out fleet/", "a fleet of Collectors and its backends"),
        ),
    )
    systems = render.add_subparsers(dest="system", required=True, metavar="system")
    _add_prometheus(systems)
    _add_fleet(systems)


def _add_prometheus(systems: Commands) -> None:
    prometheus = systems.add_parser(
        "prometheus",
        help="recording and alerting rules for the SLOs",
        description="Write recording and alerting rules with which Prometheus alerts on the SLOs as otel_fe does.",
        epilog=examples(
            ("otel-fe render prometheus", "print the rules of the four requirements"),
            ("otel-fe render prometheus --slo slos.yaml --out rules/", "your own SLOs, as a file"),
        ),
    )
    prometheus.add_argument("--slo", metavar="FILE", help="OpenSLO v1 documents (default: the four requirements)")
    prometheus.add_argument("--out", metavar="DIR", help="folder for the rule file (default: print it)")
    prometheus.set_defaults(run=_render_prometheus)


def _add_fleet(systems: Commands) -> None:
    collector = systems.add_parser(
        "collector",
        help="a fleet of OpenTelemetry Collectors with its backends and dashboards",
        description="Write all files to run a policy on many machines: Collectors in two tiers, Prometheus, Alertmanager, "
        "Jaeger or Tempo, Grafana, compose and Kubernetes. A policy that a fleet would decide differently is refused.",
        epilog=examples(
            ("otel-fe render collector --config policy.yaml", "print the samplers' settings"),
            ("otel-fe render collector --config policy.yaml --out fleet/", "all files"),
        ),
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
