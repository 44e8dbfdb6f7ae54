"""`python -m tests` runs all tests in steps, and adds up what they came to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import __main__ as all_tests
from tests.__main__ import (
    MOST_REPEATED,
    QUICK,
    Step,
    exit_status,
    is_selection,
    other_folders,
    repeat,
    seeded,
    summary,
)
from tests.outcomes import Outcomes, plain_id

ROOT = Path(all_tests.__file__).parent.parent


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], False),
        (["--durations=20", "-k", "cache"], False),
        (["tests/unit", "-k", "cache"], True),
        (["tests/unit/test_steps.py::test_every_folder_is_in_a_step"], True),
        (["-m", "alone"], True),
    ],
)
def test_paths_and_marks_make_a_selection(arguments, expected):
    assert is_selection(arguments) is expected


def test_every_folder_is_in_a_step():
    folders = {path.relative_to(all_tests.FOLDER).parts[0] for path in all_tests.FOLDER.rglob("test_*.py")}

    assert folders - {*QUICK} - {"bench"} == {path.removeprefix("tests/") for path in other_folders()}
    assert folders >= {*QUICK}


OUTCOMES = """
import pytest
def test_right(): pass
def test_wrong(): assert 0
@pytest.fixture
def broken(): 1 / 0
def test_without_its_fixture(broken): pass
@pytest.fixture
def failing_at_its_end():
    yield
    1 / 0
def test_with_a_fixture_that_fails_at_its_end(failing_at_its_end): pass
@pytest.mark.skip
def test_left_out(): pass
@pytest.mark.xfail
def test_expected_to_fail(): assert 0
"""
FAILED = [
    f"test_made.py::test_{name}" for name in ("wrong", "without_its_fixture", "with_a_fixture_that_fails_at_its_end")
]


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a function that runs a small suite of its own in one step."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(source, *arguments, beside_others=True, name="made"):
        (tmp_path / f"test_{name}.py").write_text(source)
        step = Step(name, [*arguments, f"test_{name}.py"], beside_others=beside_others)
        step.run(OPTIONS, environ(), tmp_path / f"{name}.json")
        return step

    return run


OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir=.", "-c", os.devnull]


def environ():
    return {"PATH": "/usr/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(
    ("source", "status", "counts", "failed"),
    [
        (OUTCOMES, 1, {"passed": 1, "failed": 3, "skipped": 2}, FAILED),
        ("1 / 0", 2, {"failed": 1}, ["test_made.py"]),
        ("import os\ndef test_it(): os._exit(7)", 7, {}, []),
        ("import os\ndef test_it(): os._exit(0)", 0, {}, []),
    ],
    ids=["outcomes", "not_collected", "died", "died_in_silence"],
)
def test_a_step_counts_its_outcomes(made, capfd, source, status, counts, failed):
    step = made(source)

    assert (step.status, dict(step.counts), step.passed) == (status, counts, False)
    assert step.failed == failed
    assert bool(step.broken) is (source != OUTCOMES)
    assert "== made ==" in capfd.readouterr().out


def ended(name, status, beside_others=True, **tests):
    """Return a step that has ended with so many tests of each outcome."""
    outcomes = {f"{name}::{outcome}{n}": outcome for outcome, count in tests.items() for n in range(count)}
    return Step(name, [], beside_others, status, 3.2, Outcomes(outcomes))


def test_summary_adds_up_the_steps_and_names_what_failed():
    run = [ended("first", 0, passed=5, skipped=1), ended("second", 1, passed=2, failed=1)]

    assert summary(run).splitlines()[-2:] == [
        "FAILED second::failed0",
        "1 failed, 7 passed, 1 skipped (first 3 s, second 3 s)",
    ]


def test_step_that_selected_no_test_has_not_failed():
    assert Step("alone", [], status=5).passed
    assert exit_status([ended("first", 0, passed=1), Step("alone", [], status=5)], None) == 0
    assert exit_status([Step("first", [], status=5), Step("alone", [], status=5)], None) == 5


@pytest.mark.parametrize("status", [-9, 0, 1])
def test_step_that_died_is_not_taken_for_one_that_passed(status):
    died = Step("alone", [], status=status, outcomes=None)

    assert not died.passed
    assert exit_status([died], None) == 1
    assert f"BROKEN alone: pytest ended with {status}" in summary([died])


def test_selection_has_the_exit_status_of_its_pytest(monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only -q")

    assert all_tests.main(["tests/unit/test_steps.py", "-k", "no_such_test"]) == 5


# --- what failed beside others, once more and alone -----------------------------------------------------------------------

TWICE = "def test_wrong(): assert 0\ndef test_right(): pass"
ONCE = """
from pathlib import Path
import pytest
@pytest.mark.parametrize("text", ["a b", "[c]", "d::e", "f@g", "]@[", "@", "é\\n", "x/y.py::z[1]@w"])
def test_once(text):
    seen = Path(f"seen_{ascii(text).encode().hex()}")
    first = not seen.exists()
    seen.touch()
    assert not first
