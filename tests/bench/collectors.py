"""The embedded collector beside the OpenTelemetry Collector, and for pass-through beside rotel: the same requests over gRPC to each.

Each runs pinned to one core; sender and sink share the other. CPU is what the operating system counted for the process (and its
children) between the first request and the last flush, peak memory is VmHWM, the time to arrival is from the acknowledgement of
a trace's only request to the sink's having it.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.bench.pinned import cpu_s, free_port, peak_mib, started
from tests.bench.rounds import Spread, note
from tests.real.collector import build_collector

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parents[2]
REQUESTS = 600
_FEW_REQUESTS = 10
REQUESTS_PER_S = 40
"""500 spans each: 20 000 spans a second."""
DECISION_WAIT_S = 30
"""The Collector's default."""
_POLICIES = f"""
  tail_sampling:
    decision_wait: {DECISION_WAIT_S}s
    num_traces: 400000
    policies:
      - {{name: failed, type: status_code, status_code: {{status_codes: [ERROR]}}}}
      - {{name: slow, type: latency, latency: {{threshold_ms: 99}}}}
      - {{name: share, type: probabilistic, probabilistic: {{sampling_percentage: 5}}}}
"""
_METRICS = """
  span_metrics:
    metrics_flush_interval: 5s
    exemplars: {enabled: true}
    dimensions:
      - name: feature_extraction.feature_set
      - name: feature_extraction.cache.hit
      - name: db.system
      - name: error.type
"""


def _configuration(receiver: int, sink: int, *, everything: bool) -> str:
    exporter = f"otlp_grpc: {{endpoint: '127.0.0.1:{sink}', tls: {{insecure: true}}, compression: none}}"
    head = f"receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{receiver}'}}}}}}}}\nexporters: {{{exporter}}}\n"
    if not everything:
        pipelines = "traces: {receivers: [otlp], exporters: [otlp_grpc]}"
        return f"{head}service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{{pipelines}}}}}\n"
    pipelines = (
        "traces: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp_grpc]}, "
        "traces/derive: {receivers: [otlp], exporters: [span_metrics]}, "
        "metrics: {receivers: [span_metrics], exporters: [otlp_grpc]}"
    )
    service = f"service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{{pipelines}}}}}\n"
    return f"{head}processors:{_POLICIES}connectors:{_METRICS}{service}"


def _ours(folder: Path, receiver: int, sink: int, *, everything: bool) -> list[str]:
    file = folder / "ours.yaml"
    file.write_text(_configuration(receiver, sink, everything=everything))
    return [str(Path(sys.prefix) / "bin" / "otel-fe"), "collector", "--config", str(file), "--admin-endpoint", "none"]


def _original(folder: Path, receiver: int, sink: int, *, everything: bool) -> list[str]:
    file = folder / "original.yaml"
    file.write_text(_configuration(receiver, sink, everything=everything))
    return [str(build_collector()), "--config", str(file)]


def _rotel(_folder: Path, receiver: int, sink: int, *, everything: bool) -> list[str]:
    assert not everything, "rotel has no tail sampling"
    return [
        *(_rotel_agent(), "start"),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{receiver}", "--otlp-http-endpoint", "127.0.0.1:0"),
        *("--exporter", "otlp", "--otlp-exporter-endpoint", f"http://127.0.0.1:{sink}"),
        *("--otlp-exporter-protocol", "grpc", "--otlp-exporter-compression", "none"),
    ]


def _rotel_agent() -> str:
    """Return rotel's program; empty where the package is not installed, as on a platform that it has no wheel for."""
    found = importlib.util.find_spec("rotel")
    return str(Path(found.origin).parent / "rotel-agent") if found is not None and found.origin else ""


SIDES: dict[str, Callable[..., list[str]]] = {"otel_fe": _ours, "collector": _original, "rotel": _rotel}
TASKS = {"sampling": ("otel_fe", "collector"), "pass-through": ("otel_fe", "collector", "rotel")}


@dataclass(frozen=True, slots=True)
class Run:
    """One side, once."""

    cpu_us: float
    """A span."""
    peak_mib: float
    median_s: float
    """From a trace's acknowledgement to its arrival."""
    p99_s: float
    arrived: int
    """Traces."""


def run_collectors(rounds: int, requests: int = REQUESTS) -> dict[str, dict[str, dict[str, Spread]]]:
    """Return the figures of every task and side, in interleaved rounds."""
    found: dict[str, dict[str, list[Run]]] = {task: {side: [] for side in sides} for task, sides in TASKS.items()}
    note("collectors: compiling to bytecode, as pip does when it installs")
    _run("otel_fe", _FEW_REQUESTS, everything=False)
    for number in range(rounds):
        for task, sides in TASKS.items():
            for side in sides:
                if side == "rotel" and not _rotel_agent():
                    continue
                note(f"collectors: round {number + 1} of {rounds}, {task}, {side}")
                found[task][side].append(_run(side, requests, everything=task == "sampling"))
    note("")
    return {task: {side: _spreads(runs) for side, runs in sides.items() if runs} for task, sides in found.items()}


def _spreads(runs: list[Run]) -> dict[str, Spread]:
    return {name: Spread.of([getattr(run, name) for run in runs]) for name in Run.__slots__}


def _run(side: str, requests: int, *, everything: bool) -> Run:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="otel_fe_bench_")))
        sink = started(stack, [sys.executable, "-m", "tests.bench.sink"], core=1)
        sink_port = int(sink.stdout.readline())
        receiver = free_port()
        command = SIDES[side](folder, receiver, sink_port, everything=everything)
        log = stack.enter_context((folder / "log").open("wb"))
        collector = started(stack, command, core=0, output=log)
        process = psutil.Process(collector.pid)
        order = json.dumps({"port": receiver, "requests": requests, "per_s": REQUESTS_PER_S, "everything": everything})
        sender = started(stack, [sys.executable, "-m", "tests.bench.sender", order], core=1)
        if sender.stdout.readline() != "ready\n":
            sys.exit(f"bench: {side} cannot be sent to\n{(folder / 'log').read_text()[-2000:]}")
        before = cpu_s(process)
        sender.stdin.write("go\n")
        sender.stdin.flush()
        acknowledged = json.loads(sender.stdout.readline())
        if everything:
            time.sleep(DECISION_WAIT_S + 3)
        else:
            time.sleep(2)
        cpu, peak = cpu_s(process) - before, peak_mib(process)
        collector.terminate()
        collector.wait(30)
        sink.stdin.write("take\n")
        sink.stdin.flush()
        arrived = json.loads(sink.stdout.readline())
    return _figures(cpu, peak, acknowledged, arrived, everything=everything, side=side)


def _figures(cpu: float, peak: float, acknowledged: Any, arrived: Any, *, everything: bool, side: str) -> Run:
    delays = sorted(at - acknowledged["at"][trace] for trace, at in arrived["traces"].items())
    expected = acknowledged["remarkable"] if everything else len(acknowledged["at"])
    share = len(acknowledged["at"]) * 0.05
    if len(delays) < expected or (everything and len(delays) > expected + 2 * share):
        sys.exit(f"bench: {side} delivered {len(delays)} traces of {expected} that it must")
    spans = acknowledged["spans"]
    return Run(
        cpu / spans * 1e6,
        peak,
        max(0.0, delays[len(delays) // 2]),
        max(0.0, delays[int(len(delays) * 0.99)]),
        len(delays),
    )
