"""The command `otel-fe dashboard`: its arguments. What it does is imported when it does it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    import argparse

    Commands = argparse._SubParsersAction[Any]

_LISTEN: Final = "localhost:8899"
_TOKEN: Final = "OTEL_FE_DASHBOARD_TOKEN"  # noqa: S105 its name
_TRACE_ID: Final = "{trace_id}"


def add_dashboard(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    dashboard = commands.add_parser(
        "dashboard",
        help="show what a collector has stored: from a latency bucket to the trace behind it",
        description="Serve pages about a store that `otel-fe collector --store` writes, also while it does. Read-only, offline.",
    )
    dashboard.add_argument("--store", required=True, type=Path, metavar="DIR", help="the collector's store")
    dashboard.add_argument("--listen", default=_LISTEN, metavar="HOST:PORT", help="where (default %(default)s)")
    dashboard.add_argument(
        "--token",
        default="",
        help=f"who asks must know it; needed off loopback. Better in {_TOKEN}: others see arguments",
    )
    dashboard.add_argument("--token-file", type=Path, metavar="FILE", help="a file that holds it")
    dashboard.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="a name that it may be asked by, off loopback"
    )
    dashboard.add_argument(
        "--trace-url",
        action="append",
        default=[],
        metavar="[NAME=]URL",
        help=f"where else traces are, with {_TRACE_ID}: http://localhost:16686/trace/{_TRACE_ID}; several times for several",
    )
    dashboard.add_argument(
        "--config", type=Path, metavar="FILE", help="the collector's YAML, for the page about policies"
    )
    dashboard.add_argument(
        "--slo", type=Path, metavar="FILE", help="OpenSLO documents (default: the four requirements)"
    )
    dashboard.set_defaults(run=_dashboard)


def _dashboard(arguments: argparse.Namespace) -> int:
    try:
        from otel_fe.dashboard.serving import open_dashboard  # noqa: PLC0415 only this command needs it
    except MissingExtraError:
        raise
    except ImportError:
        raise MissingExtraError("`otel-fe dashboard`", "dashboard") from None

    server = open_dashboard(arguments, _token(arguments))
    print(f"otel-fe dashboard: {server.url}", file=sys.stderr, flush=True)
    try:
        server.run()
    finally:
        server.close()
    return 0


def _token(arguments: argparse.Namespace) -> str:
    if arguments.token_file is not None:
        found = arguments.token_file.read_text(encoding="utf-8").strip()
        if not found:
            raise ConfigurationError("--token-file", str(arguments.token_file), "write the token into it")
        return str(found)
    return str(arguments.token or os.environ.get(_TOKEN, ""))