class TestInClass:
    def test_once_of_a_fixture(self, slow):
        pass
@pytest.fixture
def slow():
    seen = Path("seen_fixture")
    yield
    first = not seen.exists()
    seen.touch()
    assert not first
def test_right(): pass
"""

BY_WORKERS_TOO = pytest.mark.parametrize(
    "workers",
    [[], pytest.param(["-p", "xdist.plugin", "-n", "2", "--dist=loadgroup"], marks=pytest.mark.thorough)],
    ids=["one", "workers"],
)


def came_to(run, tmp_path):
    """Return the repetition, the exit status and the summary's lines."""
    again = repeat(run, OPTIONS, environ(), tmp_path)
    return again, exit_status(run, again), summary(run, again).splitlines()


@BY_WORKERS_TOO
def test_what_fails_beside_others_and_passes_alone_is_listed_and_counted_apart(made, tmp_path, workers):
    source = ONCE.replace("import pytest", "import pytest\npytestmark = pytest.mark.xdist_group('one@two')")
    run = [made(source, *workers), made("def test_it(): pass", beside_others=False, name="alone")]
    assert len(run[0].failed) == 9

    again, status, lines = came_to(run, tmp_path)

    assert status == 0
    assert again.counts == {"passed": 9}
    assert [line for line in lines if line.startswith(("FAILED", "BROKEN"))] == []
    begin = lines.index("== failed beside others, passed alone ==")
    assert lines[begin + 1 : begin + 10] == [f"DOUBTFUL {node_id}" for node_id in run[0].failed]
    assert "test_made.py::test_once[x/y.py::z[1]@w]" in run[0].failed
    assert lines[-1].startswith("0 failed, 2 passed, 0 skipped, 9 failed beside others and passed alone (made ")


def test_what_fails_twice_fails_the_run(made, tmp_path):
    run = [made(TWICE), made(ONCE, "-k", "c] or right", name="other")]

    again, status, lines = came_to(run, tmp_path)

    assert (status, again.status) == (1, 1)
    assert [line for line in lines if line.startswith(("FAILED", "DOUBTFUL"))] == [
        "FAILED test_made.py::test_wrong",
        "DOUBTFUL test_other.py::test_once[[c]]",
    ]
    assert lines[-1].startswith("1 failed, 2 passed, 0 skipped, 1 failed beside others and passed alone (")


def test_what_is_skipped_when_it_is_repeated_has_not_passed(made, tmp_path):
    skipping = ONCE.replace("assert not first", "assert not first\n    pytest.skip('no')")
    run = [made(skipping, "-k", "c] or right")]

    again, status, lines = came_to(run, tmp_path)

    assert (again.status, again.counts, status) == (0, {"skipped": 1}, 1)
    assert "FAILED test_made.py::test_once[[c]]" in lines


