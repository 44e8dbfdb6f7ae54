"""The command `otel-fe dashboard`: its arguments, and those of commands that serve the dashboard beside what else they do.

Its code is imported when it runs.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector.settings import Sidecar
from otel_fe.config.settings import DASHBOARD_TOKEN
from otel_fe.config.text_file import read_text_file
from otel_fe.dashboard.settings import OF_OTHERS, OWN, DashboardSettings, OptionNames
from otel_fe.errors import ConfigurationError, needs_extra

if TYPE_CHECKING:
    import argparse

    from otel_fe.dashboard.server import DashboardServer

    Commands = argparse._SubParsersAction[Any]

_LISTEN: Final = "localhost:8899"
_TRACE_ID: Final = "{trace_id}"


def add_dashboard(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    dashboard = commands.add_parser(
        "dashboard",
        help="show what a collector has stored: from a latency bucket to the trace behind it",
        description="Serve the dashboard of a store, also while `otel-fe collector --store` writes to it. Works offline; it writes "
        "nothing but silences.",
        epilog="examples:\n"
        "  otel-fe dashboard --store store\n"
        "  otel-fe dashboard --store store --trace-url 'http://localhost:16686/trace/{trace_id}'  # with links to Jaeger\n",
    )
    dashboard.add_argument("--store", required=True, type=Path, metavar="DIR", help="the collector's store")
    dashboard.add_argument(
        OWN.listen,
        dest="dashboard",
        default=_LISTEN,
        metavar="HOST:PORT",
        help="address to listen on (default %(default)s)",
    )
    _add_readers(dashboard, OWN)
    dashboard.add_argument(
        "--config", type=Path, metavar="FILE", help="the collector's YAML, shown on the page about policies"
    )
    dashboard.add_argument(
        "--slo", type=Path, metavar="FILE", help="OpenSLO documents (default: the four requirements)"
    )
    dashboard.add_argument("--open", action="store_true", help="open the dashboard in the browser")
    dashboard.set_defaults(run=_dashboard)


def add_to_another(parser: argparse.ArgumentParser) -> None:
    """Add the dashboard to another command's options: `--dashboard [HOST:PORT]`, and who may look."""
    group = parser.add_argument_group("the dashboard")
    group.add_argument(
        OF_OTHERS.listen,
        nargs="?",
        const=_LISTEN,
        metavar="HOST:PORT",
        help="also serve the dashboard, as `otel-fe dashboard` does (default of HOST:PORT: %(const)s)",
    )
    _add_readers(group, OF_OTHERS)


def asked_of_another(arguments: argparse.Namespace) -> DashboardSettings | None:
    """Return the settings of the dashboard that another command serves; None where it serves none.

    Raises:
        ConfigurationError: The options contradict each other, or the token's file is empty.
        OSError: The token's file cannot be read.
    """
    if arguments.dashboard is not None:
        return _settings(arguments, OF_OTHERS)
    # The token may be in an argument: it is not shown.
    for name in (OF_OTHERS.token, OF_OTHERS.token_file, OF_OTHERS.host, OF_OTHERS.trace_url, OF_OTHERS.grafana_url):
        if getattr(arguments, _destination(name)):
            raise ConfigurationError(name, "without --dashboard", "add --dashboard, or leave it out")
    return None


def companion(arguments: argparse.Namespace) -> Sidecar | None:
    """Return the dashboard as it runs beside a collector; None where it is not requested.

    Raises:
        ConfigurationError, OSError: See `asked_of_another`.
    """
    settings = asked_of_another(arguments)
    return None if settings is None else _companion(settings)


def companion_on(listen: str) -> Sidecar:
    """Return the dashboard beside a collector on a loopback address, with everything else as it is by default."""
    return _companion(DashboardSettings(listen, names=OF_OTHERS))


def _companion(settings: DashboardSettings) -> Sidecar:
    return Sidecar(
        "dashboard", OF_OTHERS.listen, settings.listen, "otel_fe.dashboard.sidecar", {"settings": settings.as_dict()}
    )


