"""Starts the dashboard's server from its settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from otel_fe.collector.servers.endpoints import endpoint
from otel_fe.config.openslo import OpenSlo, read_openslo_file
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.grafana_link import GrafanaLink
from otel_fe.dashboard.page_context import ConfigText, PageContext, TraceLink
from otel_fe.dashboard.server import DashboardServer
from otel_fe.dashboard.settings import OWN, DashboardSettings
from otel_fe.dashboard.site import Site
from otel_fe.dashboard.templating import environment
from otel_fe.errors import ConfigurationError
from otel_fe.store import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def open_dashboard(
    settings: DashboardSettings, store: Path, *, slos: Path | OpenSlo | None = None, config: ConfigText | None = None
) -> DashboardServer:
    """Return a server that listens, and serves once it is run.

    Args:
        settings: Where, and to whom.
        store: Folder of the store. It need not be there yet.
        slos: A file of OpenSLO documents, or what was read of one; None for the four requirements.
        config: The collector's YAML.

    Raises:
        OtelFeError, OSError: Something cannot be used.
    """
    environment()
    listen = endpoint(settings.listen, settings.names.listen)
    access = Access(listen, settings.token, frozenset(name.lower() for name in settings.hosts), settings.names)
    read = slos if isinstance(slos, OpenSlo) else read_openslo_file(slos, os.environ)
    stored = PageContext(
        StoreReader(store),
        store,
        slos=read.slos,
        links=tuple(trace_links(settings.trace_urls, settings.names.trace_url)),
        config=config,
        grafana=grafana_link(settings.grafana_url, settings.names.grafana_url) if settings.grafana_url else None,
    )
    try:
        return DashboardServer(Site(stored, access), listen)
    except OSError as error:
        why = f"{settings.names.listen}: {error.strerror}; choose another port, or 0 for a free one"
        raise OSError(error.errno, why) from error


def trace_links(given: Iterable[str], option: str = OWN.trace_url) -> Iterable[TraceLink]:
    """Yield the places where traces can be looked at, as `--trace-url` names them.

    Raises:
        ConfigurationError: An address is no URL of a web page, or has no `{trace_id}`.
    """
    for text in given:
        name, equals, template = text.partition("=")
        if not equals or "://" in name:
            name, template = "", text
        parts = urlsplit(template)
        if parts.scheme not in ("http", "https") or not parts.netloc or "{trace_id}" not in template:
            raise ConfigurationError(option, text, "use for example http://localhost:16686/trace/{trace_id}")
        guess = "Jaeger" if parts.port == 16686 else parts.hostname or "other"  # noqa: PLR2004 Jaeger's own port
        yield TraceLink(name or guess, template)


def grafana_link(url: str, option: str = OWN.grafana_url) -> GrafanaLink:
    """Return the Grafana that `--grafana-url` names.

    Raises:
        ConfigurationError: The address is no URL of a web page, or holds a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(option, url, "use for example http://localhost:3000")
    if "@" in parts.netloc:
        raise ConfigurationError(option, "an address with a password", "leave the password out; Grafana asks for it")
    return GrafanaLink(url.rstrip("/"))
