"""Environments of their own for versions that cannot be installed side by side, kept from one test run to the next.

An environment lies outside the tree, under a hash of what it holds. Mostly it holds otel_fe's dependencies but not otel_fe: that
comes from this tree, by `PYTHONPATH`, wherever it is checked out.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.real.go import run
from tests.real.parts import Unavailable, cache_folder, declare, missing, obtain

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).parent / "uv"
RUNNER = ("pytest", "pytest-timeout")
"""The packages that run a file of tests inside an environment."""
OPTIONS = ("-q", "-p", "no:cacheprovider", "--noconftest", "-o", "filterwarnings=ignore")
"""The tree's own `conftest.py` needs what is not there, and old libraries warn of what is new."""


@dataclass(frozen=True)
class Environment:
    """An environment that holds otel_fe's dependencies and some packages, made before the tests of its module start.

    Args:
        name: What to call it, beside the hash of what it holds.
        requirements: Packages beside otel_fe's dependencies.
        without: Packages that some requirement asks for, but that are not to be installed.
        version: Of Python; "" for the one that runs the tests.
        installed: Whether it also holds this checkout of otel_fe, installed as a user installs it, with its entry points.
    """

    name: str
    requirements: tuple[str, ...]
    without: tuple[str, ...] = ()
    version: str = ""
    installed: bool = False

    tools: ClassVar[str] = "uv"

    def __post_init__(self) -> None:
        """Have it made before the tests start."""
        declare(self)

    def python(self) -> Path:
        """Return its interpreter; where it cannot be made, skip the test, and fail it in CI."""
        try:
            obtain(self)
        except Unavailable as fault:
            missing(f"the environment {self.name} ({fault})")
            raise
        return self._folder / "bin" / "python"

    def ready(self) -> bool:
        """Return whether it is complete."""
        return (self._folder / "complete").exists()

    def make(self) -> None:
        """Install what it holds.

        Raises:
            Unavailable: with what the installer said.
        """
        with (self._folder.parent / f"{self._folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.ready():
                self._install()
                (self._folder / "complete").touch()

    @property
    def _folder(self) -> Path:
        held = (ROOT / "pyproject.toml").read_text().partition("dependencies = [")[2].partition("]")[0]
        key = repr((sys.version_info[:3], self.version, held, self._wanted, self.without))
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        folder = cache_folder() / "venvs"
        folder.mkdir(exist_ok=True)
        return folder / f"{re.sub('[^a-z0-9.]+', '-', self.name.lower())}-{digest}"

    @property
    def _wanted(self) -> tuple[str, ...]:
        return (*self.requirements, *(("--editable", str(ROOT)) if self.installed else ()))

    def _install(self) -> None:
        python = self.version or sys.executable
        run([UV, "venv", "--quiet", "--clear", "--python", python, self._folder])
        overrides = self._folder / "overrides.txt"
        overrides.write_text("".join(f"{package}; sys_platform == 'never'\n" for package in self.without))
        command = [
            UV,
            "pip",
            "install",
            "--quiet",
            "--python",
            self._folder / "bin" / "python",
            "--overrides",
            overrides,
        ]
        # This tree holds what is compiled of it already; compiling it anew would replace it under the tests that run meanwhile.
        environ = {**os.environ, "OTEL_FE_COMPILED": "false"}
        run([*command, "--requirements", ROOT / "pyproject.toml", *self._wanted], env=environ)


def clean_environ() -> dict[str, str]:
    """Return this process's environment variables without OpenTelemetry's, otel_fe's and pytest's."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "PYTEST_"))}


def run_inside(python: Path, *tests: str, timeout_s: float = 300, **environ: str) -> str:
    """Run files of tests with the Python of an environment, and return what pytest said.

    Args:
        python: The environment's.
        tests: Files, relative to the tree; further arguments of pytest's may follow.
        timeout_s: For all of them.
        environ: Further variables.

    Raises:
        AssertionError: One failed, or there was none; with the end of the output.
    """
    # In a folder of its own: in the common one, a session removes those of sessions some time before it.
    with tempfile.TemporaryDirectory(prefix="otel_fe_inside_") as folder:
        done = subprocess.run(
            [python, "-B", "-m", "pytest", *OPTIONS, f"--basetemp={folder}/pytest", *tests],
            cwd=ROOT,
            env={**clean_environ(), "PYTHONPATH": str(ROOT), **environ},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"\d+ passed", done.stdout), done.stdout
    assert "skipped" not in done.stdout, done.stdout
    return done.stdout
