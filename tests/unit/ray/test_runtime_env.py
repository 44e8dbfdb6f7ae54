"""The runtime environment of a job: what is added to it, and what of the user's stays."""

from __future__ import annotations

import importlib
import logging
import os

import pytest

from otel_fe.instrument.libraries import ray as library
from otel_fe.ray import worker


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Take this process's own settings away, and do not join it to a Ray that is not there."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "RAY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(worker, "join", lambda: None)


def test_settings_go_along_but_no_secrets(monkeypatch):
    """OTEL_ variables are carried unless the job sets them itself; headers may hold a token and stay at home."""
    monkeypatch.setenv("OTEL_FE_TARGETS", "shop:embed")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "driver")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
    given = {"pip": ["x"], "env_vars": {"OTEL_SERVICE_NAME": "job", "MINE": "1"}}
    found = worker.with_worker_setup(given)
    assert found == {
        "pip": ["x"],
        "worker_process_setup_hook": worker.SETUP,
        "env_vars": {"OTEL_FE_TARGETS": "shop:embed", "OTEL_SERVICE_NAME": "job", "MINE": "1"},
    }
    assert given == {"pip": ["x"], "env_vars": {"OTEL_SERVICE_NAME": "job", "MINE": "1"}}


def test_a_hook_of_the_application_s_own_stays(caplog):
    """Ray accepts one setup hook: otel_fe's is omitted, and a warning says how the application's hook can call it."""
    with caplog.at_level(logging.WARNING, logger="otel_fe"):
        found = worker.with_worker_setup({"worker_process_setup_hook": "shop.setup"})
    assert found["worker_process_setup_hook"] == "shop.setup"
    assert "call otel_fe.ray_integration.setup_worker from it" in caplog.text


def test_the_names_that_are_handed_to_ray_exist():
    """Ray imports them by name in other processes."""
    for name in (worker.SETUP, library._OURS):
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))


def test_ray_asks_for_the_environment_while_instrumented(monkeypatch):
    """The variable is set and taken out again; one of the user's own stays."""
    (hook,) = library.patches()
    hook.apply()
    assert os.environ["RAY_RUNTIME_ENV_HOOK"] == library._OURS
    hook.remove()
    assert "RAY_RUNTIME_ENV_HOOK" not in os.environ
    monkeypatch.setenv("RAY_RUNTIME_ENV_HOOK", "mine.hook")
    hook.apply()
    hook.remove()
    assert os.environ["RAY_RUNTIME_ENV_HOOK"] == "mine.hook"


@pytest.mark.parametrize("off", ["OTEL_SDK_DISABLED=true", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=otel_fe"])
def test_switched_off_a_worker_is_left_alone(off, monkeypatch):
    """The setup hook does nothing if either switch is off."""
    monkeypatch.setattr("opentelemetry.instrumentation.auto_instrumentation.initialize", lambda: 1 / 0)
    joined = []
    monkeypatch.setattr(worker, "join", lambda: joined.append(1))
    name, _, value = off.partition("=")
    monkeypatch.setenv(name, value)
    worker.setup_worker()
    assert joined == []
