"""What `otel-fe collector` is told on its command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """How the collector runs, beside its configuration."""

    config: Path
    """The Collector's YAML."""
    own_page: str = "localhost:8888"
    """Where `/metrics` and `otel-fe why` are answered: the Collector's own default. Loopback only; `none` for nowhere."""
    store: Path | None = None
    """Where kept traces, series and decisions are kept for the dashboard; None to keep none."""
    slos: Path | None = None
    """OpenSLO documents to alert on, where there is a store; None for the four requirements."""
    alertmanager: str = ""
    """URL of the Alertmanager that is told of alerts; empty for none."""
    workers: int = 1
    """Processes that share the work."""
    open_to_all: bool = False
    """Listen beyond loopback without asking who sends."""
    grace_s: float = 10.0
    """The longest that a stop may take."""
