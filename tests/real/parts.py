"""Real parts that take long to build or to fetch: declared where they are used, made before the first test starts.

A module declares its parts when it is imported, and `tests/conftest.py` has them made once the tests are collected: so exactly the
parts of the tests that will run, with progress, outside of any test's timeout. What an earlier run has made is found in the cache.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NEWS_S = 30
"""How long progress may be silent."""
FAILURES = "TEST_PARTS_FAILED"
"""The environment variable of a file in which one process leaves for others which parts cannot be had: none of them tries again."""


class Unavailable(Exception):
    """A real part could not be had; says why."""


class Part(Protocol):
    """Something that is built or fetched once, and kept outside the tree."""

    @property
    def name(self) -> str:
        """Return the display name."""

    @property
    def tools(self) -> str:
        """Return the build tool's name. Parts of one tool are built one after the other, others in parallel."""

    def ready(self) -> bool:
        """Return whether it is there."""

    def make(self) -> None:
        """Build or fetch it.

        Raises:
            Unavailable: with what the tool said.
        """


SomePart = TypeVar("SomePart", bound=Part)

_declared: dict[str, Part] = {}
_failed: dict[str, Unavailable] = {}


def cache_folder() -> Path:
    """Return where parts stay from one test run to the next, outside the tree."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel_fe"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def missing(part: str) -> None:
    """Fail in CI, and skip elsewhere, because a real part is not there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{part} is missing, and CI must have it")
    pytest.skip(f"{part} is missing")


def declare(part: SomePart) -> SomePart:
    """Have a part made before the tests start; return it."""
    _declared[part.name] = part
    return part


def obtain(part: Part) -> None:
    """Make sure that a part is there.

    Raises:
        Unavailable: It could not be made; that is tried once in a test run.
        AssertionError: In CI, it was not declared and would be made within a test's timeout.
    """
    if part.name in _failed:
        raise _failed[part.name]
    if part.ready():
        return
    undeclared = os.environ.get("CI") == "true" and "PYTEST_CURRENT_TEST" in os.environ
    assert not undeclared, f"{part.name} would be made within a test: declare it where its module is imported"
    part.make()


def prepare(report: Callable[[str], None]) -> None:
    """Make the declared parts that are not there yet; a part that cannot be made is reported, and its tests say so again.

    Args:
        report: Takes a line of progress.
    """
    _failed.update({name: Unavailable(reason) for name, reason in _failures_of_others().items()})
    wanted = [part for part in _declared.values() if part.name not in _failed and not part.ready()]
    if not wanted:
        return
    report(
        f"making what the tests need in {cache_folder()}, once ({len(wanted)}): {', '.join(part.name for part in wanted)}"
    )
    progress = _Progress(len(wanted), report)
    lanes = [[part for part in wanted if part.tools == tools] for tools in dict.fromkeys(part.tools for part in wanted)]
    threads = [threading.Thread(target=_make_all, args=(lane, progress), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        progress.wait()


def leave_failures() -> None:
    """Write the file that `FAILURES` names."""
    Path(os.environ[FAILURES]).write_text(json.dumps({name: str(fault) for name, fault in _failed.items()}))


def _failures_of_others() -> dict[str, str]:
    file = Path(os.environ.get(FAILURES) or os.devnull)
    return json.loads(file.read_text()) if file.is_file() else {}


def _make_all(parts: Iterable[Part], progress: _Progress) -> None:
    for part in parts:
        progress.begin(part.name)
        try:
            part.make()
        except Unavailable as fault:
            _failed[part.name] = fault
        except Exception as fault:
            _failed[part.name] = Unavailable(f"{type(fault).__name__}: {fault}")
        progress.end(part.name, str(_failed.get(part.name, "")))


class _Progress:
    """Lines of what is made, what took how long, and what is still under way."""

    def __init__(self, count: int, report: Callable[[str], None]) -> None:
        self._count, self._report = count, report
        self._done = 0
        self._since: dict[str, float] = {}
        self._news = threading.Condition()

    def begin(self, name: str) -> None:
        with self._news:
            self._since[name] = time.monotonic()

    def end(self, name: str, failure: str) -> None:
        with self._news:
            self._done += 1
            took = f"{time.monotonic() - self._since.pop(name):.0f} s"
            self._report(
                f"[{self._done}/{self._count}] {name}: {f'cannot be had ({took}): {failure}' if failure else took}"
            )
            self._news.notify_all()

    def wait(self) -> None:
        """Wait for the next end of a part; report what is under way where that takes long."""
        with self._news:
            if not self._news.wait(_NEWS_S) and self._since:
                now = time.monotonic()
                under_way = (f"{name} ({now - since:.0f} s)" for name, since in self._since.items())
                self._report(f"[{self._done}/{self._count}] still making {', '.join(under_way)}")
