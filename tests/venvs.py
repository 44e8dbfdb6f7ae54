"""Environments of their own for versions that cannot be installed side by side, kept from one test run to the next.

An environment lies outside the tree, under a hash of what it holds, and holds otel_fe's own dependencies but not otel_fe: that comes
from this tree, by `PYTHONPATH`, wherever it is checked out.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import otel_fe

ROOT = Path(otel_fe.__file__).parents[1]
UV = Path(sys.executable).parent / "uv"
RUNNER = ("pytest", "pytest-timeout")
"""What runs a file of tests inside."""
OPTIONS = ("-q", "-p", "no:cacheprovider", "--noconftest", "-o", "filterwarnings=ignore")
"""The tree's own `conftest.py` needs what is not there, and old libraries warn of what is new."""


def venvs_folder() -> Path:
    """Return where environments stay."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel_fe" / "venvs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def environment(name: str, *requirements: str, without: tuple[str, ...] = (), python: str = sys.executable) -> Path:
    """Return the Python of an environment that holds otel_fe's dependencies and these; made if it is not there yet.

    Args:
        name: What to call it, beside the hash.
        requirements: Of everything else.
        without: Packages that some requirement asks for, but that are not to be installed.
        python: Of which Python.
    """
    held = (ROOT / "pyproject.toml").read_text().partition("dependencies = [")[2].partition("]")[0]
    key = hashlib.sha256(repr((sys.version_info[:3], python, held, requirements, without)).encode()).hexdigest()[:12]
    folder = venvs_folder() / f"{re.sub('[^a-z0-9.]+', '-', name.lower())}-{key}"
    complete = folder / "complete"
    with (venvs_folder() / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            _make(folder, requirements, without, python)
            complete.touch()
    return folder / "bin" / "python"


def _make(folder: Path, requirements: tuple[str, ...], without: tuple[str, ...], python: str) -> None:
    subprocess.run([UV, "venv", "--quiet", "--clear", "--python", python, folder], check=True)
    overrides = folder / "overrides.txt"
    overrides.write_text("".join(f"{package}; sys_platform == 'never'\n" for package in without))
    command = [UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python", "--overrides", overrides]
    command += ["--requirements", ROOT / "pyproject.toml", *requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{folder.name} cannot be made:\n{done.stderr[-4000:]}"


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
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "PYTEST_"))}
    # In a folder of its own: in the common one, a session removes those of sessions some time before it.
    with tempfile.TemporaryDirectory(prefix="otel_fe_inside_") as folder:
        done = subprocess.run(
            [python, "-B", "-m", "pytest", *OPTIONS, f"--basetemp={folder}/pytest", *tests],
            cwd=ROOT,
            env={**clean, "PYTHONPATH": str(ROOT), **environ},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"\d+ passed", done.stdout), done.stdout
    assert "skipped" not in done.stdout, done.stdout
    return done.stdout
