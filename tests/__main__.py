"""Runs all tests, as `make test` does: in parallel where they can, with the real parts made while the first of them run.

    python -m tests                        # everything, in three steps
    python -m tests --durations=20         # options of pytest's go to each step
    python -m tests tests/unit -k cache    # a selection: one plain pytest

The steps: tests that need no real part, on all cores; those that use other processes, on all cores; those marked `alone`, whose
answer depends on what else the machine does, one by one. A few tests that failed beside others are run once more, alone, and the
summary names those that then passed. tests/README.md says why, and what that can hide.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.outcomes import Outcomes
from tests.real.parts import FAILURES

FOLDER = Path(__file__).parent
QUICK = ("unit", "properties", "contract", "simulation", "fuzz")
"""Folders whose tests need no real part that takes long to make."""
TESTS_FAILED = 1
"""Exit status of a pytest that has come to its end, in which tests failed."""
NOTHING_COLLECTED = 5
"""Exit status of a pytest that has selected no test: of one step, when there is a `-k`."""
MOST_REPEATED = 10
"""Failures of a whole run up to which those beside others are repeated alone. More of them are no accident of a busy machine."""


@dataclass
class Step:
    """One run of pytest, and its outcome."""

    name: str
    arguments: list[str]
    beside_others: bool = False
    """Whether several of its tests run at a time."""
    status: int = 0
    took_s: float = 0.0
    outcomes: Outcomes | None = field(default_factory=Outcomes)
    """None where pytest died before it could write them."""

    def run(self, options: list[str], environ: dict[str, str], report: Path) -> None:
        """Run it to its end; what it writes goes where ours does."""
        print(f"\n== {self.name} ==", flush=True)
        began_s = time.monotonic()
        plugin = ["-p", "tests.outcomes", f"--outcomes={report}"]
        command = [sys.executable, "-m", "pytest", *plugin, *self.arguments, *options]
        self.status = _ended(subprocess.Popen(command, env=environ))
        self.took_s = time.monotonic() - began_s
        self.outcomes = Outcomes.read(report)

    @property
    def failed(self) -> list[str]:
        """The node ids of the tests that failed, and the files whose tests could not be collected."""
        return [] if self.outcomes is None else [*self.outcomes.not_collected, *self.outcomes.having("failed")]

    @property
    def counts(self) -> Counter[str]:
        """How many tests passed, failed and were skipped."""
        found = Counter() if self.outcomes is None else Counter(self.outcomes.tests.values())
        return found + Counter(failed=0 if self.outcomes is None else len(self.outcomes.not_collected))

    @property
    def broken(self) -> str:
        """Return pytest's own failure, or an empty string if pytest ran to its end, whatever the outcome of the tests."""
        if self.outcomes is None:
            return f"pytest ended with {self.status} and without outcomes"
        if self.outcomes.crashed:
            return f"a worker of pytest died ({'; '.join(self.outcomes.crashed)})"
        if self.outcomes.not_collected:
            return f"pytest could not collect {', '.join(self.outcomes.not_collected)}"
        if self.status not in {0, TESTS_FAILED, NOTHING_COLLECTED}:
            return f"pytest ended with {self.status}"
        return "pytest failed without a failed test" if self.status == TESTS_FAILED and not self.failed else ""

    @property
    def passed(self) -> bool:
        """Return True if no test failed; an empty selection also passes."""
        return self.status in {0, NOTHING_COLLECTED} and not self.broken


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
    workers, in_groups = ["-n", str(cores)], ["--dist=loadgroup", "--no-loadscope-reorder"]
    return [
        Step("without real parts", [*workers, "--dist=worksteal", *apart, *quick], beside_others=True),
        Step("beside each other", [*workers, *in_groups, *apart, *others], beside_others=True),
        Step("alone", ["-m", "alone", *quick, *others]),
    ]


