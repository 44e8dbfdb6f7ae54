"""Interpreters that hold packages of a test's own and this checkout of otel_fe, installed as a user installs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.conftest import ROOT, missing
from tests.venvs import environment

if TYPE_CHECKING:
    from pathlib import Path


def python_with(name: str, *requirements: str) -> Path:
    """Return one; skip the test where it cannot be made, and fail it in CI.

    Unlike `environment`, with otel_fe's own entry points, which the launcher goes by.
    """
    try:
        return environment(name, *requirements, "--editable", str(ROOT))
    except AssertionError as fault:
        missing(str(fault))
        raise
