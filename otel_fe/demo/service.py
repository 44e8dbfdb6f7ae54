"""The example service as a process under `opentelemetry-instrument`."""

from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import otel_fe
from otel_fe.config.settings import read_settings
from otel_fe.errors import MissingExtraError, OtelFeError

if TYPE_CHECKING:
    from collections.abc import Callable

FEATURE_SETS: Final = ("user_profile", "transaction_history", "image_embedding", "digit_segment")
SERVICE_NAME: Final = "feature_service"
"""Unless OTEL_SERVICE_NAME has another."""
_READY_S: Final = 60
_LOOK_S: Final = 0.2
_STOP_S: Final = 20
_LAST_LINES: Final = 25


class ServiceError(OtelFeError):
    """The example service did not start, or died."""


class Service:
    """Runs `examples/feature_service`, unchanged, exporting to `endpoint`.

    Args:
        endpoint: Where it exports to.
        port: To serve on, on 127.0.0.1; 0 for a free one.
        waiting: Called a few times a second until it answers.

    Raises:
        ServiceError: The service cannot be found or does not come up; the message has its last lines.
        MissingExtraError: The launcher is not installed.
        ConfigurationError: An `OTEL_FE_*` variable cannot be used.
    """

    def __init__(self, endpoint: str, port: int = 0, waiting: Callable[[], None] = lambda: None) -> None:
        # Here, where the reason is seen: the service would serve on without otel_fe, and the report be of nothing.
        read_settings(_environment(endpoint))
        launcher = Path(sys.executable).parent / "opentelemetry-instrument"
        if not launcher.exists():
            raise MissingExtraError("the demo", "demo")
        self._last: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        self._ready = threading.Event()
        self.port = port
        self._process = subprocess.Popen(  # noqa: S603 our own example
            [str(launcher), sys.executable, "-m", "feature_service", "--port", str(port)],
            cwd=_examples(),
            env=_environment(endpoint),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name="otel-fe-demo-service", daemon=True)
        self._reader.start()
        try:
            ready = self._wait(waiting)
        except BaseException:  # Ctrl-C, too
            self.stop()
            raise
        if not ready or not self.alive:
            self.stop()
            raise ServiceError(f"the example service did not start; its last lines:\n{self.last_lines}")

    @property
    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.poll() is None

    @property
    def last_lines(self) -> str:
        """The last lines that the service wrote."""
        return "\n".join(self._last) or "(it wrote nothing)"

    def stop(self) -> None:
        """Ask the service to end, as an orchestrator would, and wait for its last exports."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, waiting: Callable[[], None]) -> bool:
        """Wait until the service answers; return whether it does in time."""
        deadline_s = time.monotonic() + _READY_S
        while not self._ready.wait(_LOOK_S):
            if time.monotonic() >= deadline_s:
                return False
            waiting()
        return True

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream:
            for line in stream:
                self._last.append(line.rstrip())
                if line.startswith("serving on "):
                    self.port = int(line.rpartition(":")[2])
                    self._ready.set()
        self._ready.set()  # it has ended: no need to wait any longer


def _examples() -> Path:
    """Return the folder that holds the example: of the checkout, or as shipped in the wheel."""
    package = Path(otel_fe.__file__).parent
    for folder in (package.parent / "examples", package / "_examples"):
        if (folder / "feature_service").is_dir():
            return folder
    raise ServiceError(f"examples/feature_service is neither beside nor in {package}")


def _environment(endpoint: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_EXPORTER_OTLP")}
    targets = ",".join(f"feature_service.features:Features.{name}={name}" for name in FEATURE_SETS)
    return {
        "OTEL_SERVICE_NAME": SERVICE_NAME,
        "OTEL_FE_CONNECTION_METRICS": "true",
        **clean,
        "OTEL_FE_TARGETS": targets,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "PYTHONUNBUFFERED": "1",
    }
