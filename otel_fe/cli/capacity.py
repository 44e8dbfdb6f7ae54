"""The command `otel-fe capacity`: how much more traffic a service carries, and what gives out first."""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.cli.arguments import duration_ns
from otel_fe.cli.default_folders import default_store
from otel_fe.cli.parser import examples
from otel_fe.errors import OtelFeError, needs_extra
from otel_fe.units import DAY_NS

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Any]

_MOST_TIMES: Final = 100.0


def add_capacity(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    capacity = commands.add_parser(
        "capacity",
        help="forecast how much more traffic each service can take, which resource gives out first, and the size it needs",
        description="Fit a queueing model to the stored measurements of each service, check it on windows held back from the fit, "
        "and print p95 and each latency objective at more traffic, the highest rate at which all objectives hold, and the resource "
        "that gives out first. If the check fails or the load did not vary, it prints the reason instead of a forecast.",
        epilog=examples(
            ("otel-fe capacity", "twice today's traffic, from the last day of data"),
            ("otel-fe capacity --traffic 1.5x --service ranking", "one service at half as much again"),
            ("otel-fe capacity --since 168h --json", "from a week of data, as JSON"),
        ),
    )
    capacity.add_argument(
        "--store", type=Path, default=default_store(), metavar="DIR", help="the collector's store (default %(default)s)"
    )
    capacity.add_argument(
        "--traffic",
        type=_times,
        default=2.0,
        metavar="FACTOR",
        help="the traffic to forecast, relative to today's (default 2x)",
    )
    capacity.add_argument("--service", metavar="NAME", help="only this service")
    capacity.add_argument(
        "--since",
        type=duration_ns,
        default=DAY_NS,
        metavar="DURATION",
        help="how much of the newest data to use (default 24h)",
    )
    capacity.add_argument("--slo", type=Path, metavar="FILE", help="OpenSLO documents (default: the four requirements)")
    capacity.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    capacity.set_defaults(run=_capacity)


def _times(text: str) -> float:
    """Return a factor such as `2x`, `1.5` or `150%`."""
    stripped = text.strip().lower()
    try:
        value = float(stripped[:-1]) / 100 if stripped.endswith("%") else float(stripped.removesuffix("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a factor; for example 2x, 1.5 or 150%") from None
    if not (math.isfinite(value) and 0 < value <= _MOST_TIMES):
        raise argparse.ArgumentTypeError(f"{text}: use more than 0 and at most {_MOST_TIMES:g}, for example 2x")
    return value


def _capacity(arguments: argparse.Namespace) -> int:
    with needs_extra("otel-fe capacity", "collector"):
        from otel_fe.capacity.services import capacity_of  # noqa: PLC0415
        from otel_fe.capacity.stored_measurements import services_of  # noqa: PLC0415 only this command needs it
        from otel_fe.capacity.text import document, in_words  # noqa: PLC0415
        from otel_fe.clock import SystemClock  # noqa: PLC0415
        from otel_fe.config.openslo import read_openslo_file  # noqa: PLC0415
        from otel_fe.store import StoreReader  # noqa: PLC0415
    slos = read_openslo_file(arguments.slo, os.environ).slos
    with StoreReader(arguments.store) as reader:
        now_ns = SystemClock().time_ns()
        known = services_of(reader)
        if not known:
            raise OtelFeError(f"{arguments.store}: no extractions are stored yet")
        if arguments.service is not None and arguments.service not in known:
            raise OtelFeError(
                f"--service {arguments.service}: the store has no service of this name; it has {', '.join(known)}"
            )
        found = capacity_of(
            reader, slos, (now_ns - arguments.since, now_ns), arguments.traffic, arguments.service, ahead=True
        )
    if arguments.json:
        print(json.dumps({"services": document(found)}, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(in_words(found))
    return 0
