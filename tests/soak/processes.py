"""Questions about processes, files and ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path


def bytes_in(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def children_of(process_id: int) -> list[psutil.Process]:
    """Return the processes that one has started; none once it has ended."""
    try:
        return psutil.Process(process_id).children()
    except psutil.Error:
        return []


def command_of(process: psutil.Process) -> list[str]:
    """Return the command line of a process; empty once it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def resident_bytes(process: psutil.Process | int) -> int:
    """Return the resident memory of a process; 0 once it has ended."""
    try:
        found = psutil.Process(process) if isinstance(process, int) else process
        return found.memory_info().rss
    except psutil.Error:
        return 0
