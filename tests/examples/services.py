"""Running an example under the launcher, with its OTLP received by the test."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

from tests.integration.conftest import ROOT
from tests.integration.launched import environment
from tests.otlp import Otlp, ancestors
from tests.venvs import Environment

_CONTRIB = "0.66b1"
WEB = Environment(
    "web",
    (
        *("fastapi>=0.110", "uvicorn>=0.30", "flask>=3", "celery[redis]>=5.4", "gunicorn>=22"),
        f"opentelemetry-distro=={_CONTRIB}",
        *(f"opentelemetry-instrumentation-{name}=={_CONTRIB}" for name in ("fastapi", "flask", "celery")),
    ),
    installed=True,
)
TARGETS = "features:UserFeatures.extract=user_profile"
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5


@contextmanager
def service(example: str, otlp: Otlp, *command: str, **more: str):
    """Run `opentelemetry-instrument COMMAND` in the folder of an example until the block ends."""
    process = subprocess.Popen(
        launched(*command), env=settings(otlp, **more), cwd=ROOT / "examples" / example, start_new_session=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def launched(*command: str) -> list[str]:
    """Return the command line under the launcher of the environment for web services."""
    program, *arguments = command
    bin_folder = WEB.python().parent
    return [str(bin_folder / "opentelemetry-instrument"), str(bin_folder / program), *arguments]


def settings(otlp: Otlp, **more: str) -> dict[str, str]:
    """Return the environment of a process that exports to `otlp`."""
    ours = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_FE_TARGETS": TARGETS,
    }
    return environment(**{**ours, **more})


def get(url: str, timeout_s: float = 90) -> bytes:
    """Send a request, again and again until the service has come up, and return its answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read()
        except urllib.error.HTTPError:
            raise
        except OSError:
            assert time.monotonic() < deadline, f"nobody answers at {url}"
            time.sleep(0.1)


def requests_with_extractions(otlp: Otlp, count: int):
    """Wait for `count` extractions, and return each with the request or task that it is below of, in the same trace."""

    def complete(seen: Otlp):
        extractions = [one for one in seen.spans if one.is_extraction]
        return len(extractions) >= count and [(above(seen, one), one) for one in extractions if above(seen, one)]

    found = otlp.until(lambda seen: (pairs := complete(seen)) and len(pairs) >= count and pairs, timeout_s=60)
    assert len(found) == count
    return found


def above(otlp: Otlp, extraction):
    """Return the nearest span of kind server or consumer above an extraction, or None while it has not arrived."""
    trace = otlp.trace(extraction.trace_id)
    names = ancestors(extraction, trace)
    return next((one for one in trace if one.name in names and one.kind in (SERVER, CONSUMER)), None)
