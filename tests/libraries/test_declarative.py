"""The SDK's declarative configuration: what its file leaves out is not set up by us."""

from __future__ import annotations

import subprocess

import pytest

from tests.venvs import RUNNER, Environment, clean_environ

ENVIRONMENT = Environment(
    "declarative", ("opentelemetry-distro", "opentelemetry-configuration", *RUNNER), installed=True
)
METERS_ONLY = """
file_format: "1.0"
meter_provider:
  readers:
    - periodic:
        interval: 60000
        exporter:
          console: {}
"""
NOTHING = 'file_format: "1.0"\n'
APP = """
import otel_fe
from opentelemetry import metrics, trace
otel_fe.configure()
with otel_fe.extraction("x"):
    pass
print(type(trace.get_tracer_provider()).__name__, type(metrics.get_meter_provider()).__name__)
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("file", "providers"),
    [
        (METERS_ONLY, "ProxyTracerProvider MeterProvider"),
        (NOTHING, "ProxyTracerProvider _ProxyMeterProvider"),
    ],
    ids=["meter provider", "nothing"],
)
def test_a_file_is_read_once_and_what_it_leaves_out_stays_out(tmp_path, file, providers):
    """The launcher reads the file once, also when the application calls `configure()`."""
    python = ENVIRONMENT.python()
    (tmp_path / "sdk.yaml").write_text(file)
    (tmp_path / "app.py").write_text(APP)
    done = subprocess.run(
        [python.parent / "opentelemetry-instrument", python, "app.py"],
        cwd=tmp_path,
        env={**clean_environ(), "OTEL_CONFIG_FILE": "sdk.yaml"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert providers in done.stdout
    assert "Overriding" not in done.stderr
    assert "Traceback" not in done.stderr
