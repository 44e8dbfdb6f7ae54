"""A wall clock that jumps while processes run, as at a correction by NTP or the resume of a virtual machine.

libfaketime shows it to the processes that are started with `environ`; their monotonic clock is the real one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

MISSING = "libfaketime and a C compiler, for jumps of the clock (Debian: apt-get install faketime gcc libc6-dev)"
_FOLDERS = ("/usr/lib/*/faketime", "/usr/local/lib/faketime")
_NAME = "libfaketimeMT.so.1"
# libfaketime 0.9.10 fails every clock_nanosleep() to a monotonic time with EINVAL, and Python's time.sleep() is one.
_SLEEP = """
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) ? errno : 0;
}
"""


def preloads(folder: Path) -> str:
    """Return what to preload: libfaketime, and in front of it a sleep of our own, built in a folder. Empty without their parts."""
    found = [one for place in _FOLDERS for one in Path("/").glob(f"{place[1:]}/{_NAME}")]
    compiler = shutil.which("cc")
    if not found or compiler is None:
        return ""
    source, built = folder / "sleep.c", folder / "sleep.so"
    source.write_text(_SLEEP)
    done = subprocess.run([compiler, "-shared", "-fPIC", "-o", built, source], check=False, capture_output=True)
    if done.returncode:  # without the headers of libc
        return ""
    return f"{built}:{found[0]}"


class WallClock:
    """The wall clock of some processes.

    Args:
        file: Tells libfaketime the offset; read again once a second.
        preloaded: See `preloads`.
    """

    def __init__(self, file: Path, preloaded: str):
        self.offset_s = 0
        """Ahead of the real clock, in s."""
        self.jumps_s: list[int] = []
        self._file = file
        self.environ = {
            "LD_PRELOAD": preloaded,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self._write()

    def jump(self, seconds: int) -> None:
        """Put it forward, or back."""
        self.offset_s += seconds
        self.jumps_s.append(seconds)
        self._write()

    def error_s(self) -> float:
        """Return how far what a new process sees is from what it should see, in s."""
        command = [sys.executable, "-S", "-c", "import time; print(time.time())"]
        before_s = time.time()
        done = subprocess.run(command, env=os.environ | self.environ, capture_output=True, text=True, check=True)
        expected_s = time.time() + self.offset_s
        seconds = float(done.stdout)
        return max(0.0, before_s + self.offset_s - seconds, seconds - expected_s)

    def _write(self) -> None:
        made = self._file.with_suffix(".new")
        made.write_text(f"{self.offset_s:+d}s\n")
        made.replace(self._file)  # never half a line


def is_shown_to(process_id: int) -> bool:
    """Return whether a process has libfaketime loaded."""
    try:
        return _NAME in Path(f"/proc/{process_id}/maps").read_text()
    except OSError:
        return False


def clean_up(process_ids: list[int]) -> None:
    """Remove the shared memory that libfaketime leaves of processes that were killed."""
    for one in process_ids:
        for name in (f"faketime_shm_{one}", f"sem.faketime_sem_{one}"):
            with contextlib.suppress(OSError):
                (Path("/dev/shm") / name).unlink()  # noqa: S108 where libfaketime has it
