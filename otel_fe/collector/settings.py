"""The command-line options of `otel-fe collector`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A program that runs beside the collector in a separate process, on the same store: the dashboard."""

    name: str
    """Its name in messages."""
    option: str
    """The option that enables it, with its value."""
    value: str
    module: str
    """Module whose `main` is run as a child process: see `workers/child_process.py`."""
    settings: Mapping[str, Any]
    """Its own, for JSON; the collector adds where the store is, and the texts of the configuration and of the SLOs in force."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a collector, beside its configuration."""

    config: Path
    """The Collector's YAML."""
    admin_endpoint: str = "localhost:8888"
    """Address of `/metrics` and `otel-fe why`: the Collector's own default. Loopback only; `none` to disable it."""
    store: Path | None = None
    """Folder of the store with kept traces, series and decisions; None for no store."""
    slos: Path | None = None
    """OpenSLO documents to alert on, where there is a store; None for the four requirements."""
    alertmanager: str = ""
    """URL of the Alertmanager that receives alerts; empty for none."""
    page_url: str = ""
    """URL of the dashboard, for links in alerts; empty for no links."""
    runbook_url: str = ""
    """The runbook that alerts link to; empty for the dashboard's."""
    workers: int = 1
    """Processes that share the work."""
    open_to_all: bool = False
    """Listen beyond loopback without authentication."""
    grace_s: float = 10.0
    """The longest that a stop may take."""
    companion: Sidecar | None = None
    """The process that runs beside it, if there is a store; None for none."""
