"""Fixtures and settings of all tests."""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings

import pytest

from tests.real.parts import FAILURES, leave_failures, prepare

try:
    from hypothesis import settings
except ImportError:  # some tests also run in environments that hold one library and pytest (tests/venvs.py)
    pass
else:
    # No test is a timing: a slow machine must not fail one, and hypothesis' deadline of 200 ms would.
    # In CI the same examples are tried each time, so that it answers for the change it is given; new ones are found on our machines.
    settings.register_profile("untimed", deadline=None)
    settings.register_profile("ci", deadline=None, derandomize=True)
    # `make unit` tries a quarter of the examples of `make test`, in each of the same properties.
    settings.register_profile("between_edits", deadline=None, max_examples=25)
    settings.load_profile("ci" if os.environ.get("CI") == "true" else "untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the steps of `python -m tests` need."""
    parser.addoption(
        "--make-parts", action="store_true", help="make the real parts of the selected tests, and run none"
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep tests that share a fixture of their module in one worker, so that it is set up once; others go to any worker."""
    found = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 pytest has no public name for it
    if any(definition.scope in ("class", "module") for definitions in found.values() for definition in definitions):
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest tests, as far as their timeouts show them, so that no worker is left with one at the end."""
    if getattr(config.option, "loadgroup", False):
        items.sort(key=_timeout_s, reverse=True)
        for item in items:
            _name_group(item)


def _name_group(item: pytest.Item) -> None:
    """Append a test's group to its node id, by which xdist's scheduler knows it.

    xdist 3.8 sets `_nodeid` for that, which pytest 9.2 no longer has: no test stays with its group then, without a warning.
    """
    mark, node_id = item.get_closest_marker("xdist_group"), getattr(item, "_id", None)
    if mark is not None and node_id is not None and not item.nodeid.endswith(f"@{mark.args[0]}"):
        item._id = type(node_id).parse(f"{item.nodeid}@{mark.args[0]}")


def _timeout_s(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return mark.args[0] if mark else float(item.config.getini("timeout"))


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run no test after `--make-parts`."""
    return session.config.getoption("make_parts") or None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the real parts of the tests that will run: before the first of them, and outside of their timeouts.

    All that was imported and collected for it stays, some 450 000 objects: no garbage collection of a test visits them again.
    """
    gc.collect()
    gc.freeze()
    if (
        session.config.option.collectonly or "PYTEST_CURRENT_TEST" in os.environ
    ):  # the latter: within another run's test
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    prepare(print if reporter is None else reporter.write_line)
    if session.config.getoption("make_parts") and FAILURES in os.environ:
        leave_failures()


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Note on a test that it failed."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Free resources that a failed test has left open, without warnings: the failure is reported already.

    Its traceback holds sockets, files and processes. The next test that collects garbage would be failed by the warnings about them.
    """
    result = yield
    if item.stash.get(_FAILED, False):
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
    return result


_EXPORTING = ("OtelBatch", "OtelPeriodic")
"""How the names of the SDK's own exporting threads begin."""


def _exporting() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(_EXPORTING)}


@pytest.fixture(autouse=True)
def no_exporter_left_behind():
    """Fail a test that leaves an exporter running in this process.

    It would send to wherever a collector should be for as long as all the other tests last; the retries draw random numbers,
    which hypothesis notices in tests that have nothing to do with it.
    """
    before = _exporting()
    yield
    assert not _exporting() - before
