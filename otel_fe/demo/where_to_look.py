"""The last lines of the demo: how to open its store in the dashboard."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from otel_fe.demo.report import DemoReport

OWN_URL: Final = "http://localhost:8899/"
"""The default address of `otel-fe dashboard`."""
_MARGIN_MS: Final = 30_000


def where_to_look(report: DemoReport, store: Path, window_ns: tuple[int, int], url: str = "") -> str:
    """Return the lines.

    Args:
        report: What was found.
        store: Folder of the kept traces.
        window_ns: Unix time of the load, from and until.
        url: Where a dashboard is served now; empty where none is, and a command is to start one.
    """
    if url:
        lines = [f"Look closer, until Ctrl-C: {url}"]
    else:
        lines = [f"Look closer: {_command()} dashboard --store {shlex.quote(str(store))} --open"]
    base = (url or OWN_URL).rstrip("/")
    since, until = window_ns
    view = ViewAddress(since=str(since // NS_PER_MS - _MARGIN_MS), until=str(until // NS_PER_MS + _MARGIN_MS))
    slowest = report.slowest_feature_set
    if slowest:
        lines.append(f"  {slowest}, the slowest by p95: {base}{view.url('/explore', feature_set=slowest)}")
    if report.slowest is not None:
        lines.append(f"  the slowest trace: {base}/trace/{report.slowest.trace_id}")
    return "\n".join(lines)


def _command() -> str:
    """Return how to call `otel-fe` from where the demo was called, as it can be copied into a shell."""
    script = Path(sys.executable).parent / "otel-fe"
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m otel_fe.cli"
    known = shutil.which("otel-fe")
    if known is not None and Path(known).resolve() == script.resolve():
        return "otel-fe"
    here = Path.cwd()
    shown = os.path.relpath(script, here) if script.is_relative_to(here) else str(script)
    return shlex.quote(shown)
