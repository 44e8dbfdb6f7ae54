"""A client in Go, with OpenTelemetry's exporters and grpc-go: built once for its sources."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tests.real.go import go_binary, run
from tests.real.parts import Unavailable, cache_folder, declare, missing, obtain

_SOURCES = Path(__file__).with_name("go_client")
_NAME = "go_client"


@dataclass(frozen=True)
class _GoClient:
    """The program."""

    name: ClassVar[str] = "OpenTelemetry for Go"
    tools: ClassVar[str] = "go"

    @property
    def binary(self) -> Path:
        """Return the binary's path; it may not be built yet."""
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCES.iterdir()))).hexdigest()[:12]
        return cache_folder() / f"go-client-{digest}" / _NAME

    def ready(self) -> bool:
        """Return whether it is built."""
        return self.binary.exists()

    def make(self) -> None:
        """Build it; that takes half a minute."""
        with (cache_folder() / "build.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The previous holder of the lock may have built it.
            if self.ready():
                return
            making = Path(tempfile.mkdtemp(prefix="building-", dir=cache_folder()))
            try:
                run([go_binary(), "build", "-ldflags", "-s -w", "-o", making / "built" / _NAME, "."], cwd=_SOURCES)
                (making / "built").rename(self.binary.parent)
            finally:
                shutil.rmtree(making, ignore_errors=True)


_CLIENT = declare(_GoClient())


def start(action: str, **options: object) -> subprocess.Popen[str]:
    """Start an action of the program; where it cannot be built, skip the test, and fail it in CI.

    Args:
        action: `sdk` or `calls`.
        options: Flags of the action.
    """
    try:
        obtain(_CLIENT)
    except Unavailable as fault:
        missing(f"{_CLIENT.name} ({fault})")
    command = [str(_CLIENT.binary), action, *(f"-{name}={value}" for name, value in options.items())]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str], within_s: float = 90) -> Any:
    """Wait for the end of an action; return the value that it printed."""
    try:
        output, errors = process.communicate(timeout=within_s)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return json.loads(output)