def test_what_fails_alone_is_not_repeated(made, tmp_path):
    run = [made(ONCE, "-k", "c]", beside_others=False)]

    again, status, lines = came_to(run, tmp_path)

    assert (again, status) == (None, 1)
    assert "FAILED test_made.py::test_once[[c]]" in lines


@pytest.mark.parametrize(("more", "status"), [(0, 0), (1, 1)], ids=["as_many_as_are_repeated", "one_more"])
def test_many_failures_are_not_repeated(made, tmp_path, more, status):
    source = ONCE.replace('"a b",', f'"a b", *map(str, range({MOST_REPEATED - 9 + more})),')

    again, found, lines = came_to([made(source)], tmp_path)

    assert found == status
    assert (again is None) is bool(more)
    assert len([line for line in lines if line.startswith("FAILED")]) == (MOST_REPEATED + 1 if more else 0)


@pytest.mark.parametrize(
    "source", [f"{ONCE}\n1 / 0", f"{ONCE}\nimport os\ndef test_dies(): os._exit(3)"], ids=["not_collected", "died"]
)
@BY_WORKERS_TOO
def test_nothing_is_repeated_where_pytest_broke(made, tmp_path, source, workers):
    run = [made(ONCE, "-k", "c]", name="whole"), made(source, *workers, "-k", "c] or dies", name="broken")]

    again, status, lines = came_to(run, tmp_path)

    assert (again, status) == (None, 1)
    assert "FAILED test_whole.py::test_once[[c]]" in lines
    assert [line for line in lines if line.startswith("BROKEN broken: ")]


@pytest.mark.parametrize(
    ("reported", "node_id"),
    [
        ("test_a.py::test_b@test_a.py", "test_a.py::test_b"),
        ("test_a.py::test_b[c@d]", "test_a.py::test_b[c@d]"),
        ("test_a.py::test_b[c]@d]@test_a.py", "test_a.py::test_b[c]@d]"),
        ("test_a.py::test_b", "test_a.py::test_b"),
    ],
)
def test_group_of_a_worker_is_no_part_of_a_node_id(reported, node_id):
    assert plain_id(reported) == node_id


@pytest.mark.parametrize("own", [["-p", "no:randomly"], ["-pno:randomly"], ["--randomly-seed=7"]])
def test_steps_share_a_seed_unless_one_is_given(monkeypatch, own):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    assert seeded(own) == own
    assert seeded(["-v"])[:-1] == ["-v"]
    assert seeded([])[0].startswith("--randomly-seed=")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly")
    assert seeded([]) == []


LEFT_OPEN = """
import gc, subprocess, sys
def test_wrong():
    held = open(__file__)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert 0
def test_right(): pass
def test_collecting_garbage(): gc.collect()
"""


def test_failure_does_not_spread_by_what_it_left_open(made):
    step = made(LEFT_OPEN, "-W", "error", "-p", "tests.conftest")

    assert step.outcomes.tests == {
        "test_made.py::test_wrong": "failed",
        "test_made.py::test_right": "passed",
        "test_made.py::test_collecting_garbage": "passed",
    }


GROUPED = """
import os, pytest
from pathlib import Path
@pytest.fixture(scope="module")
def shared():
    Path(f"set_up_{os.getpid()}").touch()
@pytest.mark.parametrize("n", range(8))
def test_sharing(shared, n): pass
@pytest.mark.parametrize("n", range(8))
def test_by_itself(n): pass
"""


@pytest.mark.thorough
def test_fixture_of_a_module_is_set_up_in_one_worker(made, tmp_path):
    plugins = ["-p", "xdist.plugin", "-p", "pytest_timeout", "-p", "tests.conftest", "-o", "timeout=120"]

    step = made(GROUPED, *plugins, "-n", "2", "--dist=loadgroup")

    assert step.counts == {"passed": 16}
    assert "test_made.py::test_sharing[0]" in step.outcomes.tests
    assert len(list(tmp_path.glob("set_up_*"))) == 1
