"""The time that otel_fe adds to the start of `opentelemetry-instrument python -c pass`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.bench.bed import BIN, REPOSITORY
from tests.bench.rounds import Spread, child_environment, note

if TYPE_CHECKING:
    from tests.bench.bed import Bed

MINIMUM_ROUNDS = 11
"""One start is a few hundred ms with tens of noise; a median of fewer says nothing."""
EXPORTERS = ("none", "otlp")
_SIDES = ("plain", "stock", "otel_fe")


def run_startup(bed: Bed, rounds: int) -> dict[str, dict[str, Spread]]:
    """Return wall and CPU ms of each side and what otel_fe adds to stock, paired by round, by exporter."""
    times: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(-1, rounds):  # round -1 fills the file cache and writes the bytecode
        for exporter in EXPORTERS:
            for side in _SIDES:
                note(f"startup: round {number + 1} of {rounds}, {side}, {exporter}")
                one = _start(bed, exporter, side)
                if number >= 0:
                    times.setdefault((exporter, side), []).append(one)
    note("")
    bed.take()
    return {exporter: _summary({side: times[exporter, side] for side in _SIDES}) for exporter in EXPORTERS}


def _summary(times: dict[str, list[tuple[float, float]]]) -> dict[str, Spread]:
    rows: dict[str, Spread] = {}
    for index, what in enumerate(("wall", "cpu")):
        for side in _SIDES:
            rows[f"{side} {what}"] = Spread.of([one[index] for one in times[side]])
        pairs = zip(times["otel_fe"], times["stock"], strict=True)
        rows[f"added {what}"] = Spread.of([ours[index] - stock[index] for ours, stock in pairs])
    return rows


def _start(bed: Bed, exporter: str, side: str) -> tuple[float, float]:
    """Start and end one process; return its wall and CPU ms."""
    environment = child_environment(bed.endpoint, launcher=True)
    environment |= {f"OTEL_{signal}_EXPORTER": exporter for signal in ("TRACES", "METRICS", "LOGS")}
    del environment["OTEL_METRIC_EXPORT_INTERVAL"]
    command = [sys.executable, "-c", "pass"]
    if side != "plain":
        command.insert(0, str(BIN / "opentelemetry-instrument"))
    if side == "stock":
        environment["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "otel_fe"
        del environment["OTEL_FE_TARGETS"]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0 or b"Traceback" in errors:
        sys.exit(f"bench: startup {side} {exporter} ended with {process.returncode}\n{errors.decode()[-2000:]}")
    return wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3
