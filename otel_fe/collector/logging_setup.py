"""The log of a collector's process."""

from __future__ import annotations

import logging
import sys
from typing import Final

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def log_to_stderr(level: str) -> None:
    """Write what is logged from `level` on to stderr, with its time: it is a server's."""
    log = logging.getLogger("otel_fe")
    log.setLevel(_LEVELS[level])
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
        log.propagate = False
