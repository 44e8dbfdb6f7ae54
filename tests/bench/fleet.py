"""A collector and the OpenTelemetry Collector under what a fleet sends, cell by cell of a matrix (`fleet_cells.py`).

CPU is what the operating system counted for the process and its children, from before the first request until all traces are
decided and sent; peak memory is VmHWM. With one worker a collector has one core, and sender and sink have another; with two workers
nothing is pinned. The Collector has no store: a cell with one is compared with the Collector's figures without.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.bench.fleet_cells import SHAPES
from tests.bench.pinned import cpu_s, free_port, peak_mib, started
from tests.bench.rounds import Spread, note
from tests.real.collector import build_collector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.fleet_cells import Cell

OURS, THEIRS = "otel_fe", "collector"
_SETTLED_S = 3.0
_STOP_S = 60


@dataclass(frozen=True, slots=True)
class Run:
    """One side of a cell, once."""

    cpu_us: float
    """A span."""
    peak_mib: float
    p99_s: float
    """From the acknowledgement of the span that makes a trace worth keeping to the trace's arrival at the sink."""
    spans_per_s: float
    """While they were sent."""
    arrived: int
    """Traces."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    rounds: int = 5
    duration_s: float = 20.0
    """Of sending, at the usual pace; at full load as many spans are sent."""
    decision_wait_s: float = 30.0
    """The Collector's default."""

    def wait_s(self, cell: Cell) -> float:
        """Return the decision wait of a cell: spans that are later than it would be late at both sides."""
        return max(self.decision_wait_s, cell.skew_s + 1)


def run_fleet(cells: Sequence[Cell], plan: Plan) -> dict[str, dict[str, dict[str, Spread]]]:
    """Return the figures of both sides by the name of a cell, in interleaved rounds."""
    runs: dict[tuple[Cell, str], list[Run]] = {}
    for cell in cells:
        runs[cell, OURS] = []
        runs[cell.reference, THEIRS] = []
    for number in range(plan.rounds):
        for (cell, side), of_side in runs.items():
            note(f"fleet: round {number + 1} of {plan.rounds}, {cell}, {side}")
            of_side.append(_run(cell, side, plan))
    note("")
    return {
        str(cell): {OURS: _spreads(runs[cell, OURS]), THEIRS: _spreads(runs[cell.reference, THEIRS])} for cell in cells
    }


def _spreads(runs: list[Run]) -> dict[str, Spread]:
    return {name: Spread.of([getattr(run, name) for run in runs]) for name in Run.__slots__}


def _run(cell: Cell, side: str, plan: Plan) -> Run:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="otel_fe_bench_")))
        core = 1 if cell.cores == 1 else None
        sink = started(stack, [sys.executable, "-m", "tests.bench.sink"], core=core)
        receiver = free_port()
        configuration = cell.configuration(receiver, int(sink.stdout.readline()), plan.wait_s(cell))
        command = _command(cell, side, folder, configuration)
        log = stack.enter_context((folder / "log").open("wb"))
        collector = started(stack, command, core=0 if cell.cores == 1 else None, output=log, threads=cell.cores)
        shape = SHAPES[cell.shape]
        order = {
            "port": receiver,
            "spans": int(plan.duration_s * cell.spans_per_s),
            "request": int(cell.request),
            "skew_s": cell.skew_s,
            "content": shape.content,
            "joined": shape.joined,
            "spans_per_s": cell.spans_per_s,
            "connections": shape.connections,
            "paced": cell.load == "paced",
        }
        sender = started(stack, [sys.executable, "-m", "tests.bench.fleet_sender", json.dumps(order)], core=core)
        if sender.stdout.readline() != "ready\n":
            sys.exit(f"bench: {side} cannot be sent to\n{(folder / 'log').read_text()[-2_000:]}")
        process = psutil.Process(collector.pid)
        before = cpu_s(process)
        _tell(sender, "go")
        sent = json.loads(sender.stdout.readline())
        time.sleep(plan.wait_s(cell) + _SETTLED_S)
        cpu, peak = cpu_s(process) - before, peak_mib(process)
        collector.terminate()
        collector.wait(_STOP_S)
        _tell(sink, "take")
        arrived = json.loads(sink.stdout.readline())["traces"]
    return _figures(cell, side, cpu, peak, sent, arrived)


def _command(cell: Cell, side: str, folder: Path, configuration: str) -> list[str]:
    file = folder / "collector.yaml"
    file.write_text(configuration)
    if side == THEIRS:
        return [str(build_collector()), "--config", str(file)]
    program = str(Path(sys.prefix) / "bin" / "otel-fe")
    command = [program, "collector", "--config", str(file), "--admin-endpoint", "none"]
    command += ["--workers", str(cell.cores)] if cell.cores > 1 else []
    return command + (["--store", str(folder / "store")] if cell.store == "store" else [])


def _tell(process: Any, line: str) -> None:
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _figures(cell: Cell, side: str, cpu: float, peak: float, sent: Any, arrived: dict[str, float]) -> Run:
    decided = sent["decided"]
    missing = len(decided.keys() - arrived.keys())
    if missing and cell.keeps_all_remarkable:
        late = f"; requests were sent up to {sent['late_s']:.1f} s late" if sent["late_s"] >= 1 else ""
        sys.exit(f"bench: {cell}: {side} did not deliver {missing} of {len(decided)} traces that it must{late}")
    if not 0 < len(arrived) < sent["traces"] / 2:
        sys.exit(f"bench: {cell}: {side} delivered {len(arrived)} of {sent['traces']} traces: it does not sample")
    delays = sorted(max(0.0, arrived[trace] - at) for trace, at in decided.items() if trace in arrived)
    p99 = delays[int(len(delays) * 0.99)] if delays else 0.0
    return Run(cpu / sent["spans"] * 1e6, peak, p99, sent["spans"] / sent["took_s"], len(arrived))
