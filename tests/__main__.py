"""Runs all tests, as `make test` does: in parallel where they can, with the real parts made while the first of them run.

    python -m tests                        # everything, in three steps
    python -m tests --durations=20         # options of pytest's go to each step
    python -m tests tests/unit -k cache    # a selection: one plain pytest

The steps: tests that need no real part, on all cores; those that mostly wait for other processes, one more at a time than there
are cores; those marked `alone`, whose answer depends on what else the machine does, one by one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.real.parts import FAILURES

FOLDER = Path(__file__).parent
QUICK = ("unit", "properties", "contract", "simulation", "fuzz")
"""Folders whose tests need no real part that takes long to make."""
NOTHING_COLLECTED = 5
"""Exit status of a pytest that has selected no test: of one step, when there is a `-k`."""


@dataclass
class Step:
    """One run of pytest, and its outcome."""

    name: str
    arguments: list[str]
    status: int = 0
    took_s: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def run(self, options: list[str], environ: dict[str, str], report: Path) -> None:
        """Run it to its end; what it writes goes where ours does."""
        print(f"\n== {self.name} ==", flush=True)
        began_s = time.monotonic()
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *self.arguments, *options]
        self.status = _ended(subprocess.Popen(command, env=environ))
        self.took_s = time.monotonic() - began_s
        if report.exists():
            self._count(ET.parse(report))  # noqa: S314 written by the pytest that we started

    @property
    def passed(self) -> bool:
        """Whether nothing failed, which an empty selection does not either."""
        return self.status in {0, NOTHING_COLLECTED}

    def _count(self, report: ET.ElementTree) -> None:
        for case in report.iter("testcase"):
            found = {element.tag for element in case}
            outcome = next((tag for tag in ("failure", "error", "skipped") if tag in found), "passed")
            outcome = {"failure": "failed", "error": "failed"}.get(outcome, outcome)
            self.counts[outcome] += 1
            if outcome == "failed":
                self.failed.append(f"{case.get('classname')}::{case.get('name')}")


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Return the exit status of a pytest; on Ctrl-C, which it gets as well, once it has stopped the servers of its tests."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


class PartsBeside:
    """Makes the real parts of some tests in a process of its own, and keeps its lines until they are asked for."""

    def __init__(self, paths: list[str], environ: dict[str, str]) -> None:
        # The tests go first: the compilers take what they leave, and nothing that waits for a moment comes late for them.
        command = ["nice", sys.executable, "-m", "pytest", "-qq", "-p", "no:cacheprovider", "--make-parts", *paths]
        self._process = subprocess.Popen(
            command,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self._kept: list[str] | None = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._lock:
                if self._kept is None:
                    print(line, end="", flush=True)
                else:
                    self._kept.append(line)

    def wait(self) -> None:
        """Print what it has written and goes on writing, until it ends."""
        with self._lock:
            print(*(self._kept or ()), sep="", end="", flush=True)
            self._kept = None
        self._reader.join()
        self._process.wait()

    def end(self) -> None:
        """End it and the compilers that it has started, if it is still at work."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._reader.join()


def is_selection(arguments: list[str]) -> bool:
    """Return whether arguments of pytest's name tests or marks, so that steps would have nothing to divide."""
    names = (argument.partition("::")[0] for argument in arguments if not argument.startswith("-"))
    return "-m" in arguments or any(Path(name).exists() for name in names)


def other_folders() -> list[str]:
    """Return whatever holds tests and is not `QUICK`, so that a new folder is not forgotten."""
    found = {path.relative_to(FOLDER).parts[0] for path in FOLDER.rglob("test_*.py")} - {*QUICK, "bench"}
    return [f"tests/{name}" for name in sorted(found)]


def steps(cores: int) -> list[Step]:
    """Return the three steps on a machine of so many cores."""
    quick, others, apart = [f"tests/{name}" for name in QUICK], other_folders(), ["-m", "not alone"]
    in_groups = ["--dist=loadgroup", "--no-loadscope-reorder"]
    return [
        Step("without real parts", ["-n", str(cores), "--dist=worksteal", *apart, *quick]),
        Step("beside each other", ["-n", str(cores + 1), *in_groups, *apart, *others]),
        Step("alone", ["-m", "alone", *quick, *others]),
    ]


def summary(run: list[Step]) -> str:
    """Return what all steps came to: what failed, and a line of counts."""
    counts = sum((step.counts for step in run), Counter[str]())
    times = ", ".join(f"{step.name} {step.took_s:.0f} s" for step in run)
    total = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("failed", "passed", "skipped"))
    broken = [f"BROKEN {step.name}: pytest ended with {step.status}" for step in run if step.status not in {0, 1, 5}]
    failed = [f"FAILED {name}" for step in run for name in step.failed]
    return "\n".join(["", "== all steps ==", *failed, *broken, f"{total} ({times})"])


def main(arguments: list[str]) -> int:
    """Run everything, or the selection; return the exit status: 0 when all of it passed."""
    if is_selection(arguments):
        return _ended(subprocess.Popen([sys.executable, "-m", "pytest", *arguments]))
    first_failure_ends = any(one == "-x" or one.startswith(("--exitfirst", "--maxfail")) for one in arguments)
    with tempfile.TemporaryDirectory(prefix="otel_fe_tests_") as folder:
        environ = {**os.environ, FAILURES: f"{folder}/parts.json"}
        parts = PartsBeside(other_folders(), environ)
        run: list[Step] = []
        try:
            for step in steps(os.cpu_count() or 1):
                if run:
                    parts.wait()
                run.append(step)
                step.run(arguments, environ, Path(folder, f"{len(run)}.xml"))
                if first_failure_ends and not step.passed:
                    break
        except KeyboardInterrupt:
            return 130
        finally:
            parts.end()
            print(summary(run), flush=True)
    if all(step.status == NOTHING_COLLECTED for step in run):
        return NOTHING_COLLECTED
    return 0 if all(step.passed for step in run) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
