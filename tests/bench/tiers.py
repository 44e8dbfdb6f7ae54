"""The cost of each tier of a fleet: `python -m tests.bench.tiers`. The rendered files, real Collectors, recorded-like traffic.

CPU is what the operating system counted for each process, over the spans that came to it; memory is VmHWM. Nothing is pinned, since
three Collectors, Jaeger, Prometheus and a sender share the machine: compare the tiers with each other rather than with other machines.
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
from tests.real.fleet import agent, remote_written, sampler, until
from tests.real.jaeger import jaeger
from tests.real.prometheus import query
from tests.real.tier import FOLDER, Tier

REQUESTS = 600
REQUESTS_PER_S = 40
"""500 spans each: 20 000 spans a second."""
_DECIDED_S = 20
_ACCEPTED = "otelcol_receiver_accepted_spans"


def measure(requests: int = REQUESTS) -> dict[str, dict[str, float]]:
    """Return CPU in µs a span and peak memory in MiB by process; of the backends, a span that they are sent and a series."""
    files = collector_files(read_fleet((FOLDER / "policy.yaml").read_text(), "policy.yaml", {}, default_slos()))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="otel_fe_bench_")))
        spans, _ = stack.enter_context(jaeger(folder / "jaeger", FOLDER / "jaeger.yaml"))
        written = stack.enter_context(remote_written(folder / "prometheus"))
        metrics = f"http://127.0.0.1:{written}/api/v1/write"
        samplers = [
            stack.enter_context(sampler(files, folder, f"sampler-{number}", f"127.0.0.1:{spans}", metrics))
            for number in (1, 2)
        ]
        front = stack.enter_context(agent(files, folder, [one.port for one in samplers], metrics))
        pids = {"agent": front.pid, "sampler-1": samplers[0].pid, "sampler-2": samplers[1].pid}
        pids |= {one.name(): one.pid for one in psutil.Process().children() if one.name() in ("jaeger", "prometheus")}
        before = {name: (_cpu_s(pid), _memory_mib(pid, "VmRSS")) for name, pid in pids.items()}
        begun = time.monotonic()
        _send(front.port, requests)
        time.sleep(_DECIDED_S)
        took_s = time.monotonic() - begun
        counts = _counts(front, samplers, requests * TRACES_PER_REQUEST * SPANS_PER_TRACE)
        series = sum(query(written, 'count({__name__=~".+"})').values())
        found = {
            name: {
                "cpu_s": _cpu_s(pid) - before[name][0],
                "at_start_mib": before[name][1],
                "peak_mib": _memory_mib(pid, "VmHWM"),
            }
            for name, pid in pids.items()
        }
        for name, count in counts.items():
            found[name] |= {"spans": count, "cpu_us_a_span": found[name]["cpu_s"] / count * 1e6}
        found["prometheus"] |= {"series": series, "cores": found["prometheus"]["cpu_s"] / took_s}
        for number, one in enumerate(samplers, 1):
            found[f"sampler-{number}"]["traces"] = one.count("otelcol_processor_tail_sampling_new_trace_id_received")
        return found


def _send(port: int, requests: int) -> None:
    """Send the traffic from a process of its own."""
    order = {"port": port, "requests": requests, "per_s": REQUESTS_PER_S}
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


def _counts(front: Tier, samplers: list[Tier], spans: int) -> dict[str, float]:
    """Return how many spans came to each process, once all of them have come to the samplers, once."""
    found = {f"sampler-{number}": one.count(_ACCEPTED) for number, one in enumerate(samplers, 1)}
    assert sum(found.values()) == spans, f"{sum(found.values())} of {spans} spans reached the samplers"
    queued = "otelcol_exporter_queue_size"
    until(lambda: not sum(one.count(queued) for one in samplers))
    sent = sum(one.count("otelcol_exporter_sent_spans") for one in samplers)
    return {**found, "agent": front.count(_ACCEPTED), "jaeger": sent}


def _cpu_s(pid: int) -> float:
    return sum(psutil.Process(pid).cpu_times()[:2])


def _memory_mib(pid: int, which: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 1024


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
