"""Default folders of commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def default_store(environ: Mapping[str, str] | None = None) -> Path:
    """Return the store of `otel-fe up`: `otel_fe/store` in XDG_STATE_HOME, which is `~/.local/state` where it is not set."""
    given = (os.environ if environ is None else environ).get("XDG_STATE_HOME", "")
    # The specification ignores relative paths.
    state = Path(given) if Path(given).is_absolute() else Path.home() / ".local" / "state"
    return state / "otel_fe" / "store"


def demo_store() -> Path:
    """Return the store of `otel-fe demo`."""
    return Path.home() / ".cache" / "otel_fe" / "demo"
