"""What each tier of a fleet costs: `python -m tests.bench.fleet`. The rendered files, real Collectors, recorded-like traffic.

CPU is what the operating system counted for each process, over the spans that came to it; memory is VmHWM. Nothing is pinned, since
three Collectors, a sender and a sink share the machine: compare the tiers with each other rather than with other machines.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from otel_fe.config.openslo import default_slos
from otel_fe.render.collector import collector_files
from otel_fe.render.fleet import read_fleet
from tests.bench.otlp_traffic import SPANS_PER_TRACE, TRACES_PER_REQUEST
from tests.real.fleet import FOLDER, Tier
from tests.real.sink import OtlpSink
from tests.unit.collector.running import backend

REQUESTS = 600
REQUESTS_PER_S = 40
"""500 spans each: 20 000 spans a second."""
_DECIDED_S = 20


def measure(requests: int = REQUESTS) -> dict[str, dict[str, float]]:
    """Return CPU in µs a span and peak memory in MiB, by Collector."""
    files = collector_files(read_fleet((FOLDER / "policy.yaml").read_text(), "policy.yaml", {}, default_slos()))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="otel_fe_bench_")))
        sink = stack.enter_context(backend())
        settings = {
            "OTEL_FE_TRACES_ENDPOINT": f"127.0.0.1:{sink.port}",
            "OTEL_FE_REMOTE_WRITE_ENDPOINT": f"{stack.enter_context(OtlpSink()).url}/api/v1/write",
        }
        tiers = {
            name: stack.enter_context(Tier(files["sampler.yaml"], folder / name, name, settings))
            for name in ("sampler-1", "sampler-2")
        }
        hosts = f"[{', '.join(f'127.0.0.1:{tier.port}' for tier in tiers.values())}]"
        tiers["agent"] = stack.enter_context(
            Tier(files["agent.yaml"], folder / "agent", "agent", {**settings, "OTEL_FE_SAMPLERS": hosts})
        )
        before = {name: (_cpu_s(tier.pid), _memory_mib(tier.pid, "VmRSS")) for name, tier in tiers.items()}
        order = {"port": tiers["agent"].port, "requests": requests, "per_s": REQUESTS_PER_S}
        with subprocess.Popen(
            [sys.executable, "-m", "tests.bench.sender", json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as sender:
            assert sender.stdin is not None
            assert sender.stdout is not None
            sender.stdout.readline()
            sender.stdin.write("go\n")
            sender.stdin.flush()
            sender.stdout.readline()
            sender.stdin.close()
        time.sleep(_DECIDED_S)
        spans = requests * TRACES_PER_REQUEST * SPANS_PER_TRACE
        accepted = {name: tier.count("otelcol_receiver_accepted_spans") for name, tier in tiers.items()}
        reached = sum(accepted.values()) - accepted["agent"]
        assert reached == spans, f"{reached} of {spans} spans reached the samplers"
        found = {}
        for name, tier in tiers.items():
            cpu, memory = before[name]
            found[name] = {
                "cpu_us_a_span": (_cpu_s(tier.pid) - cpu) / accepted[name] * 1e6,
                "at_start_mib": memory,
                "peak_mib": _memory_mib(tier.pid, "VmHWM"),
                "spans": accepted[name],
                "traces": tier.count("otelcol_processor_tail_sampling_new_trace_id_received"),
            }
        return found


def _cpu_s(pid: int) -> float:
    return sum(psutil.Process(pid).cpu_times()[:2])


def _memory_mib(pid: int, which: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 1024


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
