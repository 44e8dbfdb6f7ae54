"""The dashboard over a week of 200 000 kept traces: how long each view takes, and what it costs beside looking at every row.

The measured process is `otel-fe dashboard`, which has read nothing yet. It is asked over HTTP as a browser asks; its CPU and memory
are what the operating system counted. The other side is the same command over a copy of the store in which nothing is added up, so
that every question is answered from the rows.
"""

from __future__ import annotations

import http.client
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from otel_fe.store import Selection, StoreReader
from otel_fe.store.database import FILE_NAME
from tests.bench.bed import BIN, REPOSITORY, clean_environment
from tests.bench.rounds import Spread, note
from tests.bench.stored_week import DAYS, TRACES, fill
from tests.bench.week_metrics import MINUTE_NS

FIRST = "overview, cold"
"""The first view that a process is asked for; all others come after it."""
SIDES = ("otel_fe", "rows")
"""The second answers everything from the rows."""
_QUICK = (2_000, 1)
_LEAST_ROUNDS = 5
_CELL_MS = 10_800_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One side over all rounds."""

    wall_ms: dict[str, list[float]]
    """By view, round by round."""
    cpu_ms: dict[str, list[float]]
    peak_mib: Spread


@dataclass(frozen=True, slots=True)
class DashboardFigures:
    """The figures of both sides."""

    sides: dict[str, Measured]
    traces: int
    store_mb: float
    cells_mb: float
    """Of that, what is added up."""

    def text(self, side: str, view: str) -> str:
        """Return the time of a view, ms."""
        return Spread.of(self.sides[side].wall_ms[view]).text(0)

    def middle_ms(self, view: str) -> float:
        """Return the median of a view's times."""
        return median(self.sides["otel_fe"].wall_ms[view])

    def p95_ms(self, side: str, view: str) -> float:
        """Return the time that 95 % of the rounds did not exceed."""
        return quantiles(self.sides[side].wall_ms[view], n=20, method="inclusive")[-1]

    def ratio(self, view: str) -> float:
        """Return the CPU of a view over what it costs from the rows alone: the median of the rounds' ratios."""
        ours, rows = (self.sides[side].cpu_ms[view] for side in SIDES)
        return median(one / other for one, other in zip(ours, rows, strict=True))


def views(directory: Path, end_ns: int) -> dict[str, str]:
    """Return what is asked for, by name, in order."""
    with StoreReader(directory) as reader:
        kept = reader.traces.find(Selection(0, 1 << 62), limit=1)[0]
    end = end_ns // 1_000_000
    cell = (end - 2 * _CELL_MS) // _CELL_MS * _CELL_MS
    group = "service=ranking&feature_set=popularity"
    week = "/explore?range=7d"
    return {
        FIRST: "/?range=7d",
        "overview": "/?range=7d",
        "overview, 24 h": "/?range=24h",
        "overview, 1 h": "/?range=1h",
        "overview, one group": f"/?range=7d&{group}",
        "explore": week,
        "explore, a cell": f"{week}&t0={cell}&t1={cell + _CELL_MS}&low=100.000000&high=118.920712",
        "explore, 100 ms and above": f"{week}&low=100.000000",
        "explore, errors": f"{week}&error=yes",
        "explore, cache misses": f"{week}&cache_hit=no",
        "explore, a rare cause": f"{week}&cause=gpu",
        "explore, a rare policy": f"{week}&policy=rare",
        "explore, a dragged range": f"{week}&t0={end - 19 * _CELL_MS}&t1={end - 12_345_678}&low=50.000000&high=400.000000",
        "explore, newest": f"{week}&low=100.000000&order=newest",
        "explore, page 41": f"{week}&low=100.000000&page=40",
        "explore, 24 h": "/explore?range=24h",
        "explore, one group": f"{week}&{group}",
        "trace": f"/trace/{kept.trace_id:032x}",
        "trace that is not kept": f"/trace/{'ab' * 16}",
        "objectives": "/slo?range=7d",
        "an objective": f"/slo?range=7d&slo=latency&{group}",
        "resources": "/resources?range=7d",
        "policies": "/policies?range=7d",
        "overview.json": "/overview.json?range=7d",
        "explore.json": "/explore.json?range=7d",
    }


