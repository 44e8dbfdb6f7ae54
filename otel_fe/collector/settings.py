"""What `otel-fe collector` is told on its command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A program that runs beside the collector in a process of its own, made of the same store: the dashboard."""

    name: str
    """What it is called in messages."""
    option: str
    """What asks for it on the command line, and with which value."""
    value: str
    module: str
    """Whose `main` is run as one of the crew: see `workers/crew.py`."""
    settings: Mapping[str, Any]
    """Its own, for JSON; the collector adds where the store is, and the texts of the configuration and of the SLOs in force."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the collector runs, beside its configuration."""

    config: Path
    """The Collector's YAML."""
    admin_endpoint: str = "localhost:8888"
    """Where `/metrics` and `otel-fe why` are answered: the Collector's own default. Loopback only; `none` for nowhere."""
    store: Path | None = None
    """Where kept traces, series and decisions are kept for the dashboard; None to keep none."""
    slos: Path | None = None
    """OpenSLO documents to alert on, where there is a store; None for the four requirements."""
    alertmanager: str = ""
    """URL of the Alertmanager that is told of alerts; empty for none."""
    page_url: str = ""
    """Where the dashboard is opened: alerts then link to it; empty for no links."""
    runbook_url: str = ""
    """The runbook that alerts link to; empty for the dashboard's."""
    workers: int = 1
    """Processes that share the work."""
    open_to_all: bool = False
    """Listen beyond loopback without asking who sends."""
    grace_s: float = 10.0
    """The longest that a stop may take."""
    companion: Sidecar | None = None
    """What runs beside it, where there is a store; None for nothing."""
