"""Real Prometheus and Alertmanager, from Debian's packages or PATH: rules checked, rules tested, servers run."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.integration.conftest import missing
from tests.integration.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_S = 30


def program(*names: str) -> str:
    """Return the first of these programs that is on PATH; where none is, skip the test, and fail it in CI."""
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    missing(f"{names[0]} (Debian: apt-get install prometheus prometheus-alertmanager)")
    raise AssertionError


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    command = [program("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def prometheus(folder: Path, rules: Path, target: int, alertmanager: int, intervals: tuple[str, str]) -> Iterator[int]:
    """Run a Prometheus that scrapes `target` as job `shop` and evaluates rules, each at its interval; yields its port."""
    port = free_port()
    scrape, evaluate = intervals
    config = {
        "global": {"scrape_interval": scrape, "scrape_timeout": scrape, "evaluation_interval": evaluate},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
    }
    (folder / "prometheus.json").write_text(json.dumps(config))  # JSON is YAML
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _running(command, folder / "prometheus.log", f"http://127.0.0.1:{port}/-/ready"):
        yield port


@contextmanager
def written_to(folder: Path, config: Path) -> Iterator[int]:
    """Run a Prometheus by a settings file, with the flags by which metrics and exemplars are written to it; yields its port."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--enable-feature=exemplar-storage",
    ]
    with _running(command, folder / "prometheus.log", f"http://127.0.0.1:{port}/-/ready"):
        yield port


@contextmanager
def alertmanager(folder: Path) -> Iterator[int]:
    """Run an Alertmanager; yields its port."""
    port = free_port()
    (folder / "alertmanager.json").write_text(
        json.dumps({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]})
    )
    command = [
        program("prometheus-alertmanager", "alertmanager"),
        f"--config.file={folder / 'alertmanager.json'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with _running(command, folder / "alertmanager.log", f"http://127.0.0.1:{port}/-/ready"):
        yield port


def get(url: str) -> object:
    """Return a JSON document."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def query(port: int, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return Prometheus's answer by sorted labels."""
    found: Any = get(f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(expression)}")
    return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found["data"]["result"]}


@contextmanager
def _running(command: list[str], log: Path, ready: str) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(ready):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False
