"""The cost of watching slow extractions, beside py-spy and pyroscope-io as a user would run them, at 100 Hz.

`make bench ARGS=watcher`. Three loads: all extractions healthy; one in a hundred slow, in four threads; 64 threads that are all slow.
Each variant runs once a round, in a process of its own, in turn.
"""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.bed import REPOSITORY
from tests.bench.report import Goal
from tests.bench.watched_service import LOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS: Final = 6.0
_HZ: Final = 100
OFF: Final = "off"
VARIANTS: Final = (OFF, "watcher", "py-spy", "pyroscope-io")


@dataclass(frozen=True, slots=True)
class Cost:
    """One run."""

    load: str
    variant: str
    us_per_call: float
    """CPU time of the process, and of what profiles it from outside."""
    cores: float
    """The same, of the time that has passed."""
    watcher_cores: float
    """Of that, the watching thread."""
    p99_ms: float | None
    """Of the calls that are not slow by themselves."""


def available() -> tuple[str, ...]:
    """Return the variants that can run here."""
    missing = {"py-spy": _py_spy() is None, "pyroscope-io": importlib.util.find_spec("pyroscope") is None}
    return tuple(variant for variant in VARIANTS if not missing.get(variant, False))


def run_watcher(rounds: int, seconds: float = _SECONDS) -> list[Cost]:
    """Run every load under every variant, in turn, so that a noisy minute meets all of them."""
    with _taking_profiles() as address:
        return [
            _run(load, variant, seconds, address) for _ in range(rounds) for load in LOADS for variant in available()
        ]


def table(costs: list[Cost]) -> str:
    """Return the medians, and what each variant adds to `off`."""
    lines = [f"{'load':10} {'variant':13} {'µs/call':>9} {'added':>8} {'cores':>7} {'watcher':>8} {'p99 ms':>8}"]
    for load in LOADS:
        base = _median(costs, load, OFF, "us_per_call")
        for variant in VARIANTS:
            if not any(one.load == load and one.variant == variant for one in costs):
                lines.append(f"{load:10} {variant:13} not run: not installed, or not permitted")
                continue
            each = _median(costs, load, variant, "us_per_call")
            p99 = _median(costs, load, variant, "p99_ms")
            lines.append(
                f"{load:10} {variant:13} {each:9.1f} {each / base - 1:+8.1%} {_median(costs, load, variant, 'cores'):7.3f}"
                f" {_median(costs, load, variant, 'watcher_cores'):8.2%} {p99:8.2f}"
            )
    return "\n".join(lines)


def goals(costs: list[Cost]) -> list[Goal]:
    """Return the goals of issue 17."""
    base, on = (_median(costs, "1 % slow", variant, "us_per_call") for variant in (OFF, "watcher"))
    idle, watched = (_median(costs, "healthy", variant, "us_per_call") for variant in (OFF, "watcher"))
    tail, tail_on = (_median(costs, "1 % slow", variant, "p99_ms") for variant in (OFF, "watcher"))
    share = _median(costs, "64 slow", "watcher", "watcher_cores")
    return [
        Goal(
            "watcher: healthy extractions cost the same (within 2 %)",
            f"{watched / idle - 1:+.1%}",
            watched < 1.02 * idle,
        ),
        Goal("watcher: 1 % slow, at most 2 % more CPU", f"{on / base - 1:+.1%}", on <= 1.02 * base),
        Goal("watcher: 64 slow threads, at most 1 % of a core", f"{share:.2%}", share <= 0.01),
        Goal("watcher: p99 of the host unchanged (within 5 %)", f"{tail_on / tail - 1:+.1%}", tail_on <= 1.05 * tail),
    ]


def _median(costs: list[Cost], load: str, variant: str, name: str) -> float:
    found = [getattr(one, name) for one in costs if one.load == load and one.variant == variant]
    return statistics.median(value for value in found if value is not None) if any(found) else 0.0


def _py_spy() -> str | None:
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def _run(load: str, variant: str, seconds: float, address: str) -> Cost:
    command = [sys.executable, "-m", "tests.bench.watched_service", load, variant, str(seconds), address]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", f"{variant} does not start"
        outside = _record(process.pid, seconds, Path(folder)) if variant == "py-spy" else None
        process.stdin.write("\n")
        process.stdin.flush()
        found = json.loads(process.stdout.readline())
        outside_s = 0.0
        if outside is not None:
            _, _, usage = os.wait4(outside.pid, 0)
            outside.returncode = 0  # it has been waited for
            outside_s = usage.ru_utime + usage.ru_stime
    used = found["cpu_s"] + outside_s
    return Cost(
        load,
        variant,
        used / found["calls"] * 1e6,
        used / found["wall_s"],
        found["watcher_s"] / found["wall_s"],
        found["p99_ms"],
    )


def _record(pid: int, seconds: float, folder: Path) -> subprocess.Popen[bytes]:
    """Start py-spy for as long as the load runs."""
    recorder = _py_spy()
    assert recorder is not None
    command = [recorder, "record", "--pid", str(pid), "--rate", str(_HZ), "--duration", str(int(seconds))]
    output = ["--format", "raw", "--output", str(folder / "profile.txt")]
    return subprocess.Popen([*command, *output], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class _Accepting(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _taking_profiles() -> Iterator[str]:
    """Take what pyroscope-io uploads."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Accepting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
