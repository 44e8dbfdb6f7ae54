"""A whole fleet from what `otel-fe render collector` writes: real Collectors in two tiers, and services that send to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from otel_fe.config.openslo import default_slos
from otel_fe.render.collector import collector_files
from otel_fe.render.fleet import read_fleet
from tests.real.fleet_sender import SERVICES
from tests.real.prometheus import written_to
from tests.real.sink import OtlpSink
from tests.real.tier import FOLDER, ROOT, Tier
from tests.unit.collector.running import backend

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.unit.collector.running import Sink


def policy(decision_wait: str) -> str:
    """Return the committed policy with another wait, and a shorter interval between metrics."""
    text = (FOLDER / "policy.yaml").read_text()
    changed = text.replace("decision_wait: 10s", f"decision_wait: {decision_wait}")
    return changed.replace("metrics_flush_interval: 15s", "metrics_flush_interval: 1s")


def files(decision_wait: str) -> dict[str, str]:
    """Return what is rendered of it."""
    return collector_files(read_fleet(policy(decision_wait), "policy.yaml", {}, default_slos()))


@contextmanager
def fleet(
    folder: Path, backends: Sequence[str], *, metrics: str = "", decision_wait: str = "3s"
) -> Iterator[tuple[Tier, list[Tier]]]:
    """Run an agent and a sampler for each backend; yields both. Metrics are discarded unless a test names a receiver."""
    rendered = files(decision_wait)
    with ExitStack() as stack:
        metrics = metrics or f"{stack.enter_context(OtlpSink()).url}/api/v1/write"
        samplers = [
            stack.enter_context(sampler(rendered, folder, f"sampler-{number}", endpoint, metrics))
            for number, endpoint in enumerate(backends, 1)
        ]
        yield stack.enter_context(agent(rendered, folder, [one.port for one in samplers], metrics)), samplers


@contextmanager
def watched_fleet(folder: Path) -> Iterator[tuple[list[Sink], int, Tier, list[Tier]]]:
    """Run a fleet before two backends of the test's own and a Prometheus; yields the backends, Prometheus' port, agent and samplers."""
    with ExitStack() as stack:
        sinks = [stack.enter_context(backend()) for _ in range(2)]
        port = stack.enter_context(remote_written(folder / "prometheus"))
        endpoints = [f"127.0.0.1:{sink.port}" for sink in sinks]
        yield (
            sinks,
            port,
            *stack.enter_context(fleet(folder, endpoints, metrics=f"http://127.0.0.1:{port}/api/v1/write")),
        )


def sampler(
    rendered: dict[str, str],
    folder: Path,
    name: str,
    endpoint: str,
    metrics: str,
    address: str = "127.0.0.1",
    port: int = 0,
) -> Tier:
    """Return a sampler before a backend, to be entered."""
    settings = {"OTEL_FE_TRACES_ENDPOINT": endpoint, "OTEL_FE_REMOTE_WRITE_ENDPOINT": metrics}
    return Tier(rendered["sampler.yaml"], folder / name, name, settings, address, port)


def agent(rendered: dict[str, str], folder: Path, samplers: Sequence[int], metrics: str = "http://127.0.0.1:1") -> Tier:
    """Return an agent before samplers at some ports, to be entered."""
    hosts = f"[{', '.join(f'127.0.0.1:{port}' for port in samplers)}]"
    settings = {"OTEL_FE_SAMPLERS": hosts, "OTEL_FE_REMOTE_WRITE_ENDPOINT": metrics}
    return Tier(rendered["agent.yaml"], folder / "agent", "agent", settings)


def send(agent_port: int, first: int, last: int) -> None:
    """Let both services, processes of their own, send their spans of some traces to an agent; returns when it has them."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    senders = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.real.fleet_sender"),
                json.dumps({"endpoint": f"127.0.0.1:{agent_port}", "service": service, "traces": [first, last]}),
            ],
            cwd=ROOT,
            env=environ,
        )
        for service in SERVICES
    ]
    assert [sender.wait(90) for sender in senders] == [0, 0]


@contextmanager
def remote_written(folder: Path) -> Iterator[int]:
    """Run Prometheus by the rendered settings, with the flags that the compose file gives it; yields its port."""
    with written_to(folder, FOLDER / "prometheus" / "prometheus.yaml") as port:
        yield port


def until(condition, timeout_s: float = 60):
    """Wait until `condition()` is true, and return what it returned."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.1)
    return found