def run_dashboard(rounds: int, *, quick: bool = False) -> DashboardFigures:
    """Make the store, and measure."""
    traces, days = _QUICK if quick else (TRACES, DAYS)
    end_ns = time.time_ns() // MINUTE_NS * MINUTE_NS
    with tempfile.TemporaryDirectory(prefix="otel_fe_bench_") as folder:
        note("dashboard: the store")
        fill(Path(folder) / "otel_fe", end_ns, traces, days)
        return measure(Path(folder) / "otel_fe", end_ns, traces, rounds if quick else max(_LEAST_ROUNDS, rounds))


def measure(directory: Path, end_ns: int, traces: int, rounds: int) -> DashboardFigures:
    """Measure over a store, and over a copy beside it without cells; both sides once per round, each in a fresh process."""
    copy = directory.with_name("rows")
    cells_bytes = _without_cells(directory, copy)
    asked = views(directory, end_ns)
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for number in range(rounds):
        for side, of_side in zip(SIDES, (directory, copy), strict=True):
            note(f"dashboard: round {number + 1} of {rounds}, {side}")
            found[side].append(_round(of_side, asked))
    note("")
    size = sum(file.stat().st_size for file in directory.iterdir())
    sides = {side: _measured(one) for side, one in found.items()}
    return DashboardFigures(sides, traces, size / 1e6, cells_bytes / 1e6)


def _without_cells(directory: Path, copy: Path) -> int:
    """Copy a store, and take out what is added up; return how much that was."""
    shutil.copytree(directory, copy)
    connection = sqlite3.connect(copy / FILE_NAME, isolation_level=None)
    try:
        free = "PRAGMA freelist_count"
        before = connection.execute(free).fetchone()[0]
        connection.execute("DELETE FROM counted")
        connection.execute("DELETE FROM cell")
        freed = connection.execute(free).fetchone()[0] - before
        return int(freed * connection.execute("PRAGMA page_size").fetchone()[0])
    finally:
        connection.close()


def _measured(rounds: list[dict[str, Any]]) -> Measured:
    wall, cpu = (
        {view: [one[kind][view] for one in rounds] for view in rounds[0][kind]} for kind in ("wall_ms", "cpu_ms")
    )
    return Measured(wall, cpu, Spread.of([one["peak_mib"] for one in rounds]))


def _round(directory: Path, asked: dict[str, str]) -> dict[str, Any]:
    command = [str(BIN / "otel-fe"), "dashboard", "--store", str(directory), "--listen", "localhost:0"]
    served = subprocess.Popen(command, cwd=REPOSITORY, env=clean_environment(), stderr=subprocess.PIPE, text=True)
    assert served.stderr is not None
    try:
        connection = http.client.HTTPConnection(urlsplit(served.stderr.readline().split()[-1]).netloc, timeout=60)
        wall, cpu = {}, {}
        for view, target in asked.items():
            begun, used = time.perf_counter(), _cpu_ms(served.pid)
            connection.request("GET", target, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            answer.read()
            wall[view] = (time.perf_counter() - begun) * 1e3
            cpu[view] = _cpu_ms(served.pid) - used
            if answer.status not in (200, 404):
                sys.exit(f"bench: dashboard {target} answered {answer.status}")
        connection.close()
        return {"wall_ms": wall, "cpu_ms": cpu, "peak_mib": _peak_mib(served.pid)}
    finally:
        served.terminate()
        served.wait(30)
        served.stderr.close()


def _cpu_ms(pid: int) -> float:
    """Return the CPU of a process so far, user and system, of the threads that live: the one connection stays open."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
