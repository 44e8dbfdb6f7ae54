"""The command `otel-fe mcp`: its arguments. Its code is imported when it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.cli.default_folders import default_store
from otel_fe.cli.parser import examples
from otel_fe.config.settings import DASHBOARD_TOKEN
from otel_fe.config.text_file import read_text_file
from otel_fe.config.web_address import web_address
from otel_fe.errors import ConfigurationError, needs_extra

if TYPE_CHECKING:
    import argparse

    from otel_fe.dashboard.access import Access

    Commands = argparse._SubParsersAction[Any]

_PAGE: Final = "http://localhost:8899"


def add_mcp(commands: Commands) -> None:
    """Add it to the commands of `otel-fe`."""
    mcp = commands.add_parser(
        "mcp",
        help="serve a store to an AI assistant: what is slow, why, and what would help",
        description="Serve the Model Context Protocol over a store: an assistant (Claude, an IDE) can ask what is slow and "
        "why, what changed, what a trace did, how much error budget is left, and what another pool size would do. Read-only. Uses "
        "standard input and output unless --http is given.",
        epilog=examples(
            ("otel-fe mcp", "for an assistant that starts it; the store of `otel-fe up`"),
            ("claude mcp add otel_fe -- otel-fe mcp --store /var/otel_fe", "another store, in Claude Code"),
            ("otel-fe mcp --http", "on http://localhost:8897/mcp"),
        ),
    )
    mcp.add_argument(
        "--store", type=Path, default=default_store(), metavar="DIR", help="the collector's store (default %(default)s)"
    )
    mcp.add_argument("--slo", type=Path, metavar="FILE", help="OpenSLO documents (default: the four requirements)")
    mcp.add_argument(
        "--page-url",
        default=_PAGE,
        metavar="URL",
        help="address of the dashboard, for links in answers; `none` for no links (default %(default)s)",
    )
    mcp.add_argument(
        "--http",
        nargs="?",
        const="localhost:8897",
        metavar="HOST:PORT",
        help="serve streamable HTTP at /mcp instead of standard input and output (default of HOST:PORT: %(const)s)",
    )
    mcp.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the bearer token that clients must send; required beyond loopback (or OTEL_FE_DASHBOARD_TOKEN)",
    )
    mcp.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="host name that clients may use beyond loopback; repeatable",
    )
    mcp.set_defaults(run=_mcp)


def _mcp(arguments: argparse.Namespace) -> int:
    with needs_extra("otel-fe mcp", "mcp"):
        from otel_fe.collector.slo_watch import read_slos  # noqa: PLC0415 only this command needs it
        from otel_fe.dashboard.page_context import PageContext  # noqa: PLC0415
        from otel_fe.mcp.answers import Answers  # noqa: PLC0415
        from otel_fe.mcp.server import make_server  # noqa: PLC0415
        from otel_fe.store import StoreReader  # noqa: PLC0415
    access = None if arguments.http is None else _access(arguments)
    page = "" if arguments.page_url == "none" else web_address("--page-url", arguments.page_url)
    slos = read_slos(arguments.slo, os.environ)
    with StoreReader(arguments.store) as reader:
        server = make_server(Answers(PageContext(reader, arguments.store, slos=slos), page))
        if access is None:
            server.run("stdio")
        else:
            from otel_fe.mcp.http import PATH, serve  # noqa: PLC0415 only where it is asked for

            print(f"otel-fe mcp: http://{access.listen}{PATH}", file=sys.stderr, flush=True)
            serve(server, access)
    return 0


def _access(arguments: argparse.Namespace) -> Access:
    """Return the access settings of the HTTP server.

    Raises:
        ConfigurationError: The server would listen beyond loopback without a token, or the token's file is empty.
        OSError: The token's file cannot be read.
    """
    from otel_fe.collector.servers.endpoints import endpoint  # noqa: PLC0415 only where it is asked for
    from otel_fe.dashboard.access import Access  # noqa: PLC0415
    from otel_fe.dashboard.settings import OptionNames  # noqa: PLC0415

    token = os.environ.get(DASHBOARD_TOKEN, "")
    if arguments.token_file is not None:
        token = read_text_file(arguments.token_file).strip()
        if not token:
            raise ConfigurationError("--token-file", str(arguments.token_file), "write the token into it")
    names = OptionNames("--http", "--token-file", "--token-file", "--host")
    return Access(endpoint(arguments.http, "--http"), token, frozenset(arguments.host), names)
