"""Real parts are made before the tests, and what cannot be made is reported once and again by its tests."""

from __future__ import annotations

import threading

import pytest

from tests.real import parts
from tests.real.parts import Unavailable


class _Part:
    """A part that is made by calling a function."""

    def __init__(self, name, tools, work=lambda: None):
        self.name, self.tools, self._work = name, tools, work
        self.made = 0

    def ready(self):
        return self.made > 0

    def make(self):
        self._work()
        self.made += 1


@pytest.fixture(autouse=True)
def nothing_declared(monkeypatch):
    monkeypatch.setattr(parts, "_declared", {})
    monkeypatch.setattr(parts, "_failed", {})


def test_declared_parts_are_made_once():
    part, lines = parts.declare(_Part("jaeger", "go")), []

    parts.prepare(lines.append)
    parts.prepare(lines.append)

    assert part.made == 1
    assert lines[0].endswith(": jaeger")
    assert lines[1:] == ["[1/1] jaeger: 0 s"]


def test_parts_of_different_tools_are_made_at_the_same_time():
    both = threading.Barrier(2, timeout=10)
    declared = [parts.declare(_Part(name, name, both.wait)) for name in ("go", "uv")]

    parts.prepare(lambda _: None)

    assert [part.made for part in declared] == [1, 1]


def test_part_that_cannot_be_made_is_tried_once_and_fails_its_tests():
    def refuse():
        tries.append(1)
        raise Unavailable("no compiler")

    tries, lines = [], []
    broken, other = parts.declare(_Part("broken", "go", refuse)), parts.declare(_Part("other", "go"))

    parts.prepare(lines.append)

    assert other.made == 1
    assert any(line.endswith("no compiler") for line in lines)
    with pytest.raises(Unavailable, match="no compiler"):
        parts.obtain(broken)
    assert len(tries) == 1


def test_undeclared_part_is_refused_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    part = _Part("surprise", "go")

    with pytest.raises(AssertionError, match="surprise would be made within a test"):
        parts.obtain(part)

    part.made = 1
    parts.obtain(part)


def test_undeclared_part_is_made_on_demand_elsewhere(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    part = _Part("surprise", "go")

    parts.obtain(part)

    assert part.made == 1
