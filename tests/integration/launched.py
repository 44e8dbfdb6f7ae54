"""Running an application under `opentelemetry-instrument`, and reading what it exported to its standard output."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CONSOLE = {
    "OTEL_TRACES_EXPORTER": "console",
    "OTEL_METRICS_EXPORTER": "console",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_METRIC_EXPORT_INTERVAL": "600000",
    "OTEL_FE_BASELINE_RATIO": "1",
}


@dataclass(frozen=True)
class Exported:
    """A process's exit status, output and exported telemetry."""

    status: int
    spans: list[dict[str, Any]]
    points: dict[str, list[dict[str, Any]]]
    """Data points by metric name: of the last export of each process that wrote to this output."""
    out: str
    err: str

    def extractions(self) -> list[dict[str, Any]]:
        """Return the extraction spans."""
        return [span for span in self.spans if span["name"].startswith("feature_extraction")]

    def total(self, metric: str, **dimensions: object) -> float:
        """Return the sum of a metric's points that have these dimensions; dots are written as `__`."""
        wanted = {key.replace("__", "."): value for key, value in dimensions.items()}
        return sum(
            point.get("value", point.get("count", 0))
            for point in self.points.get(metric, [])
            if wanted.items() <= point["attributes"].items()
        )


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without any OpenTelemetry setting, and with the console exporters."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_") and k != "PYTHONPATH"}
    return {**clean, **_CONSOLE, "PYTHONUNBUFFERED": "1", **more}


def command(app: Path, *arguments: str, python: str = sys.executable) -> list[str]:
    """Return the command line that launches `app` under the launcher of the same environment."""
    return [str(Path(python).parent / "opentelemetry-instrument"), python, str(app), *arguments]


def write(folder: Path, source: str, name: str = "app.py") -> Path:
    """Write an application into `folder`."""
    path = folder / name
    path.write_text(source)
    return path


def run(app: Path, *arguments: str, python: str = sys.executable, **more: str) -> Exported:
    """Run `app` under the launcher until it ends."""
    done = subprocess.run(
        command(app, *arguments, python=python),
        env=environment(**more),
        cwd=app.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return read(done.returncode, done.stdout, done.stderr)


def read(status: int, out: str, err: str) -> Exported:
    """Parse the JSON documents that console exporters left in `out`, between the application's own lines."""
    spans: list[dict[str, Any]] = []
    exports: dict[tuple[str, str], list[dict[str, Any]]] = {}
    decoder = json.JSONDecoder()
    at = 0
    while (start := re.compile(r"^\{", re.MULTILINE).search(out, at)) is not None:
        try:
            document, at = decoder.raw_decode(out, start.start())
        except json.JSONDecodeError:
            at = start.end()
            continue
        if "resource_metrics" in document:
            for resource in document["resource_metrics"]:
                process = resource["resource"]["attributes"]["service.instance.id"]
                for scope in resource["scope_metrics"]:
                    for metric in scope["metrics"]:
                        exports[process, metric["name"]] = metric["data"]["data_points"]
        else:
            spans.append(document)
    points: dict[str, list[dict[str, Any]]] = {}
    for (_process, name), found in exports.items():
        points.setdefault(name, []).extend(found)
    return Exported(status, spans, points, out, err)
