"""A Ray cluster in processes of its own, which a test tells what to do."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

from tests.integration.conftest import ROOT
from tests.integration.launched import environment
from tests.otlp import Otlp, receiving
from tests.venvs import RUNNER, Environment

ENVIRONMENT = Environment("ray", ("ray[serve]==2.60.*", "opentelemetry-distro==0.66b1", *RUNNER), installed=True)
SETTINGS = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
"""For every process of Ray: no token is asked for, and no usage statistics are sent."""
TARGETS = "features:UserFeatures.extract=user_profile,features:embedding=embedding"
PATIENCE_S = 240
"""For what a slow machine may take long for. Nothing waits for a time to pass: this only ends what will never come."""


class Cluster:
    """A running driver, and what its processes export."""

    def __init__(self, process: subprocess.Popen[str], answers, otlp: Otlp) -> None:
        self._process = process
        self._answers = answers
        self.otlp = otlp
        self.tasks = 0
        """Those that were submitted outside of any trace."""
        self.extractions = 0
        """Those that have ended in the cluster: all of them are to be exported once, and counted once."""
        self.synced = 0
        """Extractions that the application reports, which are only counted."""

    def tell(self, *command):
        """Have the driver do something, and return its answer."""
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self.answer()
        self._count(command[0], answer)
        return answer

    def _count(self, command, answer):
        if command == "task":
            self.tasks += 1
            self.extractions += 1
        elif command == "sync":
            self.synced += 1
        elif command in {"request", "handle"}:
            self.extractions += 2
        elif command in {"load", "redeploy"}:
            self.extractions += 2 * answer

    def exported(self, condition):
        """Wait for what the processes export."""
        return self.otlp.until(condition, timeout_s=PATIENCE_S)

    def answer(self):
        line = self._answers.readline()
        assert line, "the driver has ended; see its output above"
        return json.loads(line)

    def end(self):
        """Have the driver leave the cluster and end."""
        self._process.stdin.close()
        assert self._process.wait(PATIENCE_S) == 0

    def traced_request(self):
        """Send a request that is part of a trace of our own; return that trace's id and the request's span id."""
        trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
        self.tell("request", f"00-{trace_id}-{span_id}-01")
        return trace_id, span_id


@contextmanager
def cluster(*launcher: str, **more: str):
    """Run the example application in a cluster; `launcher` goes in front of its Python, `more` into its environment."""
    python = ENVIRONMENT.python()
    reading, writing = os.pipe()
    with receiving() as otlp:
        process = subprocess.Popen(
            [*(python.parent / name for name in launcher), python, Path(__file__).with_name("driver.py"), str(writing)],
            env=_environment(otlp, more),
            cwd=ROOT / "examples" / "ray_serve",
            stdin=subprocess.PIPE,
            text=True,
            pass_fds=[writing],
            start_new_session=True,
        )
        os.close(writing)
        with os.fdopen(reading) as answers:
            try:
                running = Cluster(process, answers, otlp)
                assert running.answer() == "ready"
                yield running
            finally:
                process.stdin.close()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def _environment(otlp: Otlp, more: dict[str, str]) -> dict[str, str]:
    settings = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_FE_TARGETS": TARGETS,
        "PYTHONPATH": str(ROOT / "examples" / "ray_serve"),
        **SETTINGS,
    }
    return environment(**{**settings, **more})
