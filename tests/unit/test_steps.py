"""`python -m tests` runs all tests in steps, and adds up what they came to."""

from __future__ import annotations

import pytest

from tests import __main__ as all_tests
from tests.__main__ import QUICK, Step, is_selection, other_folders, steps, summary


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
@pytest.mark.skip
def test_left_out(): pass
"""


@pytest.mark.parametrize(
    ("source", "status", "counts", "failed"),
    [
        (OUTCOMES, 1, {"passed": 1, "failed": 2, "skipped": 1}, ["test_wrong", "test_without_its_fixture"]),
        ("1 / 0", 2, {"failed": 1}, ["test_made"]),
        ("import os\ndef test_it(): os._exit(7)", 7, {}, []),
    ],
    ids=["outcomes", "not_collected", "died"],
)
def test_a_step_counts_its_outcomes(tmp_path, capfd, source, status, counts, failed):
    (tmp_path / "test_made.py").write_text(source)
    plain = {"PATH": "/usr/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    step = Step("made", ["-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)])

    step.run([], plain, tmp_path / "report.xml")

    assert (step.status, dict(step.counts), step.passed) == (status, counts, False)
    assert [name.rpartition("::")[2] for name in step.failed] == failed
    assert "== made ==" in capfd.readouterr().out


def test_summary_adds_up_the_steps_and_names_what_failed():
    first, second = steps(2)[:2]
    first.counts.update({"passed": 5, "skipped": 1})
    second.counts.update({"passed": 2, "failed": 1})
    first.took_s, second.took_s, second.status, second.failed = 3.2, 60.0, 1, ["tests.e2e.test_walk::test_it"]

    assert summary([first, second]).splitlines()[-2:] == [
        "FAILED tests.e2e.test_walk::test_it",
        "1 failed, 7 passed, 1 skipped (without real parts 3 s, beside each other 60 s)",
    ]


def test_step_that_selected_no_test_has_not_failed():
    assert Step("alone", [], status=5).passed


def test_step_that_died_is_not_taken_for_one_that_passed():
    died = Step("alone", [], status=-9)

    assert not died.passed
    assert "BROKEN alone: pytest ended with -9" in summary([died])


def test_selection_has_the_exit_status_of_its_pytest(monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only -q")

    assert all_tests.main(["tests/unit/test_steps.py", "-k", "no_such_test"]) == 5
