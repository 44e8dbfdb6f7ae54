"""Processes that are measured: started on a core of their own, and what the operating system says of them."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.bed import BYTECODE, REPOSITORY

if TYPE_CHECKING:
    from contextlib import ExitStack

    import psutil


def started(
    stack: ExitStack, command: list[str], *, core: int | None, output: Any = subprocess.PIPE, threads: int = 1
) -> subprocess.Popen[str]:
    """Start a process, which ends with the stack.

    Args:
        stack: Ends it.
        command: What to run.
        core: Where; None for anywhere.
        output: Where its output goes; by default to a pipe.
        threads: How many of them a Go program may run at once.
    """
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core % (os.cpu_count() or 1))]
    process = subprocess.Popen(
        [*pinned, *command],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output if output is not subprocess.PIPE else None,
        text=True,
        env={**os.environ, "GOMAXPROCS": str(threads), **BYTECODE},
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU time of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def peak_mib(process: psutil.Process) -> float:
    """Return the most memory that a process and its children have held, each at its own time."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        for line in Path(f"/proc/{one.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total += int(line.split()[1])
    return total / 1024


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
