"""A whole fleet from the files that `otel-fe render collector` writes: real Collectors in two tiers, on free ports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.servers import free_port
from tests.real.collector import RunningCollector, built_collector
from tests.real.fleet_sender import SERVICES
from tests.real.prometheus import _running, program

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "collector_config"
MANIFEST = FOLDER / "builder.yaml"


class Tier(RunningCollector):
    """One Collector of a fleet, by one of the rendered files; it comes back with the same ports and the same queue."""

    def __init__(self, config: str, folder: Path, name: str, settings: dict[str, str]) -> None:
        # As compose and Kubernetes start it; the agent has no component that knows these.
        (gates,) = re.findall(r"^# --feature-gates=(.*)$", config, re.MULTILINE) or [""]
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.own_metrics = free_port(), free_port()
        environ = {
            "OTEL_FE_GRPC_ENDPOINT": f"127.0.0.1:{self.port}",
            "OTEL_FE_HTTP_ENDPOINT": "127.0.0.1:0",
            "OTEL_FE_HEALTH_ENDPOINT": "127.0.0.1:0",
            "OTEL_FE_OWN_METRICS_HOST": "127.0.0.1",
            "OTEL_FE_OWN_METRICS_PORT": str(self.own_metrics),
            "OTEL_FE_QUEUE_FOLDER": str(folder / "queue"),
            "HOSTNAME": name,
            **settings,
        }
        options = gates.split(",") if gates else ()
        super().__init__(built_collector(MANIFEST), config, folder, [self.port], options, environ)

    def page(self) -> str:
        """Return its own metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.own_metrics}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def count(self, name: str) -> float:
        """Return one of its own counters, added up over labels."""
        found = re.findall(rf"^{name}(?:_total)?(?:\{{.*\}})? (\S+)$", self.page(), re.MULTILINE)
        return sum(map(float, found))


def send(agent: int, first: int, last: int) -> None:
    """Let both services, processes of their own, send their spans of some traces to an agent; returns when it has them."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    senders = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.real.fleet_sender"),
                json.dumps({"endpoint": f"127.0.0.1:{agent}", "service": service, "traces": [first, last]}),
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
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        program("prometheus"),
        f"--config.file={FOLDER / 'prometheus' / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--enable-feature=exemplar-storage",
    ]
    with _running(command, folder / "prometheus.log", f"http://127.0.0.1:{port}/-/ready"):
        yield port


def until(condition, timeout_s: float = 60):
    """Wait until `condition()` is true, and return what it returned."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.1)
    return found
