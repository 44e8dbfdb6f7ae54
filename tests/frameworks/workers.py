"""Running workers of task queues and pools under the launcher, and counting what reaches an OTLP receiver of the test's own."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from otel_fe.demo.receiver import Receiver
from tests.frameworks.versions import FRAMEWORKS
from tests.integration.launched import environment

if TYPE_CHECKING:
    from pathlib import Path

DURATION = "feature_extraction.duration"


class Received:
    """Received extraction spans, and the number of extractions according to the metric (delta temporality)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.endpoint = ""
        self.spans: set[bytes] = set()
        self.counted = 0

    def receive(self, signal: str, message: Any) -> None:
        """Take one request."""
        with self._lock:
            if signal == "traces":
                for resource in message.resource_spans:
                    for scope in resource.scope_spans:
                        self.spans.update(s.span_id for s in scope.spans if s.name.startswith("feature_extraction"))
            elif signal == "metrics":
                for resource in message.resource_metrics:
                    for scope in resource.scope_metrics:
                        for metric in scope.metrics:
                            if metric.name == DURATION:
                                self.counted += sum(point.count for point in metric.histogram.data_points)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of a process that sends here, at the SDK's default intervals."""
        ours = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_METRIC_EXPORT_INTERVAL": "60000",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_FE_TARGETS": "shop:extract",
        }
        return environment(**{**ours, **more})


@contextmanager
def receiving():
    """Receive OTLP over gRPC on a free port of this machine."""
    received = Received()
    receiver = Receiver(received.receive)
    receiver.start()
    received.endpoint = receiver.endpoint
    try:
        yield received
    finally:
        receiver.stop()


def launched(program: str, *arguments: str) -> list[str]:
    """Return a command line under the launcher, of a program of the environment."""
    folder = FRAMEWORKS.python().parent
    return [str(folder / "opentelemetry-instrument"), str(folder / program), *arguments]


def run(received: Received, folder: Path, *command: str, timeout_s: float = 90, **more: str):
    """Run a program under the launcher in a folder until it ends."""
    return subprocess.run(
        launched(*command),
        cwd=folder,
        env=received.environment(PYTHONPATH=str(folder), **more),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
