"""The SDK is set up once, only if it is not set up yet, and only where asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

APP = """
import threading
from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

class Foreign(trace.TracerProvider):
    def get_tracer(self, *args, **kwargs):
        return trace.NoOpTracer()

{setting}
before = trace.get_tracer_provider(), metrics.get_meter_provider()
import otel_fe
otel_fe.configure()
with otel_fe.extraction("x"):
    pass
print((trace.get_tracer_provider(), metrics.get_meter_provider()) == before)
print(sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("Otel")))
"""


def lines(setting):
    """Run an application that sets providers, and then configures; return what it prints, and its standard error."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", APP.format(setting=setting)],
        env={**environ, "OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize(
    "setting",
    [
        "trace.set_tracer_provider(trace.NoOpTracerProvider())",
        "trace.set_tracer_provider(Foreign())",
        "trace.set_tracer_provider(TracerProvider())",
        "metrics.set_meter_provider(MeterProvider())",
        "set_logger_provider(LoggerProvider())",
    ],
)
def test_what_an_application_has_set_up_is_left_as_it_is(setting):
    """No provider of its own is replaced or joined by another, no exporter is started, and the SDK has nothing to warn of."""
    out, err = lines(setting)
    assert out == ["True", "[]"]
    assert err == ""


def test_where_nothing_is_set_the_sdk_is_set_up():
    """The standard variables set up the SDK if no providers are set."""
    out, _ = lines("")
    assert out == ["False", "['OtelBatchSpanRecordProcessor']"]