def repeat(run: list[Step], options: list[str], environ: dict[str, str], folder: Path) -> Step | None:
    """Run once more, alone, what failed beside others, and return that step; None where nothing is to be repeated.

    That is so where pytest itself broke, since what else would have failed is not known, and above `MOST_REPEATED` failures.
    """
    node_ids = [node_id for step in run if step.beside_others for node_id in step.failed]
    if not node_ids or any(step.broken for step in run) or sum(len(step.failed) for step in run) > MOST_REPEATED:
        return None
    listed = folder / "listed.json"
    listed.write_text(json.dumps(node_ids))
    files = dict.fromkeys(node_id.partition("::")[0] for node_id in node_ids)
    again = Step("once more and alone: what failed beside others", [f"--only-listed={listed}", *files])
    again.run(options, environ, folder / "again.json")
    return again


def passed_alone(run: list[Step], again: Step | None) -> list[str]:
    """Return the node ids of the tests that failed beside others and passed when they were repeated."""
    if again is None or again.broken or again.outcomes is None:
        return []
    passed = set(again.outcomes.having("passed"))
    return [node_id for step in run if step.beside_others for node_id in step.failed if node_id in passed]


def exit_status(run: list[Step], again: Step | None) -> int:
    """Return the exit status of all steps: 0 where each test passed, beside others or at least alone."""
    if run and all(step.status == NOTHING_COLLECTED and not step.broken for step in run):
        return NOTHING_COLLECTED
    excused = {*passed_alone(run, again)}
    right = all(step.passed or (not step.broken and excused.issuperset(step.failed)) for step in run)
    return 0 if right and (again is None or again.passed) else 1


def summary(run: list[Step], again: Step | None = None) -> str:
    """Return what all steps came to: what failed, what failed beside others only, and a line of counts."""
    steps_run = [*run, *([again] if again else [])]
    excused = passed_alone(run, again)
    failed = [f"FAILED {node_id}" for step in run for node_id in step.failed if node_id not in excused]
    broken = [f"BROKEN {step.name}: {step.broken}" for step in steps_run if step.broken]
    doubtful = ["", "== failed beside others, passed alone ==", *(f"DOUBTFUL {node_id}" for node_id in excused), ""]
    counts = sum((step.counts for step in run), Counter[str]())
    counts["failed"] -= len(excused)
    total = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("failed", "passed", "skipped"))
    total += f", {len(excused)} failed beside others and passed alone" if excused else ""
    times = ", ".join(f"{step.name} {step.took_s:.0f} s" for step in steps_run)
    return "\n".join(["", "== all steps ==", *failed, *broken, *(doubtful if excused else ()), f"{total} ({times})"])


def seeded(options: list[str]) -> list[str]:
    """Return options with one seed for all steps, unless they have one: a repeated test draws the same random numbers."""
    given = [*options, os.environ.get("PYTEST_ADDOPTS", "")]
    if any("no:randomly" in one or "--randomly-seed" in one for one in given):
        return options
    return [*options, f"--randomly-seed={random.SystemRandom().randrange(2**32)}"]


def run_all(options: list[str], folder: Path) -> int:
    """Run the steps, and what is to be repeated; print the summary and return the exit status."""
    first_failure_ends = any(one == "-x" or one.startswith(("--exitfirst", "--maxfail")) for one in options)
    environ = {**os.environ, FAILURES: f"{folder}/parts.json"}
    parts = PartsBeside(other_folders(), environ)
    run: list[Step] = []
    again: Step | None = None
    try:
        for step in steps(os.cpu_count() or 1):
            if run:
                parts.wait()
            run.append(step)
            step.run(options, environ, folder / f"{len(run)}.json")
            if first_failure_ends and not step.passed:
                break
        else:
            again = repeat(run, options, environ, folder)
    except KeyboardInterrupt:
        return 130
    finally:
        parts.end()
        print(summary(run, again), flush=True)
    return exit_status(run, again)


def main(arguments: list[str]) -> int:
    """Run everything, or the selection; return the exit status: 0 when all of it passed."""
    if is_selection(arguments):
        return _ended(subprocess.Popen([sys.executable, "-m", "pytest", *arguments]))
    with tempfile.TemporaryDirectory(prefix="otel_fe_tests_") as folder:
        return run_all(seeded(arguments), Path(folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