def opened(settings: DashboardSettings, store: Path, **more: Any) -> DashboardServer:
    """Return a dashboard that listens: see `start_server.open_dashboard`, which is imported now.

    Raises:
        MissingExtraError: What it needs is not installed.
        OtelFeError, OSError: It cannot be served.
    """
    with needs_extra("the dashboard", "dashboard"):
        from otel_fe.dashboard.start_server import open_dashboard  # noqa: PLC0415 only who serves it needs it

    server = open_dashboard(settings, store, **more)
    # What is loaded by now stays: to look through all of it for garbage, every few pages, would keep a reader waiting for it.
    gc.freeze()
    return server


def _add_readers(parser: Any, names: OptionNames) -> None:
    """Add who may look, and where else they can."""
    parser.add_argument(
        names.token,
        dest=_destination(OF_OTHERS.token),
        default="",
        metavar="TOKEN",
        help=f"token that readers must give; required beyond loopback. Prefer {DASHBOARD_TOKEN}: arguments are visible to others",
    )
    parser.add_argument(
        names.token_file,
        dest=_destination(OF_OTHERS.token_file),
        type=Path,
        metavar="FILE",
        help="file with the token",
    )
    parser.add_argument(
        names.host,
        dest=_destination(OF_OTHERS.host),
        action="append",
        default=[],
        metavar="NAME",
        help="host name that readers may use beyond loopback; repeatable",
    )
    parser.add_argument(
        names.trace_url,
        action="append",
        default=[],
        metavar="[NAME=]URL",
        help=f"link to a trace in another UI, with {_TRACE_ID}: http://localhost:16686/trace/{_TRACE_ID}; repeatable",
    )
    parser.add_argument(
        names.grafana_url,
        default="",
        metavar="URL",
        help="the Grafana with the rendered dashboards; pages link to the same service and time there",
    )


def _destination(name: str) -> str:
    return name.removeprefix("--").replace("-", "_")


def _settings(arguments: argparse.Namespace, names: OptionNames) -> DashboardSettings:
    return DashboardSettings(
        arguments.dashboard,
        _token(arguments, names),
        tuple(arguments.dashboard_host),
        tuple(arguments.trace_url),
        arguments.grafana_url,
        names,
    )


def _token(arguments: argparse.Namespace, names: OptionNames) -> str:
    file = arguments.dashboard_token_file
    if file is not None:
        found = read_text_file(file).strip()
        if not found:
            raise ConfigurationError(names.token_file, str(file), "write the token into it")
        return found
    return str(arguments.dashboard_token or os.environ.get(DASHBOARD_TOKEN, ""))


def _is_empty(store: Path) -> bool:
    """Return whether nothing is stored yet.

    Raises:
        StoreError: The store cannot be read: better now than on each page.
    """
    from otel_fe.store import StoreReader  # noqa: PLC0415 only this command needs it
    from otel_fe.store.store_error import StoreMissingError  # noqa: PLC0415

    try:
        with StoreReader(store) as reader:
            return reader.latest_extent(1) is None
    except StoreMissingError:
        return True


def _has_desktop() -> bool:
    """Return whether there is a desktop to open a browser on; in a terminal, a browser would take its place."""
    return sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _dashboard(arguments: argparse.Namespace) -> int:
    server = opened(_settings(arguments, OWN), arguments.store, slos=arguments.slo, config=arguments.config)
    try:
        empty = _is_empty(arguments.store)
        print(f"otel-fe dashboard: {server.url}", file=sys.stderr, flush=True)
        if empty and not arguments.quiet:
            note = (
                f"nothing is stored in {arguments.store} yet; pages fill once `otel-fe up` or a collector writes there"
            )
            print(f"otel-fe dashboard: {note}", file=sys.stderr, flush=True)
        if arguments.open and _has_desktop():
            import webbrowser  # noqa: PLC0415 only who asks for it

            threading.Thread(target=webbrowser.open, args=(server.url,), name="otel-fe-browser", daemon=True).start()
        server.run()
    finally:
        server.close()
    return 0
