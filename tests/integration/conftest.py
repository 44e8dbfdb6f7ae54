"""Real parts for the integration tests. In CI a missing one is a failure, elsewhere a skip that says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def missing(part: str) -> None:
    """Fail in CI, and skip elsewhere, because a real part is not there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{part} is missing, and CI must have it")
    pytest.skip(f"{part} is missing")


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python with otel_fe and its own dependencies, and nothing else: no distro, Redis or SQLAlchemy."""
    folder = tmp_path_factory.mktemp("bare")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--editable", ROOT], check=True)
    return str(python)
