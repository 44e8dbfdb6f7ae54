"""The limit of open files: connections count towards it, and must leave enough for queues, stores and logs."""

from __future__ import annotations

import resource
from typing import Final

_PART: Final = 3
"""The connections of one server may have a third of all files; a collector usually has two servers."""
_FEWEST: Final = 16


def raise_open_files() -> None:
    """Allow this process as many open files as it may allow itself, as Go does for every program at its start.

    The usual soft limit of 1 024 is for programs that use `select`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # some systems have a hard limit that is none
            return


def most_connections(wanted: int) -> int:
    """Return how many connections a server may have: `wanted`, or a third of all files that may be open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, max(_FEWEST, soft // _PART))
