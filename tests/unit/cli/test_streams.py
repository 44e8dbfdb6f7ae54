"""Output to difficult streams: pipes that close, full disks, closed streams, encodings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OTEL_FE = str(Path(sys.executable).parent / "otel-fe")


def shell(command, **environ):
    """Run a command line in bash, and return the process."""
    return subprocess.run(
        ["bash", "-c", command.replace("otel-fe", OTEL_FE, 1)], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin"} | environ,
    )  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("command", "status", "error"),
    [
        ("otel-fe render prometheus 2>/dev/null >/dev/full", 1, ""),
        ("otel-fe completion bash >/dev/full", 1, "otel-fe completion: No space left on device\n"),
        ("otel-fe completion bash >&-", 0, ""),
        ("otel-fe nonsense 2>&-", 2, ""),
    ],
)
def test_output_that_cannot_be_written_is_no_traceback(command, status, error):
    """A full disk is said once, and who closes a stream wants nothing."""
    done = shell(command)
    assert (done.returncode, done.stderr) == (status, error)


def test_reader_that_has_left_is_no_failure():
    """A closed pipe ends the command with 128 plus the number of SIGPIPE and no output on stderr, as for other programs."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [OTEL_FE, "completion", "bash"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_colour_is_for_terminals_unless_forced():
    """Errors in red, where colour is asked for."""
    assert shell("otel-fe nonsense").stderr.startswith("otel-fe: ")
    assert shell("otel-fe nonsense", FORCE_COLOR="1").stderr.startswith("\033[31motel-fe\033[0m: ")


def test_encoding_without_our_characters_prints_something():
    """A question mark is better than a UnicodeEncodeError."""
    done = shell("otel-fe nonsénse", PYTHONIOENCODING="ascii", LC_ALL="C.UTF-8")
    assert done.returncode == 2
    assert "nons?nse" in done.stderr
