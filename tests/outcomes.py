"""A plugin of pytest that writes the outcome of each test to a file, by node id, and runs only tests that a file lists.

`python -m tests` adds up its steps by the first, and runs again by the second. Both compare whole node ids: names out of a report, or
on a command line, would have to be taken apart at `::` and `[`, which parameters contain as well.

    python -m pytest -p tests.outcomes --outcomes=OUT.json
    python -m pytest -p tests.outcomes --only-listed=IDS.json
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest


@dataclass
class Outcomes:
    """The outcomes of one run of pytest, by node id."""

    tests: dict[str, str] = field(default_factory=dict)
    """`passed`, `failed` or `skipped`; an error of a fixture is a failure, an expected failure is skipped."""
    not_collected: list[str] = field(default_factory=list)
    """Files whose tests could not be collected."""
    crashed: list[str] = field(default_factory=list)
    """Workers of xdist that died, and why."""

    @classmethod
    def read(cls, path: Path) -> Outcomes | None:
        """Return what a run has written; None where it died before that."""
        return cls(**json.loads(path.read_text())) if path.exists() else None

    def having(self, outcome: str) -> list[str]:
        """Return the node ids of the tests with an outcome."""
        return [node_id for node_id, its in self.tests.items() if its == outcome]


def plain_id(node_id: str) -> str:
    """Return a node id without the group that xdist's `--dist=loadgroup` appends to it: an `@` after the last bracket."""
    at = node_id.rfind("@")
    return node_id[:at] if at > node_id.rfind("]") else node_id


class _Writer:
    """Collects the outcomes, and writes them at the end of the run."""

    def __init__(self, path: Path) -> None:
        self._path, self._outcomes = path, Outcomes()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tests, node_id = self._outcomes.tests, plain_id(report.nodeid)
        if report.failed or (report.skipped and tests.get(node_id) != "failed"):
            tests[node_id] = report.outcome
        elif report.when == "call":
            tests.setdefault(node_id, report.outcome)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and report.nodeid not in self._outcomes.not_collected:  # each worker reports it
            self._outcomes.not_collected.append(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        if error is not None:
            self._outcomes.crashed.append(f"{node}: {error}")

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps(asdict(self._outcomes)))


class _Listed:
    """Deselects every test that is not listed."""

    def __init__(self, path: Path) -> None:
        self._wanted = set(json.loads(path.read_text()))

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        others = [item for item in items if plain_id(item.nodeid) not in self._wanted]
        items[:] = [item for item in items if plain_id(item.nodeid) in self._wanted]
        config.hook.pytest_deselected(items=others)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    parser.addoption("--outcomes", type=Path, help="write the outcome of each test to this file")
    parser.addoption("--only-listed", type=Path, help="run only the tests whose node ids are in this file")


def pytest_configure(config: pytest.Config) -> None:
    """Do as the options say; a worker of xdist leaves the writing to the process that has started it."""
    path, listed = config.getoption("outcomes"), config.getoption("only_listed")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Writer(path))
    if listed is not None:
        config.pluginmanager.register(_Listed(listed))
