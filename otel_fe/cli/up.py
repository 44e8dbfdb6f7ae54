"""The command `otel-fe up`: a collector, a store and a dashboard for one's own service, without a configuration.

The collector is `otel-fe collector`, with the configuration of `up.yaml`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe import requirements
from otel_fe.cli.arguments import port
from otel_fe.cli.default_folders import default_store
from otel_fe.cli.parser import examples
from otel_fe.errors import OtelFeError, needs_extra

if TYPE_CHECKING:
    import argparse

    Commands = argparse._SubParsersAction[Any]

_GRPC: Final = 4317
_HTTP: Final = 4318
_DASHBOARD: Final = 8899
_ADMIN: Final = 8888
_FILE: Final = "otel-fe-up.yaml"


def add_up(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    up = commands.add_parser(
        "up",
        help="receive telemetry from your service and show why it is slow; no configuration needed",
        description="Receive OTLP on loopback, store it, and serve the dashboard, until Ctrl-C. Extractions are measured against "
        f"four requirements: {requirements.IN_WORDS}.",
        epilog=examples(
            ("otel-fe up", "then export the three lines that it prints in your service's shell"),
            ("otel-fe up --grpc-port 14317 --http-port 14318", "beside another collector"),
            ("otel-fe up --print-config", "its Collector YAML, as a start for your own"),
        ),
    )
    for option, default, what in (
        ("--grpc-port", _GRPC, "OTLP over gRPC"),
        ("--http-port", _HTTP, "OTLP over HTTP"),
        ("--dashboard-port", _DASHBOARD, "the dashboard"),
    ):
        up.add_argument(
            option,
            type=port,
            default=default,
            metavar="PORT",
            help=f"port of {what}; 0 for a free one (default {default})",
        )
    up.add_argument(
        "--store", type=Path, default=default_store(), metavar="DIR", help="folder of the store (default %(default)s)"
    )
    up.add_argument("--print-config", action="store_true", help="print the configuration and exit")
    up.set_defaults(run=_up)


def _up(arguments: argparse.Namespace) -> int:
    if arguments.print_config:
        print(configuration(arguments.grpc_port, arguments.http_port), end="")
        return 0
    with needs_extra("otel-fe up", "dashboard"):
        from otel_fe.cli.up_announcer import UpAnnouncer  # noqa: PLC0415 only this command needs it
        from otel_fe.collector.serving import serve  # noqa: PLC0415
        from otel_fe.collector.settings import Options  # noqa: PLC0415
        from otel_fe.dashboard.command import companion_on  # noqa: PLC0415
    chosen = {
        option: _free(getattr(arguments, option.strip("-").replace("-", "_")), option)
        for option in ("--grpc-port", "--http-port", "--dashboard-port")
    }
    with UpAnnouncer(arguments.store, quiet=arguments.quiet) as announcer:
        return serve(
            Options(
                config=_written(arguments.store, chosen["--grpc-port"], chosen["--http-port"]),
                admin_endpoint=_admin_endpoint(),
                store=arguments.store,
                companion=companion_on(f"localhost:{chosen['--dashboard-port']}"),
            ),
            announcer,
        )


def configuration(grpc_port: int, http_port: int) -> str:
    """Return the collector's YAML, with the ports of its receivers."""
    text = Path(__file__).with_name("up.yaml").read_text(encoding="utf-8")
    return text.replace("GRPC_PORT", str(grpc_port)).replace("HTTP_PORT", str(http_port))


def _written(store: Path, grpc_port: int, http_port: int) -> Path:
    """Write the configuration into the store's folder, and return its path."""
    from otel_fe.store.database import make_directory  # noqa: PLC0415 only this command needs it

    make_directory(store)
    path = store / _FILE
    path.write_text(configuration(grpc_port, http_port), encoding="utf-8")
    return path


def _free(number: int, option: str) -> int:
    """Return a port after checking that it is free.

    Raises:
        OtelFeError: The port is taken; the message says by whom, and what to do.
    """
    from otel_fe.collector.servers.endpoints import Endpoint  # noqa: PLC0415 only this command needs it
    from otel_fe.collector.servers.taken_ports import check_free  # noqa: PLC0415

    if not number:
        return 0  # each server chooses its own: a port that was chosen here could be taken meanwhile
    try:
        check_free(Endpoint("localhost", number))
    except OSError as error:
        raise OtelFeError(
            f"{error.strerror}; stop that, or choose another port with {option} (0 for a free one)"
        ) from None
    return number


def _admin_endpoint() -> str:
    """Return where `otel-fe why` is answered: its usual place, or a free port where another collector has that."""
    try:
        return f"localhost:{_free(_ADMIN, '')}"
    except OtelFeError:
        print(f"otel-fe up: port {_ADMIN} is taken, so `otel-fe why` needs --store", file=sys.stderr)
        return "localhost:0"
