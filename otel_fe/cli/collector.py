"""The commands `otel-fe collector` and `otel-fe why`: their arguments. Their code is imported when they run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.cli.arguments import trace_id, whole_number
from otel_fe.config.web_address import web_address
from otel_fe.errors import needs_extra

if TYPE_CHECKING:
    from otel_fe.collector.settings import Sidecar

    Commands = argparse._SubParsersAction[Any]

_ADMIN_ENDPOINT: Final = "localhost:8888"
_MOST_WORKERS: Final = 64


def add_commands(commands: Commands) -> argparse.ArgumentParser:
    """Add `collector` and `why` to the commands of `otel-fe`; return the collector's parser.

    The parser's default `companion` is called with the parsed arguments and returns the process to run beside the
    collector: see `Options`.
    """
    collector = _add_collector(commands)
    why = commands.add_parser(
        "why",
        help="show why the running collector kept a trace or did not",
        description="Print the decision of the running `otel-fe collector` on a trace: each policy's vote with the value it saw, "
        "the winning policy, the weight, and what triggered the decision. Exit with status 1 for an unknown trace.",
        epilog="examples:\n"
        "  otel-fe why 8ebb77de0d814c3aa5e9f2bb3c6f8a10                # from the running collector\n"
        "  otel-fe why 8ebb77de0d814c3aa5e9f2bb3c6f8a10 --store store  # older decisions, too\n",
    )
    why.add_argument("trace_id", type=trace_id, help="32 hexadecimal digits")
    why.add_argument(
        "--admin-endpoint",
        "--own-page",
        default=_ADMIN_ENDPOINT,
        metavar="HOST:PORT",
        help="the collector's admin endpoint (default %(default)s)",
    )
    why.add_argument(
        "--store", type=Path, metavar="DIR", help="the collector's store: older decisions, even if no collector runs"
    )
    why.add_argument("--json", action="store_true", help="print the answer as one JSON document")
    why.set_defaults(run=_why)
    return collector


def _add_collector(commands: Commands) -> argparse.ArgumentParser:
    collector: argparse.ArgumentParser = commands.add_parser(
        "collector",
        help="receive OTLP, decide which traces to keep, and send them on",
        description="Run a configuration of the OpenTelemetry Collector on this machine. SIGTERM stops it, SIGHUP reloads the "
        "configuration.",
        epilog="examples:\n"
        "  otel-fe up                                          # no configuration needed\n"
        "  otel-fe collector --config collector.yaml           # your own\n"
        "  otel-fe collector --config collector.yaml --store store --dashboard\n",
    )
    collector.add_argument("--config", type=Path, metavar="FILE", help="the Collector's YAML")
    collector.add_argument(
        "--admin-endpoint",
        "--own-page",
        default=_ADMIN_ENDPOINT,
        metavar="HOST:PORT",
        help="serve /metrics and the decisions for `otel-fe why` here, on loopback; `none` for neither (default %(default)s)",
    )
    collector.add_argument(
        "--store", type=Path, metavar="DIR", help="store kept traces and metrics in this folder, for the dashboard"
    )
    _add_alerting(collector)
    collector.add_argument(
        "--workers",
        type=whole_number(1, _MOST_WORKERS),
        default=1,
        metavar="N",
        help="processes that share the work (default 1)",
    )
    collector.add_argument(
        "--allow-unauthenticated",
        action="store_true",
        help="allow receivers to listen beyond loopback without authentication",
    )
    collector.set_defaults(run=_collector, companion=lambda _: None)
    return collector


def _add_alerting(collector: argparse.ArgumentParser) -> None:
    collector.add_argument(
        "--slo",
        type=Path,
        metavar="FILE",
        help="OpenSLO documents to alert on; needs --store (default: the four requirements)",
    )
    collector.add_argument(
        "--alertmanager", default="", metavar="URL", help="send alerts to this Alertmanager; needs --store"
    )
    collector.add_argument(
        "--page-url",
        default="",
        metavar="URL",
        help="public address of the dashboard, which alerts link to (default: that of --dashboard)",
    )
    collector.add_argument(
        "--runbook-url",
        default="",
        metavar="URL",
        help="the runbook that alerts link to; {cause} and {feature_set} are filled in",
    )


def _collector(arguments: argparse.Namespace) -> int:
    if arguments.config is None:
        raise argparse.ArgumentError(
            None,
            "--config FILE is needed: the Collector's YAML. Without one, `otel-fe up` runs a built-in configuration",
        )
    with needs_extra("the collector", "collector"):  # also of modules that the configuration needs later
        from otel_fe.collector.serving import serve  # noqa: PLC0415 only this command needs it
        from otel_fe.collector.settings import Options  # noqa: PLC0415

        companion = arguments.companion(arguments)
        return serve(
            Options(
                config=arguments.config,
                admin_endpoint=arguments.admin_endpoint,
                store=arguments.store,
                slos=arguments.slo,
                alertmanager=arguments.alertmanager,
                page_url=web_address("--page-url", arguments.page_url) or _page_url(companion),
                runbook_url=web_address("--runbook-url", arguments.runbook_url),
                workers=arguments.workers,
                open_to_all=arguments.allow_unauthenticated,
                companion=companion,
            )
        )


def _page_url(companion: Sidecar | None) -> str:
    """Return where the pages beside the collector are; empty where there are none."""
    return "" if companion is None else f"http://{companion.value}"


def _why(arguments: argparse.Namespace) -> int:
    from otel_fe.collector.decision_request import ask, in_words  # noqa: PLC0415 only this command needs it

    answer = ask(f"{arguments.trace_id:032x}", arguments.admin_endpoint, arguments.store)
    print(json.dumps(answer) if arguments.json else in_words(answer))
    return int(answer.get("state") not in {"decided", "pending", "remembered"})
