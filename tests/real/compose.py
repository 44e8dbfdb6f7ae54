"""Docker compose, without a Docker: it reads compose files and says what it makes of them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.real.go_module import GoModule

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "github.com/docker/compose/v2"
_COMPOSE = GoModule("Compose", _NAME, "v2.40.3", {"docker-compose": f"{_NAME}/cmd"})


def compose(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `docker compose -f FILE …`."""
    command = [_COMPOSE.built() / "docker-compose", "-f", file, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
