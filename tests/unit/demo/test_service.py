"""The demo's example service."""

from __future__ import annotations

import pytest

from otel_fe.cli import main
from otel_fe.demo.service import Service
from otel_fe.errors import ConfigurationError


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("OTEL_FE_BASELINE_RATIOO", "0.5", "did you mean OTEL_FE_BASELINE_RATIO?"),
        ("OTEL_FE_EXCEPTION_MESSAGES", "maybe", "use true or false"),
    ],
)
def test_a_variable_that_cannot_be_used_is_said_before_the_load(monkeypatch, capsys, name, value, reason):
    """The service would run without otel_fe and the report be of 0 extractions."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        Service("http://127.0.0.1:9")
    assert main(["demo", "--seconds", "1"]) != 0
    said = capsys.readouterr()
    assert name in said.err
    assert reason in said.err
    assert "Latency of" not in said.out
