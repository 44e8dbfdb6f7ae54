"""From the command's arguments to a server that is ready."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from otel_fe.collector.servers.endpoints import endpoint
from otel_fe.config.openslo import read_openslo_file
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.server import DashboardServer
from otel_fe.dashboard.site import Site
from otel_fe.dashboard.stored import Stored, TraceLink
from otel_fe.dashboard.templating import environment
from otel_fe.errors import ConfigurationError
from otel_fe.store import StoreReader

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


def open_dashboard(arguments: argparse.Namespace, token: str) -> DashboardServer:
    """Return a server that listens, and serves once it is run.

    Raises:
        OtelFeError, OSError: An argument cannot be used.
    """
    environment()
    listen = endpoint(arguments.listen, "--listen")
    access = Access(listen, token, frozenset(name.lower() for name in arguments.host))
    stored = Stored(
        StoreReader(arguments.store),
        arguments.store,
        slos=read_openslo_file(arguments.slo, os.environ).slos,
        links=tuple(trace_links(arguments.trace_url)),
        config=arguments.config,
    )
    return DashboardServer(Site(stored, access), listen)


def trace_links(given: Iterable[str]) -> Iterable[TraceLink]:
    """Yield the places where traces can be looked at, as `--trace-url` names them.

    Raises:
        ConfigurationError: One is no URL of a web page, or has no `{trace_id}`.
    """
    for text in given:
        name, equals, template = text.partition("=")
        if not equals or "://" in name:
            name, template = "", text
        parts = urlsplit(template)
        if parts.scheme not in ("http", "https") or not parts.netloc or "{trace_id}" not in template:
            raise ConfigurationError("--trace-url", text, "use for example http://localhost:16686/trace/{trace_id}")
        guess = "Jaeger" if parts.port == 16686 else parts.hostname or "other"  # noqa: PLR2004 Jaeger's own port
        yield TraceLink(name or guess, template)
